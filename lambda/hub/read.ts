/**
 * Read: the contiguous prefix of the log from a position on (PROTOCOL.md §5).
 * @module
 */
import { Refusal } from '../../protocol/errors.ts';
import { GAP_GRACE_MS } from '../../protocol/limits.ts';
import { BEGINNING, formatOffset, type Position } from '../../protocol/offset.ts';
import { type Channel, keepAlive } from './channel.ts';
import type { Entry, Messages } from './entry.ts';
import { inFlight, isHole, oldestKept, seal } from './gap.ts';
import type { Log } from './ports.ts';

/** Where a read starts: `beginning` is whatever is still kept, `now` is after all that was published. */
export type From = 'beginning' | 'now' | Position;

export interface ReadResult {
  readonly from: Position;
  readonly next: Position;
  readonly messages: Messages;
  /** True when this was all there is at the moment. */
  readonly upToDate: boolean;
  /** True when this was all there ever will be. */
  readonly closed: boolean;
}

/** Gaps that one read mends before it answers with what it has; each costs a write and a new look. */
const MAX_SEALS_PER_READ = 20;

/**
 * Reads at most one page of the store. Never returns a message while an earlier one may still appear.
 * @throws Refusal offset_gone if part of what was asked for has left the log, or never was in it; bad_offset
 */
export async function read(log: Log, channel: Channel, from: From): Promise<ReadResult> {
  await keepAlive(log, channel);
  const tail: Position = { entry: channel.next, index: 0 };
  if (from === 'now') return { from: tail, next: tail, messages: [], upToDate: true, closed: channel.closed };
  if (from !== 'beginning' && formatOffset(from) > formatOffset(tail)) {
    throw new Refusal(
      'offset_gone',
      'the offset is past the end of the channel: the channel was made anew since',
    );
  }
  for (let seals = 0; ; seals++) {
    const now = log.clock();
    const { kept, more } = await keptPage(log, channel, from, now);
    const start = await startOf(log, channel, from, kept, now);
    const run = contiguous(kept, start.entry);
    const end = start.entry + run.length;
    const beyond = kept[run.length] ?? closingOf(log, channel, end, more);
    const behind = beyond !== undefined && now - beyond.time > GAP_GRACE_MS;
    if (behind && seals < MAX_SEALS_PER_READ) {
      await seal(log, channel, end, beyond);
      continue;
    }
    const closed = channel.closed && end === channel.next;
    return { from: start, ...taken(start, run), upToDate: !more && !behind, closed };
  }
}

interface KeptPage {
  readonly kept: readonly Entry[];
  readonly more: boolean;
}

/**
 * A page without what is past its retention. The store deletes that days later, so a read from the beginning may find
 * whole pages of it: then the oldest entry that still counts is searched for.
 */
async function keptPage(
  log: Log,
  channel: Channel,
  from: 'beginning' | Position,
  now: number,
): Promise<KeptPage> {
  const pageAt = async (slot: number): Promise<KeptPage> => {
    const { entries, more } = await log.entries.page(channel.streamId, slot);
    return { kept: entries.filter((entry) => entry.expiresAt > now), more };
  };
  if (from !== 'beginning') return await pageAt(from.entry);
  const page = await pageAt(0);
  return page.kept.length === 0 && page.more ? await pageAt(await oldestKept(log, channel, now)) : page;
}

/** The position that the read really starts at. */
async function startOf(
  log: Log,
  channel: Channel,
  from: 'beginning' | Position,
  kept: readonly Entry[],
  now: number,
): Promise<Position> {
  const first = kept[0];
  const { entry, index } = from === 'beginning' ? BEGINNING : from;
  if (first?.slot === entry) {
    if (index === 0 || index < first.messages.length) return { entry, index };
    throw new Refusal('bad_offset', `no message was ever at offset ${formatOffset({ entry, index })}`);
  }
  // Nothing in the slot itself: it is the end, a publish on its way, or history that has been dropped.
  if (entry === channel.next || (await isHole(log, channel, entry, first, now))) return { entry, index };
  if (from !== 'beginning') {
    throw new Refusal('offset_gone', `messages at offset ${formatOffset(from)} are no longer kept`);
  }
  if (first) return { entry: first.slot, index: 0 };
  return { entry: inFlight(channel, now) ? channel.next - 1 : channel.next, index: 0 };
}

/**
 * What stands beyond a gap at the end of a closed channel, where no later entry ever will: the closing itself. Without
 * it a publisher that closed the channel and died would keep its readers waiting for good.
 */
function closingOf(
  log: Log,
  channel: Channel,
  end: number,
  more: boolean,
): Pick<Entry, 'time' | 'expiresAt'> | undefined {
  if (!channel.closed || more || end >= channel.next) return undefined;
  return { time: channel.claimedAt, expiresAt: channel.claimedAt + log.retentionMs };
}

/** The entries from `slot` on with no slot missing between them. */
function contiguous(entries: readonly Entry[], slot: number): readonly Entry[] {
  const end = entries.findIndex((entry, index) => entry.slot !== slot + index);
  return end === -1 ? entries : entries.slice(0, end);
}

function taken(start: Position, run: readonly Entry[]): Pick<ReadResult, 'messages' | 'next'> {
  if (run.length === 0) return { messages: [], next: start };
  const messages = run.flatMap<string | Uint8Array>((entry) =>
    entry.slot === start.entry ? entry.messages.slice(start.index) : entry.messages,
  );
  return { messages, next: { entry: start.entry + run.length, index: 0 } };
}
