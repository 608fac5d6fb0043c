/**
 * Append: reserve, then write (PROTOCOL.md §4). Two writes and no read when nothing is in the way.
 * @module
 */
import { Refusal } from '../../protocol/errors.ts';
import { formatOffset } from '../../protocol/offset.ts';
import { type Channel, keepAlive, tailOffset } from './channel.ts';
import { claim, claimAgain, type Wish } from './claim.ts';
import type { Entry, Messages } from './entry.ts';
import { isHole } from './gap.ts';
import { parseMessages } from './messages.ts';
import type { Log } from './ports.ts';
import { entryIdOf } from './producer.ts';

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

/**
 * Appends the messages of one request and answers the offset after them. Once it has answered, the messages are
 * durable; until then nobody has seen them in front of a later message.
 * @throws Refusal empty_body, bad_json, too_large, and those of `claim`
 */
export async function append(log: Log, request: AppendRequest): Promise<Appended> {
  const messages = messagesOf(request);
  const claimed = await claim(log, request);
  const { channel, slot } = claimed;
  const isRepeat = claimed.kind === 'repeat';
  const lastSeq = isRepeat ? claimed.lastSeq : request.producer?.seq;
  await keepAlive(log, channel);
  const end = { closed: channel.closed, lastSeq };
  if (slot === undefined || messages.length === 0)
    return { ...end, isNew: false, nextOffset: tailOffset(channel) };
  const id = request.producer ? entryIdOf(request.producer) : log.newId();
  const written = isRepeat
    ? await complete(log, channel, slot, { messages, id }, () => claimAgain(log, request, channel, slot))
    : await write(log, channel, slot, { messages, id });
  return { ...end, isNew: !isRepeat, nextOffset: formatOffset({ entry: written + 1, index: 0 }) };
}

/** @throws Refusal empty_body, unless the request closes the channel and says nothing more */
export function messagesOf({ body, contentType, close }: AppendRequest): Messages {
  if (contentType === undefined && close) return [];
  const messages = parseMessages(contentType ?? '', body);
  if (messages.length === 0) throw new Refusal('empty_body', 'the body holds no message');
  return messages;
}

export type Content = Pick<Entry, 'messages' | 'id'>;

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
 * empty, or takes another slot if readers have sealed that one meanwhile.
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
  if (!(await isHole(log, channel, slot, undefined, log.clock()))) return slot;
  if (await put(log, channel, slot, content)) return slot;
  return await write(log, channel, await again(), content);
}
