/**
 * Reads the log from a position on, without a gap (PROTOCOL.md §5).
 * @module
 */
import { Refusal } from '../../../protocol/errors.ts';
import { GAP_GRACE_MS, LATEST_WRITE_MS } from '../../../protocol/limits.ts';
import { BEGINNING, formatOffset, type Position } from '../../../protocol/offset.ts';
import type { Channel } from './channel.ts';
import { type Entry, type Messages, tombstone } from './entry.ts';
import type { EntryPage, Log } from './log-ports.ts';
import { isHole, isRetained, nothingHasLeft, oldestRetained } from './retention.ts';
import { startSince } from './start-since.ts';
import { walkBack } from './walk-back.ts';

/**
 * Where a read starts: `beginning` is the oldest message that is kept, `now` is after the newest. `last` is a number of messages
 * before the end. `since` is a time in milliseconds since 1970: the first message that was published then or later.
 */
export type LogStart =
  | 'beginning'
  | 'now'
  | Position
  | { readonly last: number }
  | { readonly since: number };

/** Where a request starts: also at the newest message of each key (lambda/hub/keyed/read-keyed.ts). */
export type From = LogStart | 'latest';

/** Returns true for a position: every other start means another message a moment later. */
export const isPosition = (from: From): from is Position => typeof from === 'object' && 'entry' in from;

/** The result of one read. */
export interface ReadResult {
  /** Position at which the read started. */
  readonly from: Position;
  /** Position from which the next read goes on. */
  readonly next: Position;
  /** The entries by slot; `first` is the index of their first message in the whole entry. */
  readonly entries: readonly ReadEntry[];
  /** The messages of all entries. */
  readonly messages: Messages;
  /** True if nothing more is stored. False before a gap: messages beyond it were acknowledged. */
  readonly upToDate: boolean;
  /** True if nothing will follow. */
  readonly closed: boolean;
  /** True if it ends before a gap that is too young to be sealed. */
  readonly isGap: boolean;
  /** True if values were left out that newer ones of the same key have replaced. */
  readonly isConflated?: boolean;
}

/** An entry, or a part of it, as a read returns it. */
export interface ReadEntry extends Pick<Entry, 'slot' | 'messages' | 'time'> {
  /** Index of the first message in the whole entry. */
  readonly first: number;
  /** Position after the last message; absent for the next slot. */
  readonly end?: Position;
}

/** Returns the position after the message `nth` of an entry. */
export function positionAfter({ slot, first, messages, end }: ReadEntry, nth: number): Position {
  if (nth < messages.length - 1) return { entry: slot, index: first + nth + 1 };
  return end ?? { entry: slot + 1, index: 0 };
}

/** Gaps that one read seals before it returns what it has. Each costs a write and a read. */
export const MAX_SEALS_PER_READ = 20;

/**
 * Reads at most one page of the store. It returns no message before which another may still appear.
 * @throws Refusal offset_gone if part of what was asked for has left the log, or never was in it; bad_offset
 */
export async function read(log: Log, channel: Channel, from: LogStart): Promise<ReadResult> {
  const tail: Position = { entry: channel.next, index: 0 };
  if (from === 'now')
    return {
      from: tail,
      next: tail,
      entries: [],
      messages: [],
      upToDate: true,
      closed: channel.closed,
      isGap: false,
    };
  if (typeof from === 'object' && 'since' in from) return await readSince(log, channel, from.since);
  if (typeof from === 'object' && 'last' in from) {
    const { entries, start, isAll } = await walkBack(log, channel, tail, from.last, log.clock());
    return await readPages(log, channel, isAll ? 'beginning' : start, { entries, more: false });
  }
  return await readPages(log, channel, from === 'beginning' ? from : positionIn(channel, from));
}

/** Reads from the first message that was published at a time or later. */
async function readSince(log: Log, channel: Channel, since: number): Promise<ReadResult> {
  const start = await startSince(log, channel, since);
  const isKept = start.entry > channel.floor && (await isRetainedBelow(log, channel, start.entry));
  const result = await readPages(log, channel, isKept ? start : 'beginning');
  const firstDue = result.entries.findIndex(({ time }) => time >= since);
  const skipped = firstDue === -1 ? result.entries : result.entries.slice(0, firstDue);
  const entries = result.entries.slice(skipped.length);
  const lastSkipped = skipped.at(-1);
  const from = lastSkipped ? { entry: lastSkipped.slot + 1, index: 0 } : result.from;
  return { ...result, from, entries, messages: entries.flatMap(({ messages }) => messages) };
}

/** Returns true if the entry below a slot is kept: then nothing from the slot on has left the log. */
async function isRetainedBelow(log: Log, channel: Channel, slot: number): Promise<boolean> {
  const entry = await log.entries.nearest(channel.streamId, slot, 'below');
  return entry !== undefined && isRetained(log, entry, log.clock());
}

/**
 * Reads a page. It seals a gap at its end that is old enough, and reads again.
 * @param first a page that was read already, for the first attempt
 */
async function readPages(
  log: Log,
  channel: Channel,
  asked: 'beginning' | Position,
  first?: EntryPage,
): Promise<ReadResult> {
  for (let seals = 0; ; seals++) {
    const now = log.clock();
    const page = (seals === 0 && first) || (await pageFrom(log, channel, asked, now));
    const start = await startOf(log, channel, asked, page, now);
    const run = contiguous(page.entries, start.entry);
    const end = start.entry + run.length;
    const beyond = page.entries.find(({ slot }) => slot > end) ?? closingOf(log, channel, end, page);
    const isLost = beyond !== undefined && now - beyond.time > GAP_GRACE_MS;
    if (isLost && seals < MAX_SEALS_PER_READ) {
      await seal(log, channel, end, beyond);
      continue;
    }
    // A young gap is the end for now, however much the store has beyond it.
    const isGap = beyond !== undefined && !isLost;
    const upToDate = beyond === undefined && !page.more;
    const closed = channel.closed && end === channel.next;
    return { from: start, ...taken(start, run), upToDate, closed, isGap };
  }
}

/**
 * Seals a gap: a slot that was claimed and never written (PROTOCOL.md §4.2). An entry beyond it shows that its publisher has
 * had its time. Either the tombstone or the late publisher gets the slot. A publisher that is too late answers 503, so a
 * message is acknowledged only if readers will see it.
 */
export async function seal(
  log: Log,
  channel: Channel,
  slot: number,
  beyond: Pick<Entry, 'time' | 'expiresAt'>,
): Promise<void> {
  await log.entries.put(channel.streamId, tombstone(slot, beyond));
}

/**
 * Returns the position of an offset in this channel. The zero offset is the beginning of every channel.
 * @throws Refusal offset_gone for an offset of a former channel of the name, or that is no longer kept; bad_offset for one between
 *   pages of the newest messages
 */
export function positionIn(channel: Channel, from: Position): Position {
  if (from.foldEnd)
    throw new Refusal('bad_offset', `offset ${formatOffset(from)} is only for reads of the newest messages`);
  const isZero = from.entry === BEGINNING.entry && from.index === BEGINNING.index;
  const position = isZero ? { entry: channel.origin, index: 0 } : from;
  const { entry, index } = position;
  if (entry > channel.next || (entry === channel.next && index > 0) || entry < channel.origin) {
    throw gone(from, 'is of another life of the channel');
  }
  if (entry < channel.floor) throw gone(from, 'is no longer kept');
  return position;
}

function gone(from: Position, why: string): Refusal {
  return new Refusal('offset_gone', `offset ${formatOffset(from)} ${why}; start again from -1 or now`);
}

/**
 * Reads a page of the store. The store deletes an expired entry up to days later, so a read from the beginning may find pages that
 * have only such entries. Then it searches for the oldest entry that is retained.
 */
async function pageFrom(
  log: Log,
  channel: Channel,
  from: 'beginning' | Position,
  now: number,
): Promise<EntryPage> {
  const first = from === 'beginning' ? channel.floor : from.entry;
  // A slot is claimed before it is written, so no slot from `next` on has an entry.
  if (first === channel.next) return { entries: [], more: false };
  const page = await log.entries.page(channel.streamId, first);
  if (from !== 'beginning' || !page.more || page.entries.some((entry) => isRetained(log, entry, now)))
    return page;
  return await log.entries.page(channel.streamId, await oldestRetained(log, channel, now));
}

/** Returns the position at which the read starts in fact. */
async function startOf(
  log: Log,
  channel: Channel,
  from: 'beginning' | Position,
  { entries }: EntryPage,
  now: number,
): Promise<Position> {
  const oldest = entries.find((entry) => isRetained(log, entry, now));
  if (from === 'beginning') {
    if (nothingHasLeft(log, channel, now)) return { entry: channel.floor, index: 0 };
    // A publish that has just claimed the last slot may still write it, also if nothing before it is left.
    const isLate = now - channel.claimedAt < LATEST_WRITE_MS && channel.next > channel.floor;
    return { entry: oldest?.slot ?? (isLate ? channel.next - 1 : channel.next), index: 0 };
  }
  if (oldest?.slot === from.entry) {
    if (from.index === 0 || from.index < oldest.messages.length) return from;
    throw new Refusal('bad_offset', `no message was ever at offset ${formatOffset(from)}`);
  }
  // The slot is empty: it is the end, a publish that is under way, or history that has left the log.
  if (from.entry === channel.next || (await isHole(log, channel, from.entry, now))) {
    if (from.index > 0) throw new Refusal('bad_offset', `no message is at offset ${formatOffset(from)} yet`);
    return from;
  }
  throw gone(from, 'is no longer kept');
}

/** Returns the entries from `slot` on up to the first slot that is missing. */
function contiguous(entries: readonly Entry[], slot: number): readonly Entry[] {
  const rest = entries.filter((entry) => entry.slot >= slot);
  const end = rest.findIndex((entry, index) => entry.slot !== slot + index);
  return end === -1 ? rest : rest.slice(0, end);
}

/**
 * Returns the closing of a channel as what stands beyond a gap at its end, where no later entry can. Without this, the readers of a
 * publisher that closed the channel and died would wait for ever.
 */
function closingOf(
  log: Log,
  channel: Channel,
  end: number,
  { more }: EntryPage,
): Pick<Entry, 'time' | 'expiresAt'> | undefined {
  if (!channel.closed || more || end >= channel.next) return undefined;
  return { time: channel.claimedAt, expiresAt: channel.claimedAt + log.retentionMs };
}

function taken(start: Position, run: readonly Entry[]): Pick<ReadResult, 'entries' | 'messages' | 'next'> {
  if (run.length === 0) return { entries: [], messages: [], next: start };
  const entries = run.map(({ slot, messages, time }) => {
    const first = slot === start.entry ? start.index : 0;
    return { slot, first, messages: first === 0 ? messages : messages.slice(first), time };
  });
  const next = { entry: start.entry + run.length, index: 0 };
  return { entries, messages: entries.flatMap(({ messages }) => messages), next };
}

/** Returns at most `most` messages of a result, which may end within an entry. @param most undefined for all */
export function limited(result: ReadResult, most: number | undefined): ReadResult {
  if (most === undefined || result.messages.length <= most) return result;
  let left = most;
  let { next } = result;
  const entries = result.entries.flatMap((entry) => {
    if (left === 0) return [];
    const messages = entry.messages.slice(0, left);
    left -= messages.length;
    next = positionAfter(entry, messages.length - 1);
    return [{ ...entry, messages, end: next }];
  });
  const messages = result.messages.slice(0, most);
  return { ...result, entries, messages, next, upToDate: false, closed: false, isGap: false };
}
