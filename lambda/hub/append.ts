/**
 * Append: reserve, then write (PROTOCOL.md §4). Two writes and no read when nothing is in the way.
 * @module
 */
import { Refusal } from '../../protocol/errors.ts';
import { formatOffset } from '../../protocol/offset.ts';
import { type Channel, channelNotFound, isAlive, keepAlive, mediaType, newChannel } from './channel.ts';
import { parseMessages } from './messages.ts';
import type { Claim, Log } from './ports.ts';

export interface AppendRequest {
  readonly channel: string;
  readonly contentType: string;
  readonly seq: string | undefined;
  readonly body: Uint8Array;
}

export interface Appended {
  /** The offset after the last message of the request. */
  readonly nextOffset: string;
}

/**
 * A claim is refused for a reason that can be gone by the time it is looked up (the channel was created, or expired,
 * in between). Each further attempt needs another such accident.
 */
const MAX_CLAIMS = 3;

/**
 * What `curl -d` and HTML forms send unless told otherwise. A first publish makes the channel in implicit mode, so
 * without this a forgotten header would make a byte channel for good.
 */
const FORM = 'application/x-www-form-urlencoded';

/**
 * Appends the messages of one request and answers the offset after them. Once it has answered, the messages are
 * durable; until then nobody has seen them in front of a later message.
 * @throws Refusal empty_body, bad_json, too_large, channel_not_found, content_type_mismatch, sequence_regression, unavailable
 */
export async function append(log: Log, request: AppendRequest): Promise<Appended> {
  const messages = parseMessages(request.contentType, request.body);
  if (messages.length === 0) throw new Refusal('empty_body', 'the body holds no message');

  const channel = await claim(log, request);
  const slot = channel.next - 1;
  // Read after the claim was granted: readers take it as proof that every earlier claim is at least as old.
  const time = log.clock();
  const entry = { slot, messages, id: log.newId(), time, expiresAt: time + log.retentionMs };
  if (!(await log.entries.put(channel.streamId, entry))) {
    throw new Refusal('unavailable', 'the write came too late and its slot was sealed; retry');
  }
  await keepAlive(log, channel);
  return { nextOffset: formatOffset({ entry: slot + 1, index: 0 }) };
}

async function claim(log: Log, request: AppendRequest): Promise<Channel> {
  for (let attempt = 0; attempt < MAX_CLAIMS; attempt++) {
    const now = log.clock();
    const fresh = log.channelCreation === 'implicit' ? freshChannel(log, request, now) : undefined;
    const wanted: Claim = {
      channel: request.channel,
      contentType: request.contentType,
      seq: request.seq,
      now,
      fresh,
    };
    const channel = await log.channels.reserve(wanted);
    if (channel) return channel;
    await explainRefusal(log, wanted);
  }
  throw new Refusal('unavailable', 'the channel changed while it was being written to; retry');
}

function freshChannel(log: Log, request: AppendRequest, now: number): Channel {
  if (mediaType(request.contentType) === FORM) {
    throw new Refusal(
      'content_type_mismatch',
      `no channel is ${FORM}; for JSON send content-type: application/json`,
    );
  }
  const { channel: name, contentType } = request;
  return newChannel(log, { name, contentType, ttlSeconds: undefined, expiresAt: undefined }, now);
}

/** Throws the reason why a claim was refused, or returns if another attempt may be granted. */
async function explainRefusal(log: Log, claim: Claim): Promise<void> {
  const channel = await log.channels.get(claim.channel);
  if (!channel || !isAlive(channel, claim.now)) {
    if (!claim.fresh) throw channelNotFound();
    await log.channels.create(claim.fresh, claim.now);
    return;
  }
  if (mediaType(channel.contentType) !== mediaType(claim.contentType)) {
    throw new Refusal(
      'content_type_mismatch',
      `the channel is ${channel.contentType}, the message is ${claim.contentType}`,
    );
  }
  if (claim.seq !== undefined) {
    throw new Refusal('sequence_regression', `Stream-Seq ${claim.seq} is not above the last one accepted`);
  }
}
