/**
 * Append: reserve, then write (PROTOCOL.md §4). Two writes and a hint, and no read when nothing is in the way.
 * @module
 */
import { Refusal } from '../../../protocol/errors.ts';
import { formatOffset } from '../../../protocol/offset.ts';
import { type Channel, tailOffset } from './channel.ts';
import { type Claimed, claim, claimAgain, type Identified, sequenceRegression, type Wish } from './claim.ts';
import type { Entry, Messages } from './entry.ts';
import { keepAlive } from './lifecycle.ts';
import type { Log, Publishing } from './log-ports.ts';
import { parseMessages } from './messages.ts';
import { entryIdOf, timeMark } from './producer.ts';
import { isHole } from './retention.ts';

export type AppendRequest = Wish;

export interface Appended {
  /** The offset after the last message of the request. */
  readonly nextOffset: string;
  readonly closed: boolean;
  /** The highest sequence number that was accepted from the producer, for requests that have one. */
  readonly lastSeq: number | undefined;
  /** How many messages were appended; none if they had been before, or the request only closes the channel. */
  readonly count: number;
}

export type Content = Pick<Entry, 'messages' | 'id'>;

/**
 * Appends the messages of one request and answers the offset after them. Once it has answered, the messages are
 * durable; until then nobody has seen them in front of a later message.
 * @throws Refusal empty_body, bad_json, too_large, and those of `claim`
 */
export async function append(log: Publishing, request: AppendRequest): Promise<Appended> {
  const messages = messagesOf(request);
  // Without a producer the id is this request's own: it still tells the SDK's second attempt from a stranger's.
  const id = request.producer ? entryIdOf(request.producer) : log.newId();
  const wish = { ...request, id };
  const claimed = await claim(log, wish);
  const { kind, channel, slot } = claimed;
  const lastSeq = kind === 'repeat' ? claimed.lastSeq : request.producer?.seq;
  await keepAlive(log, channel);
  const isEmpty = slot === undefined || messages.length === 0;
  const nextOffset = isEmpty
    ? tailOffset(channel)
    : formatOffset({ entry: (await settle(log, wish, claimed, slot, { messages, id })) + 1, index: 0 });
  // Also for a repeat: its first attempt may have failed on this very step.
  await log.hint({ channel: channel.name, offset: nextOffset, isClosing: channel.closed });
  const count = isEmpty || kind === 'repeat' ? 0 : messages.length;
  return { closed: channel.closed, lastSeq, count, nextOffset };
}

/** Writes what was claimed, and completes what an earlier attempt may have left undone. */
async function settle(
  log: Log,
  wish: Identified,
  claimed: Claimed,
  slot: number,
  content: Content,
): Promise<number> {
  const { kind, channel } = claimed;
  const again = (): Promise<number> => claimAgain(log, wish, channel, slot);
  // If the answers came so late that readers have sealed the slot, the publish takes another.
  if (kind === 'granted') return await complete(log, channel, slot, content, again);
  if (kind === 'contested') return await contest(log, wish, channel, slot, content);
  // A publish that is older than anything is kept has left the log; to write it again would bring it back from the dead.
  const lastPublish = wish.producer
    ? (channel.producers[timeMark(wish.producer.id)] ?? 0)
    : channel.claimedAt;
  if (log.clock() - lastPublish >= log.retentionMs) return slot;
  // What was accepted before is not held against the sequence again.
  return await complete(log, channel, slot, content, () =>
    claimAgain(log, { ...wish, seq: undefined }, channel, slot),
  );
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
async function write(log: Log, channel: Channel, slot: number, content: Content): Promise<number> {
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
 * empty, or takes another slot if that one was sealed.
 * @param again claims the other slot
 */
export async function complete(
  log: Log,
  channel: Channel,
  slot: number,
  content: Content,
  again: () => Promise<number>,
): Promise<number> {
  if (await put(log, channel, slot, content)) return slot;
  return await write(log, channel, await again(), content);
}

/**
 * A Stream-Seq that equals the last one. If the slot that was claimed with it is empty or sealed, its publish failed, and
 * the number is for the next who comes with it; if an entry stands there, or stood and has left, another writer was first.
 */
export async function contest(
  log: Log,
  wish: Identified,
  channel: Channel,
  slot: number,
  content: Content,
): Promise<number> {
  if (!(await isHole(log, channel, slot, log.clock()))) throw sequenceRegression(wish.seq);
  return await complete(log, channel, slot, content, () => claimAgain(log, wish, channel, slot));
}
