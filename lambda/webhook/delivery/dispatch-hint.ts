/**
 * Dispatch: when a channel has grown, leaves a task with each endpoint that listens to it (PROTOCOL.md §13). The messages
 * stay in the log: a task is a range of it.
 *
 * A cursor for each channel says how far the messages were handed over. So a hint may be lost, doubled or late, and a burst
 * of hints becomes one task. Everything here may be done twice: a delivery has the same id each time.
 *
 * A hint names the slot that its publish has written. If that slot is at the cursor, or is the first one of its stream, nothing
 * can be missing before it, and dispatch reads no log. In all other cases the log decides.
 * @module
 */
import { patternsOf } from '../../../protocol/channel-name.ts';
import { Refusal } from '../../../protocol/errors.ts';
import { GAP_GRACE_MS } from '../../../protocol/limits.ts';
import { formatOffset, isBefore, type Position } from '../../../protocol/offset.ts';
import { type Channel, isAlive } from '../../hub/log/channel.ts';
import { type LogStart, type ReadResult, read } from '../../hub/log/read-log.ts';
import { CLOCK_SKEW_MS, startSince } from '../../hub/log/start-since.ts';
import { settleAll } from '../../hub/settle-all.ts';
import type { Dispatching } from '../webhook-ports.ts';
import type { DispatchCursor } from '../webhook-stores.ts';
import type { RangeTask } from './delivery-task.ts';

/** The grace of a gap, and a second more, so that the entry beyond the gap is old enough, in milliseconds. */
const LOOK_AGAIN_MS = GAP_GRACE_MS + 1_000;

/** That a channel has grown. */
export interface Grown {
  /** The channel. */
  readonly channel: string;
  /** What publishes have written, as their hints say; undefined if only the log knows. */
  readonly written: WrittenSlots | undefined;
}

/** Slots of one stream that have their entries. */
export interface WrittenSlots {
  /** The stream. */
  readonly streamId: string;
  /** The slots, in any order. */
  readonly slots: readonly number[];
}

/** Returns what both hints say; undefined if they are of two streams, or if one of them says nothing. */
export const bothWritten = (
  one: WrittenSlots | undefined,
  other: WrittenSlots | undefined,
): WrittenSlots | undefined =>
  one && other && one.streamId === other.streamId
    ? { streamId: one.streamId, slots: [...one.slots, ...other.slots] }
    : undefined;

/** New messages of a channel. */
interface NewRange extends Pick<RangeTask, 'channel' | 'streamId' | 'from' | 'to'> {
  /** True if hints were lost or came out of order. Then an owner is probably at work, or there is more to come. */
  readonly isBacklog: boolean;
}

/**
 * Hands the new messages of a channel to its endpoints.
 * @param until when the process must end, in milliseconds since 1970. Another process continues with the rest
 * @throws Refusal unavailable
 */
export async function dispatch(
  dispatching: Dispatching,
  { channel: name, written }: Grown,
  until: number,
): Promise<void> {
  const { log, endpoints, cursors, lookAgain } = dispatching;
  const patterns = patternsOf(name);
  const { listeners: known, cursor } = await cursors.find(name, patterns);
  if (known.size === 0) return;
  // The hint was sent after the write, so an endpoint that listened before a message was published is among `known`.
  const inStep = cursor && rangeOf(name, written, cursor);
  if (inStep) return await handOver(dispatching, inStep, known);
  const channel = await log.channels.get(name);
  if (!channel || !isAlive(channel, log.clock())) return;
  const { streamId, origin } = channel;
  const isNew = cursor?.streamId !== streamId;
  const whole = isNew ? rangeOf(name, written, { streamId, at: { entry: origin, index: 0 } }) : undefined;
  if (whole) return await handOver(dispatching, whole, known);
  let from: LogStart = await startOf(dispatching, channel, cursor, Math.min(...known.values()));
  for (;;) {
    const result = await readFrom(dispatching, channel, from);
    if (isBefore(result.from, result.next)) {
      // Looked up after the log was read, so that an endpoint which listened before a message was published is among them.
      const listeners = await endpoints.listeners(patterns);
      const { from: first, next: to } = result;
      const isBacklog = to.entry - first.entry > 1;
      const range = { channel: name, streamId, from: first, to, isBacklog };
      await handOver(dispatching, range, listeners);
    }
    from = result.next;
    // No hint says when a gap can be sealed.
    if (result.isGap) return await lookAgain(name, LOOK_AGAIN_MS);
    if (result.upToDate) return;
    if (log.clock() >= until) return await lookAgain(name, 0);
  }
}

/**
 * Returns what hints have written from the cursor on, if nothing can be missing in it; undefined if the log must be read. The range
 * is empty if all of that was handed over before.
 */
function rangeOf(
  channel: string,
  written: WrittenSlots | undefined,
  { streamId, at }: DispatchCursor,
): NewRange | undefined {
  if (written?.streamId !== streamId || at.index > 0) return undefined;
  const there = new Set(written.slots);
  let entry = at.entry;
  while (there.has(entry)) entry++;
  if (written.slots.some((slot) => slot >= entry)) return undefined;
  return { channel, streamId, from: at, to: { entry, index: 0 }, isBacklog: false };
}

/**
 * Returns where dispatch begins: at the cursor, or at the first message after the earliest `since`. The second case is a
 * channel that no endpoint listened to for a while.
 */
async function startOf(
  { log }: Dispatching,
  channel: Channel,
  cursor: DispatchCursor | undefined,
  since: number,
): Promise<Position> {
  const at = cursor?.streamId === channel.streamId ? cursor.at : undefined;
  if (!at) return await startSince(log, channel, since);
  // The usual case costs no read: one publish lies between the cursor and the end.
  if (channel.next - at.entry <= 1) return at;
  const first = await log.entries.nearest(channel.streamId, at.entry, 'from');
  if (!first || first.time >= since - CLOCK_SKEW_MS) return at;
  const start = await startSince(log, channel, since);
  return isBefore(start, at) ? at : start;
}

/** Reads the log. After a silence as long as the retention, the cursor's position may have left the log. */
async function readFrom({ log }: Dispatching, channel: Channel, from: LogStart): Promise<ReadResult> {
  try {
    return await read(log, channel, from);
  } catch (error) {
    if (error instanceof Refusal && error.code === 'offset_gone')
      return await read(log, channel, 'beginning');
    throw error;
  }
}

/** Leaves the range with every endpoint, then moves the cursor. */
async function handOver(
  dispatching: Dispatching,
  range: NewRange,
  listeners: ReadonlyMap<string, number>,
): Promise<void> {
  const { cursors, log } = dispatching;
  if (!isBefore(range.from, range.to)) return;
  await settleAll([...listeners].map(([id, since]) => leaveRange(dispatching, range, id, since)));
  await cursors.move(range.channel, { streamId: range.streamId, at: range.to }, log.clock());
}

async function leaveRange(
  { deliveries, leases, log, wake, owners }: Dispatching,
  { isBacklog, ...range }: NewRange,
  endpoint: string,
  since: number,
): Promise<void> {
  const now = log.clock();
  const { streamId, from, to } = range;
  const task: RangeTask = {
    ...range,
    kind: 'range',
    // The id includes the end: a range that begins at the same moment and position but ends sooner must not replace it.
    id: `${streamId}#${formatOffset(from)}#${formatOffset(to)}`,
    due: now,
    since: since - CLOCK_SKEW_MS,
    run: '',
  };
  if (!isBacklog && !owners.isLikely(endpoint, now)) {
    await wake(endpoint, [task]);
    return owners.woken(endpoint, now);
  }
  await deliveries.putTask(endpoint, task);
  if (await leases.ask(endpoint, now)) owners.seen(endpoint, now);
  else await wake(endpoint);
}
