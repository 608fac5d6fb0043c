/**
 * Append: reserves a slot, then writes the entry (PROTOCOL.md §4). It costs two writes and a hint, and reads only after a refusal.
 * @module
 */
import { Refusal } from '../../../protocol/errors.ts';
import { formatOffset } from '../../../protocol/offset.ts';
import { isWritten, reviewed } from '../hook.ts';
import { type Channel, isAlive, tailOffset } from './channel.ts';
import {
  type AppendRequest,
  type Claimed,
  claim,
  claimAgain,
  type IdentifiedRequest,
  sequenceRegression,
} from './claim.ts';
import type { Entry, HintedEntry, Messages } from './entry.ts';
import { keepAlive } from './lifecycle.ts';
import type { Log, Publishing } from './log-ports.ts';
import { parseMessages, stamped } from './messages.ts';
import { entryIdOf, repeatOf, timeMark } from './producer.ts';
import { isHole } from './retention.ts';

export type { AppendRequest } from './claim.ts';

/** The result of a publish. */
export interface Appended {
  /** The offset after the last message of the request. */
  readonly nextOffset: string;
  /** True if the channel is closed now. */
  readonly closed: boolean;
  /** The highest sequence number that was accepted from the producer, for requests that have one. */
  readonly lastSeq: number | undefined;
  /** Number of messages that were appended; 0 for a repetition, and for a request that only closes the channel. */
  readonly count: number;
}

/** The content that a publish writes into its slot. */
export type EntryContent = Pick<Entry, 'messages' | 'id'>;

/**
 * Appends the messages of one request and returns the offset after them. Then the messages are durable. No reader sees a later
 * message before them.
 * @throws Refusal empty_body, bad_json, too_large, refused, reserved_member, and those of `claim`
 */
export async function append(log: Publishing, request: AppendRequest): Promise<Appended> {
  const parsed = messagesOfRequest(request);
  const earlier = request.hook && (await acceptedBefore(log, request));
  if (earlier) return await confirm(log, earlier);
  const messages = stamped(await reviewed(request, parsed), request.stamp, log.clock());
  // Without a producer the id is new: it tells a second attempt of the client from another request.
  const id = request.producer ? entryIdOf(request.producer) : log.newId();
  const identified = { ...request, id, messages };
  const claimed = await claim(log, identified);
  const { kind, channel, slot } = claimed;
  const lastSeq = kind === 'repeat' ? claimed.lastSeq : request.producer?.seq;
  await keepAlive(log, channel);
  const isEmpty = slot === undefined || messages.length === 0;
  const written = isEmpty ? undefined : await settle(log, identified, claimed, slot, { messages, id });
  const nextOffset = written ? offsetAfter(written) : tailOffset(channel);
  const entry = written && hintedEntry(channel, written, messages);
  // Also for a repetition: the first attempt may have failed at this very step.
  const { name, closed, streamKey } = channel;
  await log.hint({ channel: name, offset: nextOffset, isClosing: closed, streamKey, entry });
  const count = isEmpty || kind === 'repeat' ? 0 : messages.length;
  return { closed: channel.closed, lastSeq, count, nextOffset };
}

/**
 * Returns the earlier attempt of a producer that is in the log already, so that the hook is not asked about it again. If a crash left
 * the slot of that attempt empty, its messages are lost, and the hook is asked about those of this one.
 */
async function acceptedBefore(
  log: Log,
  { channel: name, producer }: AppendRequest,
): Promise<Claimed | undefined> {
  const channel = producer && (await log.channels.get(name));
  if (!channel || !isAlive(channel, log.clock())) return undefined;
  const earlier = repeatOf(producer, channel.producers);
  if (!earlier) return undefined;
  const { slot } = earlier;
  const isThere =
    slot === undefined ||
    (await isWritten(log, channel.streamId, slot)) ||
    !(await isHole(log, channel, slot, log.clock()));
  return isThere ? { ...earlier, channel } : undefined;
}

/** Answers a repetition as `append` does: the first attempt may have failed after its write. */
async function confirm(log: Publishing, { channel, slot, lastSeq }: Claimed): Promise<Appended> {
  await keepAlive(log, channel);
  const { name, closed, streamKey } = channel;
  const nextOffset = slot === undefined ? tailOffset(channel) : offsetAfter({ slot, at: undefined });
  await log.hint({ channel: name, offset: nextOffset, isClosing: closed, streamKey });
  return { closed, lastSeq, count: 0, nextOffset };
}

/** Where a publish is in the log. */
export interface Written {
  /** The slot that has the entry. */
  readonly slot: number;
  /** Time at which this request wrote the entry, in milliseconds since 1970; undefined if an earlier attempt wrote it. */
  readonly at: number | undefined;
}

/** Returns the offset after the messages of a publish. */
export const offsetAfter = ({ slot }: Written): string => formatOffset({ entry: slot + 1, index: 0 });

/**
 * Returns the entry for the hint of a publish. There is none if a receiver must look at the channel: it is closed, or it may
 * have expired. Nor is there one if an earlier attempt wrote the entry, because the messages of that attempt may differ.
 */
export function hintedEntry(
  { streamId, contentType, closed, aliveUntil }: Channel,
  { slot, at }: Written,
  messages: Messages,
): HintedEntry | undefined {
  if (at === undefined || closed || aliveUntil !== undefined) return undefined;
  return { streamId, slot, time: at, contentType, messages };
}

/** Writes the entry into its slot, and completes what an earlier attempt may have left undone. */
async function settle(
  log: Log,
  request: IdentifiedRequest,
  claimed: Claimed,
  slot: number,
  content: EntryContent,
): Promise<Written> {
  const { kind, channel } = claimed;
  // The answer to the claim may come so late that readers have sealed the slot. Then the publish claims another one.
  if (kind === 'granted')
    return await complete(log, channel, slot, content, () => claimAgain(log, request, channel, slot));
  if (kind === 'contested') return await contest(log, request, channel, slot, content);
  // A publish that is older than the retention has left the log. To write it again would bring it back.
  const lastPublish = request.producer
    ? (channel.producers[timeMark(request.producer.id)] ?? 0)
    : channel.claimedAt;
  if (log.clock() - lastPublish >= log.retentionMs) return { slot, at: undefined };
  // Its Stream-Seq was accepted before, and is not compared again.
  return await complete(log, channel, slot, content, () =>
    claimAgain(log, { ...request, seq: undefined }, channel, slot),
  );
}

/**
 * Returns the messages of a publish as they came; none if it only closes the channel.
 * @throws Refusal empty_body, bad_json, too_large
 */
export function messagesOfRequest({ body, contentType, close }: AppendRequest): Messages {
  if (contentType === undefined && close) return [];
  const messages = parseMessages(contentType ?? '', body);
  if (messages.length === 0) throw new Refusal('empty_body', 'the body holds no message');
  return messages;
}

/**
 * Writes the entry into its slot.
 * @throws Refusal unavailable if the slot was sealed, because the write came after the grace
 */
async function write(log: Log, channel: Channel, slot: number, content: EntryContent): Promise<Written> {
  const written = await put(log, channel, slot, content);
  if (written) return written;
  throw new Refusal('unavailable', 'the write came too late and its slot was sealed; retry');
}

/** Writes the entry into its slot; returns undefined if the slot has another entry. */
async function put(
  log: Log,
  channel: Channel,
  slot: number,
  content: EntryContent,
): Promise<Written | undefined> {
  // The clock is read after the claim was granted: for readers it is the proof that every earlier claim is at least as old.
  const time = log.clock();
  const entry = { slot, ...content, time, expiresAt: time + log.retentionMs };
  const result = await log.entries.put(channel.streamId, entry);
  return result === false ? undefined : { slot, at: result === 'written' ? time : undefined };
}

/**
 * Makes sure that a publish which was claimed before is in the log. It finds the entry, writes it if a crash left the slot empty,
 * or takes another slot if that one was sealed.
 * @param again claims another slot
 */
export async function complete(
  log: Log,
  channel: Channel,
  slot: number,
  content: EntryContent,
  again: () => Promise<number>,
): Promise<Written> {
  return (await put(log, channel, slot, content)) ?? (await write(log, channel, await again(), content));
}

/**
 * Handles a Stream-Seq that equals the last one. If the slot that was claimed with it is empty or sealed, that publish failed, and
 * this request may have the number. If there is an entry, or was one that has left the log, another writer was first.
 * @throws Refusal sequence_regression, unavailable
 */
export async function contest(
  log: Log,
  request: IdentifiedRequest,
  channel: Channel,
  slot: number,
  content: EntryContent,
): Promise<Written> {
  if (!(await isHole(log, channel, slot, log.clock()))) throw sequenceRegression(request.seq);
  return await complete(log, channel, slot, content, () => claimAgain(log, request, channel, slot));
}
