/**
 * Claim: the first of the two writes of an append (PROTOCOL.md §4). One conditional write checks everything; only when
 * it is refused does anybody read, to find out why.
 * @module
 */
import { Refusal } from '../../protocol/errors.ts';
import { STREAM_CLOSED, STREAM_NEXT_OFFSET } from '../../protocol/headers.ts';
import { MAX_PRODUCERS } from '../../protocol/limits.ts';
import { type Channel, channelNotFound, isAlive, mediaType, newChannel, tailOffset } from './channel.ts';
import type { Claim, Log } from './ports.ts';
import { epochMark, MARKS_PER_PRODUCER, type Producer, silentMarks, standingOf } from './producer.ts';

/** What a publish asks of its channel. */
export interface Wish {
  readonly channel: string;
  /** Undefined for closing without a message, which fits every channel. */
  readonly contentType: string | undefined;
  readonly seq: string | undefined;
  readonly close: boolean;
  readonly producer: Producer | undefined;
}

export type Claimed =
  | { readonly kind: 'granted'; readonly channel: Channel; readonly slot: number | undefined }
  /** The publish was claimed, or the channel closed, by an earlier attempt at the same thing. */
  | {
      readonly kind: 'repeat';
      readonly channel: Channel;
      readonly slot: number | undefined;
      readonly lastSeq: number | undefined;
    };

/**
 * A claim is refused for a reason that can be gone by the time it is looked up (the channel was created, or expired,
 * in between). Each further attempt needs another such accident.
 */
const MAX_ATTEMPTS = 4;

/**
 * What `curl -d` and HTML forms send unless told otherwise. A first publish makes the channel in implicit mode, so
 * without this a forgotten header would make a byte channel for good.
 */
const FORM = 'application/x-www-form-urlencoded';

/**
 * Claims the next slot, or with no content type only closes.
 * @throws Refusal channel_not_found, channel_closed, content_type_mismatch, sequence_regression, stale_producer,
 *   producer_gap, too_many_producers, bad_request, unavailable
 */
export async function claim(log: Log, wish: Wish): Promise<Claimed> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const now = log.clock();
    const slots = wish.contentType === undefined ? 0 : 1;
    const wanted: Claim = { ...wish, slots, now, fresh: freshFor(log, wish, now), replaces: undefined };
    const channel = await log.channels.reserve(wanted);
    if (channel) return { kind: 'granted', channel, slot: wanted.slots === 0 ? undefined : channel.next - 1 };
    const repeat = await explain(log, wanted);
    if (repeat) return repeat;
  }
  throw new Refusal('unavailable', 'the channel changed while it was being written to; retry');
}

/** The channel that the first publish makes in implicit mode. */
function freshFor(log: Log, { channel: name, contentType }: Wish, now: number): Channel | undefined {
  if (log.channelCreation === 'explicit' || contentType === undefined) return undefined;
  if (mediaType(contentType) === FORM) {
    throw new Refusal(
      'content_type_mismatch',
      `no channel is ${FORM}; for JSON send content-type: application/json`,
    );
  }
  return newChannel(log, { name, contentType, ttlSeconds: undefined, expiresAt: undefined }, now);
}

/** Throws the reason why a claim was refused, or returns the earlier attempt, or nothing if another may be granted. */
async function explain(log: Log, claim: Claim): Promise<Claimed | undefined> {
  const channel = await log.channels.get(claim.channel);
  if (!channel || !isAlive(channel, claim.now)) {
    if (!claim.fresh) throw channelNotFound();
    await log.channels.create(claim.fresh, claim.now);
    return undefined;
  }
  if (channel.closed) return repeatOfClosing(channel, claim);
  if (claim.contentType !== undefined && mediaType(channel.contentType) !== mediaType(claim.contentType)) {
    throw new Refusal(
      'content_type_mismatch',
      `the channel is ${channel.contentType}, the message is ${claim.contentType}`,
    );
  }
  if (claim.producer) {
    const standing = standingOf(claim.producer, channel.producers);
    if (standing.kind === 'repeat') return { ...standing, channel };
    await makeRoom(log, channel, claim.producer, claim.now);
  }
  if (claim.seq !== undefined && channel.lastSeq !== undefined && claim.seq <= channel.lastSeq) {
    throw new Refusal('sequence_regression', `Stream-Seq ${claim.seq} is not above the last one accepted`);
  }
  return undefined;
}

/** A closed channel accepts the very request that closed it once more, and closing for its own sake. */
function repeatOfClosing(channel: Channel, { producer, slots }: Claim): Claimed {
  const closing = channel.closedBy;
  const same =
    producer &&
    closing?.id === producer.id &&
    closing.epoch === producer.epoch &&
    closing.seq === producer.seq;
  if (same) {
    const slot = slots === 1 ? channel.next - 1 : undefined;
    return { kind: 'repeat', channel, slot, lastSeq: producer.seq };
  }
  if (!producer && slots === 0) return { kind: 'repeat', channel, slot: undefined, lastSeq: undefined };
  throw channelClosed(channel);
}

function channelClosed(channel: Channel): Refusal {
  const headers = { [STREAM_CLOSED]: 'true', [STREAM_NEXT_OFFSET]: tailOffset(channel) };
  return new Refusal('channel_closed', 'the channel is closed', headers);
}

/**
 * Claims another slot for a publish whose own was sealed before it was written.
 * @throws Refusal channel_closed, unavailable
 */
export async function claimAgain(log: Log, wish: Wish, channel: Channel, sealed: number): Promise<number> {
  if (channel.closed) throw channelClosed(channel);
  // The publish itself was accepted before, so its sequence is not checked again.
  const replaces = wish.producer ? sealed : undefined;
  const again: Claim = { ...wish, seq: undefined, slots: 1, now: log.clock(), fresh: undefined, replaces };
  const claimed = await log.channels.reserve(again);
  if (!claimed) throw new Refusal('unavailable', 'the channel changed while it was being written to; retry');
  return claimed.next - 1;
}

/** A producer that is new to a channel full of them takes the place of those that have been silent for a retention. */
async function makeRoom(log: Log, channel: Channel, { id }: Producer, now: number): Promise<void> {
  const isFull = Object.keys(channel.producers).length >= MAX_PRODUCERS * MARKS_PER_PRODUCER;
  if (!isFull || channel.producers[epochMark(id)] !== undefined) return;
  const silent = silentMarks(channel.producers, now - log.retentionMs);
  if (silent.length === 0) {
    throw new Refusal(
      'too_many_producers',
      `a channel remembers about ${MAX_PRODUCERS} producers, and none is silent yet`,
    );
  }
  await log.channels.forgetProducers(channel, silent);
}
