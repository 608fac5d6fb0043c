/**
 * The fold of a keyed channel: the newest message of each key, in the order of the log (PROTOCOL.md §5.4).
 * @module
 */
import { Refusal } from '../../../protocol/errors.ts';
import { isBefore, type Position } from '../../../protocol/offset.ts';
import type { Channel } from '../log/channel.ts';
import type { Log } from '../log/log-ports.ts';
import { type LogStart, type ReadResult, read } from '../log/read-log.ts';
import type { SnapshotMessage } from './snapshot-ports.ts';
import type { KeyOf } from './stream-key.ts';

/** A message of a keyed channel. */
export interface KeyedMessage extends SnapshotMessage {
  /** The offset after it. */
  readonly next: Position;
}

/** Key → its newest message, in the order of the log. Removals are kept: what the fold is laid onto may have the key. */
export type Fold = Map<string, KeyedMessage>;

/** Lays a message onto a fold. It must be newer than all that the fold has. */
export function layOnto(fold: Fold, message: KeyedMessage): void {
  // A map keeps the place of a key that is set again, and the newest message must be last.
  fold.delete(message.key);
  fold.set(message.key, message);
}

/** The part of the log that was folded. */
export interface FoldedRange extends Pick<ReadResult, 'from' | 'upToDate' | 'isGap' | 'closed'> {
  /** The end of the part. */
  readonly end: Position;
  /** Number of messages in the part. */
  readonly count: number;
}

/** Pages of the log that one request folds, of up to 1 MB each. */
const MOST_PAGES = 16;

/** The part of the log to fold. */
export interface RangeRequest {
  /** Where it begins. */
  readonly from: LogStart;
  /** Where it ends; undefined for the end of what is stored. */
  readonly until?: Position | undefined;
  /** Takes the key of a message. */
  readonly keyOf: KeyOf;
}

/**
 * Folds a part of the log onto `fold`. It ends earlier at a gap, after sixteen pages, and where the channel ended when it was read.
 * @throws Refusal as `read`
 */
export async function foldRange(
  log: Log,
  channel: Channel,
  { from, until, keyOf }: RangeRequest,
  fold: Fold,
): Promise<FoldedRange> {
  let start: LogStart = from;
  let first: Position | undefined;
  let count = 0;
  for (let pages = 1; ; pages++) {
    const result = await read(log, channel, start);
    first ??= result.from;
    for (const message of messagesIn(result, keyOf)) {
      if (until && !isBefore(message.at, until)) break;
      layOnto(fold, message);
      count += 1;
    }
    const { next, upToDate, isGap, closed } = result;
    const isBeyond = until !== undefined && !isBefore(next, until);
    const end = isBeyond && isBefore(until, next) ? until : next;
    const isCut = isBeyond && end !== next;
    // The page has publishes that came after the channel was read. The caller goes on with the channel as it is then.
    const isPast = next.entry > channel.next;
    if (isBeyond || upToDate || isGap || isPast || pages === MOST_PAGES)
      return {
        from: first,
        end,
        count,
        upToDate: upToDate && !isCut && !isPast,
        isGap,
        closed: closed && !isCut,
      };
    start = next;
  }
}

/** Returns the messages of a page, each with its key. */
function messagesIn({ entries }: ReadResult, keyOf: KeyOf): KeyedMessage[] {
  return entries.flatMap(({ slot, first, messages, time }) =>
    messages.flatMap((text, nth) => {
      const keyed = keyOf(text);
      // Every message was checked when it was published.
      if (!keyed || typeof text !== 'string') return [];
      const isLast = nth === messages.length - 1;
      const at = { entry: slot, index: first + nth };
      const next = isLast ? { entry: slot + 1, index: 0 } : { entry: slot, index: at.index + 1 };
      return [{ at, next, time, ...keyed, text }];
    }),
  );
}

/** Folds a part of the log that may have left it: then it begins at the oldest message that is kept. */
export async function foldWhatIsKept(
  log: Log,
  channel: Channel,
  request: RangeRequest,
  fold: Fold,
): Promise<FoldedRange> {
  try {
    return await foldRange(log, channel, request, fold);
  } catch (error) {
    if (!(error instanceof Refusal && error.code === 'offset_gone')) throw error;
    return await foldRange(log, channel, { ...request, from: 'beginning' }, fold);
  }
}
