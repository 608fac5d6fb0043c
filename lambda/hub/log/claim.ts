/**
 * Claim: the first of the two writes of an append (PROTOCOL.md §4). One conditional write checks everything. Only if it is refused,
 * the channel is read to find out why.
 * @module
 */
import { Refusal } from '../../../protocol/errors.ts';
import { STREAM_CLOSED, STREAM_NEXT_OFFSET } from '../../../protocol/headers.ts';
import { MAX_PRODUCERS } from '../../../protocol/limits.ts';
import type { Hook } from '../hook.ts';
import { haveKey, requireKey } from '../keyed/stream-key.ts';
import { type Channel, channelNotFound, isAlive, mediaType, newChannel, tailOffset } from './channel.ts';
import { isTombstone, type Messages } from './entry.ts';
import type { Claim, Log, Publishing } from './log-ports.ts';
import type { Stamp } from './messages.ts';
import {
  epochMark,
  longestSilent,
  MARKS_PER_PRODUCER,
  type Producer,
  producerStateOf,
  repeatOf,
} from './producer.ts';
import { isSilent, silentSince } from './retention.ts';

/** A request to append messages to a channel, to close it, or both. */
export interface AppendRequest {
  /** Name of the channel. */
  readonly channel: string;
  /** Undefined for closing without a message, which every channel accepts. */
  readonly contentType: string | undefined;
  /** The key of the channel that the first publish creates. Only the hub itself sets it, for channels of its own. */
  readonly streamKey?: string | undefined;
  /** The Stream-Seq. */
  readonly seq: string | undefined;
  /** True to close the channel after the messages. */
  readonly close: boolean;
  /** The idempotent producer, if the caller named one. */
  readonly producer: Producer | undefined;
  /** The body as it came, up to MAX_REQUEST_BYTES. */
  readonly body: Uint8Array;
  /** What the hub adds to each message; absent for nothing. */
  readonly stamp?: Stamp | undefined;
  /** Is asked about the messages before they are stored; absent for nobody. */
  readonly hook?: Hook | undefined;
}

/** A request with its messages, and the id of its entry. */
export interface IdentifiedRequest extends AppendRequest {
  /** The same for every attempt at the same publish, where that can be known. */
  readonly id: string;
  /** The messages as they are to be stored. */
  readonly messages: Messages;
}

/** A claim that was granted, now or to an earlier attempt. */
export interface Claimed {
  /** `repeat`: an earlier attempt claimed the slot. `contested`: the Stream-Seq was claimed, perhaps by an earlier attempt. */
  readonly kind: 'granted' | 'repeat' | 'contested';
  /** The channel after the claim. */
  readonly channel: Channel;
  /** Undefined for a request that only closes, and for a repetition whose slot is no longer remembered. */
  readonly slot: number | undefined;
  /** The last sequence number of the producer, for a repetition. */
  readonly lastSeq: number | undefined;
}

/**
 * The reason for a refusal can be gone when the channel is read: it was created, has expired, has begun an epoch, or its key was not
 * known. Each further attempt needs another such accident.
 */
const MAX_ATTEMPTS = 5;

/**
 * The type that `curl -d` and HTML forms send by default. In implicit mode the first publish creates the channel. So a forgotten
 * header would create a channel of bytes, and that cannot be changed.
 */
const FORM = 'application/x-www-form-urlencoded';

/**
 * Claims the next slot; without a content type it only closes the channel.
 * @throws Refusal channel_not_found, channel_closed, content_type_mismatch, bad_key, sequence_regression, stale_producer,
 *   producer_gap, too_many_producers, bad_request, unavailable
 */
export async function claim(log: Publishing, request: IdentifiedRequest): Promise<Claimed> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const streamKey = likelyKey(log, request);
    const wanted = { ...claimOf(log, request), streamKey, fresh: freshFor(log, request) };
    const channel = await log.channels.reserve(wanted);
    if (channel) {
      const slot = wanted.slots === 0 ? undefined : channel.next - 1;
      return { kind: 'granted', channel, slot, lastSeq: undefined };
    }
    const earlier = await explain(log, wanted, request.messages);
    if (earlier) return earlier;
  }
  throw tooMuchChange();
}

/**
 * Claims another slot for a publish whose slot was sealed before the entry was written. Returns the slot.
 * @throws Refusal sequence_regression if another publish with the same Stream-Seq was written into the slot,
 *   channel_closed, unavailable
 */
export async function claimAgain(
  log: Log,
  request: IdentifiedRequest,
  channel: Channel,
  sealed: number,
): Promise<number> {
  const { entries } = await log.entries.page(channel.streamId, sealed);
  const [there] = entries;
  if (there?.slot !== sealed || !isTombstone(there)) throw sequenceRegression(request.seq);
  if (channel.closed) throw channelClosed(channel);
  const { streamKey } = channel;
  const claimed = await log.channels.reserve({
    ...claimOf(log, request),
    streamKey,
    slots: 1,
    replaces: sealed,
  });
  if (!claimed) throw tooMuchChange();
  return claimed.next - 1;
}

function claimOf(log: Log, request: IdentifiedRequest): Claim {
  const now = log.clock();
  const slots = request.contentType === undefined ? 0 : 1;
  return {
    ...request,
    streamKey: undefined,
    slots,
    now,
    silentSince: silentSince(log, now),
    fresh: undefined,
    replaces: undefined,
  };
}

/**
 * Returns the key that the channel probably has: the one that this process knows, if all messages have it. A claim with another key
 * is refused, and then the channel is read.
 */
function likelyKey(log: Publishing, { channel, streamKey, messages }: IdentifiedRequest): string | undefined {
  const known = streamKey ?? (log.streamKeys.get(channel) || undefined);
  return known !== undefined && haveKey(known, messages) ? known : undefined;
}

function tooMuchChange(): Refusal {
  return new Refusal('unavailable', 'the channel changed while it was being written to; retry');
}

/** Returns the channel that the first publish creates in implicit mode. */
function freshFor(
  log: Log,
  { channel: name, contentType, streamKey, body }: AppendRequest,
): Channel | undefined {
  if (log.channelCreation === 'explicit' || contentType === undefined) return undefined;
  if (isForm(contentType) || isMislabelled(contentType, body)) return undefined;
  const wanted = { name, contentType, streamKey, ttlSeconds: undefined, expiresAt: undefined };
  return newChannel(log, wanted, log.clock());
}

const isForm = (contentType: string): boolean => mediaType(contentType) === FORM;

/**
 * The types that libraries send when their user named none: fetch, .NET, Dart and aiohttp send the first with a string, aiohttp and
 * others the second with bytes.
 * https://fetch.spec.whatwg.org/#concept-bodyinit-extract
 */
const UNCHOSEN: ReadonlySet<string> = new Set(['text/plain', 'application/octet-stream']);

/**
 * Returns true for a JSON object or array with a content type that a library may have added. A number or a word is a JSON text,
 * too, but it may be a line of text as well.
 */
function isMislabelled(contentType: string, body: Uint8Array): boolean {
  if (!UNCHOSEN.has(mediaType(contentType))) return false;
  const text = new TextDecoder().decode(body);
  if (!/^\s*[[{]/.test(text)) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Throws the reason why a claim was refused, or returns the earlier attempt; undefined if the next claim may be granted. */
async function explain(log: Publishing, claim: Claim, messages: Messages): Promise<Claimed | undefined> {
  const channel = await log.channels.get(claim.channel);
  if (!channel || !isAlive(channel, claim.now)) {
    if (!claim.fresh) throw noChannel(log, claim);
    await log.channels.create(claim.fresh, claim.now);
    return undefined;
  }
  if (channel.closed) return repeatOnClosed(channel, claim);
  if (claim.contentType !== undefined && mediaType(channel.contentType) !== mediaType(claim.contentType)) {
    const message = `the channel is ${channel.contentType}, the message is ${claim.contentType}`;
    throw new Refusal('content_type_mismatch', message);
  }
  if (claim.slots === 1) learnKey(log, channel, messages);
  if (claim.producer) {
    const state = producerStateOf(claim.producer, channel.producers);
    if (state.kind === 'repeat') return { ...state, channel };
    await makeRoom(log, channel, claim.producer, claim.now);
  }
  const contested = contestedSeq(channel, claim);
  if (contested) return contested;
  if (isSilent(log, channel, claim.now)) {
    await log.channels.beginEpoch(channel, claim.now, claim.now + log.retentionMs);
  }
  return undefined;
}

/** Remembers the key of a channel for the next claim. @throws Refusal bad_key */
function learnKey(log: Publishing, { name, streamKey }: Channel, messages: Messages): void {
  requireKey(streamKey, messages);
  // A process sees many plain channels, and they must not push out the keyed ones.
  if (streamKey !== undefined || log.streamKeys.get(name)) log.streamKeys.set(name, streamKey ?? '');
}

function noChannel(log: Log, { contentType }: Claim): Refusal {
  if (log.channelCreation === 'explicit' || contentType === undefined) return channelNotFound();
  const what = isForm(contentType) ? contentType : `JSON as ${contentType}`;
  const advice = 'for JSON send content-type: application/json, for another type create the channel with PUT';
  return new Refusal('content_type_mismatch', `a publish of ${what} makes no channel; ${advice}`);
}

/** Returns the claim of a Stream-Seq that equals the last one: it may be the same publish, tried again after its write failed. */
function contestedSeq(channel: Channel, { seq, producer }: Claim): Claimed | undefined {
  const { lastSeq, lastSeqSlot: slot } = channel;
  if (seq === undefined || lastSeq === undefined || seq > lastSeq) return undefined;
  if (seq < lastSeq || producer || slot === undefined) throw sequenceRegression(seq);
  return { kind: 'contested', channel, slot, lastSeq: undefined };
}

/** Returns the refusal for a Stream-Seq that is not above the last one. */
export function sequenceRegression(seq: string | undefined): Refusal {
  const which = seq === undefined ? 'the Stream-Seq' : `Stream-Seq "${seq}"`;
  return new Refusal('sequence_regression', `${which} is not above the last one accepted`);
}

/** Returns the earlier attempt. A closed channel still confirms what it accepted while it was open, and its closing. */
function repeatOnClosed(channel: Channel, { id, producer, slots }: Claim): Claimed {
  if (channel.closedBy === id) {
    const slot = slots === 1 ? channel.next - 1 : undefined;
    return { kind: 'repeat', channel, slot, lastSeq: producer?.seq };
  }
  const before = producer && repeatOf(producer, channel.producers);
  if (before?.slot !== undefined && slots === 1)
    return { kind: 'repeat', channel, slot: before.slot, lastSeq: before.lastSeq };
  if (!producer && slots === 0) return { kind: 'repeat', channel, slot: undefined, lastSeq: undefined };
  throw channelClosed(channel);
}

/** Returns the refusal for a channel that is closed. */
export function channelClosed(channel: Channel): Refusal {
  const headers = { [STREAM_CLOSED]: 'true', [STREAM_NEXT_OFFSET]: tailOffset(channel) };
  return new Refusal('channel_closed', 'the channel is closed', headers);
}

/** Forgets the producer that has been silent the longest, if a new one comes to a channel that has as many as it may have. */
async function makeRoom(log: Log, channel: Channel, { id }: Producer, now: number): Promise<void> {
  const isFull = Object.keys(channel.producers).length >= MAX_PRODUCERS * MARKS_PER_PRODUCER;
  if (!isFull || channel.producers[epochMark(id)] !== undefined) return;
  const silent = longestSilent(channel.producers);
  if (!silent || silent.since > now - log.retentionMs) {
    const message = `a channel remembers about ${MAX_PRODUCERS} producers, and none has been silent long enough`;
    throw new Refusal('too_many_producers', message);
  }
  await log.channels.forgetProducer(channel, silent);
}
