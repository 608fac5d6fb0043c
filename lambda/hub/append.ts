/**
 * Append: reserve, then write (PROTOCOL.md §4). Two writes and no read when nothing is in the way.
 * @module
 */
import { Refusal } from '../../protocol/errors.ts';
import { formatOffset } from '../../protocol/offset.ts';
import { type Channel, keepAlive, tailOffset } from './channel.ts';
import { type Claimed, claim, claimAgain, sequenceRegression, type Wish } from './claim.ts';
import { type Entry, isTombstone, type Messages } from './entry.ts';
import { parseMessages } from './messages.ts';
import type { Log } from './ports.ts';
import { entryIdOf } from './producer.ts';
import { isHole } from './retention.ts';

export interface AppendRequest extends Wish {
  readonly body: Uint8Array;
}

export interface Appended {
  /** The offset after the last message of the request. */
  readonly nextOffset: string;
  readonly closed: boolean;
  /** The highest sequence number that was accepted from the producer, for requests that have one. */
  readonly lastSeq: number | undefined;
  /** False if nothing was appended: it had been before, or the request only closes the channel. */
  readonly isNew: boolean;
}

export type Content = Pick<Entry, 'messages' | 'id'>;

/**
 * Appends the messages of one request and answers the offset after them. Once it has answered, the messages are
 * durable; until then nobody has seen them in front of a later message.
 * @throws Refusal empty_body, bad_json, too_large, and those of `claim`
 */
export async function append(log: Log, request: AppendRequest): Promise<Appended> {
  const messages = messagesOf(request);
  const claimed = await claim(log, request);
  const { kind, channel, slot } = claimed;
  const lastSeq = kind === 'repeat' ? claimed.lastSeq : request.producer?.seq;
  await keepAlive(log, channel);
  const end = { closed: channel.closed, lastSeq };
  if (slot === undefined || messages.length === 0)
    return { ...end, isNew: false, nextOffset: tailOffset(channel) };
  const content = { messages, id: request.producer ? entryIdOf(request.producer) : log.newId() };
  const written =
    kind === 'granted'
      ? await write(log, channel, slot, content)
      : await complete(log, channel, slot, content, () => another(log, request, claimed, slot));
  return { ...end, isNew: kind !== 'repeat', nextOffset: formatOffset({ entry: written + 1, index: 0 }) };
}

/**
 * The messages of a publish; none if it closes the channel and says nothing more.
 * @throws Refusal empty_body, bad_json, too_large
 */
export function messagesOf({ body, contentType, close }: AppendRequest): Messages {
  if (contentType === undefined && close) return [];
  const messages = parseMessages(contentType ?? '', body);
  if (messages.length === 0) throw new Refusal('empty_body', 'the body holds no message');
  return messages;
}

/**
 * Writes the entry into its slot.
 * @throws Refusal unavailable if the slot was sealed, because the write came after the grace
 */
export async function write(log: Log, channel: Channel, slot: number, content: Content): Promise<number> {
  if (await put(log, channel, slot, content)) return slot;
  throw new Refusal('unavailable', 'the write came too late and its slot was sealed; retry');
}

async function put(log: Log, channel: Channel, slot: number, content: Content): Promise<boolean> {
  // Read after the claim was granted: readers take it as proof that every earlier claim is at least as old.
  const time = log.clock();
  return await log.entries.put(channel.streamId, {
    slot,
    ...content,
    time,
    expiresAt: time + log.retentionMs,
  });
}

/**
 * Makes sure that a publish which was claimed before is in the log: finds its entry, writes it if a crash left the slot
 * empty, or takes another slot if that one is lost.
 * @param again claims the other slot
 */
export async function complete(
  log: Log,
  channel: Channel,
  slot: number,
  content: Content,
  again: () => Promise<number>,
): Promise<number> {
  // An old entry may have left the log with age; writing it again would bring it back from the dead.
  if (!(await isHole(log, channel, slot, log.clock()))) return slot;
  if (await put(log, channel, slot, content)) return slot;
  return await write(log, channel, await again(), content);
}

/**
 * Another slot for a publish that found its own taken. A Stream-Seq says only that someone claimed it: if an entry
 * stands there, another writer was first; if it was sealed, the number is free for the next who comes with it.
 */
export async function another(
  log: Log,
  wish: Wish,
  { kind, channel }: Claimed,
  slot: number,
): Promise<number> {
  // What was accepted before is not held against the sequence again.
  if (kind !== 'contested') return await claimAgain(log, { ...wish, seq: undefined }, channel, slot);
  const { entries } = await log.entries.page(channel.streamId, slot);
  const [there] = entries;
  if (there?.slot !== slot || !isTombstone(there)) throw sequenceRegression(wish.seq);
  return await claimAgain(log, wish, channel, slot);
}
