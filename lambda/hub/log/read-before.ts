/**
 * Reads the messages before an offset, for a reader that goes back in the history (PROTOCOL.md §5.3).
 * @module
 */
import { GAP_GRACE_MS } from '../../../protocol/limits.ts';
import type { Position } from '../../../protocol/offset.ts';
import { readingOf } from '../keyed/read-keyed.ts';
import type { Channel } from './channel.ts';
import type { Age, Log } from './log-ports.ts';
import { type From, limited, MAX_SEALS_PER_READ, positionIn, type ReadResult, seal } from './read-log.ts';
import { nothingHasLeft } from './retention.ts';
import { type Walked, walkBack } from './walk-back.ts';

/** A read from a start on. */
export interface ReadOn {
  readonly from: From;
  /** The most messages; undefined for as many as an answer can have. */
  readonly limit: number | undefined;
  /** True to leave out values that newer ones of the same key have replaced. */
  readonly isConflated: boolean;
}

/** A read that is answered at once: from a start on, or the messages before an offset. */
export type ReadRequest =
  | ReadOn
  | {
      /** The messages end here; `now` is the end of what is stored. */
      readonly before: Position | 'now';
      /** The most messages. */
      readonly limit: number;
    };

/** Reads once. @throws Refusal offset_gone, bad_offset, bad_request, unavailable */
export async function readOnce(
  log: Log,
  channel: Channel,
  request: ReadRequest,
): Promise<ReadResult & Partial<ReadBefore>> {
  if ('before' in request) return await readBefore(log, channel, request.before, request.limit);
  return limited(await readingOf(request.isConflated)(log, channel, request.from), request.limit);
}

/** The result of a read that goes back. */
export interface ReadBefore extends ReadResult {
  /** True if nothing older is kept. */
  readonly isStartOfHistory: boolean;
}

/**
 * Returns the messages that end at an offset. Nothing is added to them later: if there is a gap among them, the result is empty and
 * `isGap` is set, until the gap is filled or sealed.
 * @param before `now` is the end of what is stored
 * @param most number of messages, at least 1; fewer are returned if they have more than about 1 MB together
 * @throws Refusal offset_gone for an offset of another life of the channel, or whose messages have left the log
 */
export async function readBefore(
  log: Log,
  channel: Channel,
  before: Position | 'now',
  most: number,
): Promise<ReadBefore> {
  const end = before === 'now' ? { entry: channel.next, index: 0 } : positionIn(channel, before);
  for (let seals = 0; ; seals++) {
    const now = log.clock();
    const found = await walkBack(log, channel, end, most, now);
    const top = before === 'now' ? endOf(found, end) : end;
    const gap = gapIn(
      found,
      top,
      found.isAll && nothingHasLeft(log, channel, now) ? channel.floor : undefined,
    );
    if (gap === undefined) return resultOf(channel, found, top);
    const beyond = gap.beyond ?? (await log.entries.nearest(channel.streamId, top.entry, 'from'));
    const isLost = beyond !== undefined && now - beyond.time > GAP_GRACE_MS;
    if (!isLost || seals >= MAX_SEALS_PER_READ)
      return { ...resultOf(channel, NOTHING(top), top), isGap: true };
    await seal(log, channel, gap.slot, beyond);
  }
}

/** A walk that found nothing. */
const NOTHING = (end: Position): Walked => ({ entries: [], start: end, isAll: false });

/** Returns the position after the newest entry. */
function endOf({ entries }: Walked, end: Position): Position {
  const newest = entries.at(-1);
  return newest ? { entry: newest.slot + 1, index: 0 } : end;
}

/**
 * Returns the first slot that is missing below `top`, and the entry above it.
 * @param lowest the slot of the oldest entry that must be there; undefined: the oldest that was found
 */
function gapIn(
  { entries }: Walked,
  top: Position,
  lowest: number | undefined,
): { readonly slot: number; readonly beyond: Age | undefined } | undefined {
  let expected = lowest ?? entries[0]?.slot ?? top.entry;
  for (const entry of entries) {
    if (entry.slot > expected) return { slot: expected, beyond: entry };
    expected = entry.slot + 1;
  }
  const end = top.index > 0 ? top.entry + 1 : top.entry;
  return expected < end ? { slot: expected, beyond: undefined } : undefined;
}

function resultOf(channel: Channel, { entries: found, start, isAll }: Walked, end: Position): ReadBefore {
  const entries = found.map(({ slot, messages, time }) => {
    const first = slot === start.entry ? start.index : 0;
    return { slot, first, messages: messages.slice(first, slot === end.entry ? end.index : undefined), time };
  });
  return {
    from: start,
    next: end,
    entries,
    messages: entries.flatMap(({ messages }) => messages),
    upToDate: false,
    closed: false,
    isGap: false,
    isStartOfHistory: isAll || (start.entry === channel.origin && start.index === 0),
  };
}
