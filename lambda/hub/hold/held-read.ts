/**
 * Hold: waits for a channel to grow (PROTOCOL.md §5.1, §5.2). One loop serves long polling and streams. It uses two ports: the log,
 * which is the truth, and the wake, which is a hint.
 * @module
 */

import { GAP_GRACE_MS } from '../../../protocol/limits.ts';
import type { Reading } from '../keyed/read-keyed.ts';
import { catchUp } from '../log/catch-up.ts';
import { type Channel, NO_STREAM } from '../log/channel.ts';
import { find, keepAlive } from '../log/lifecycle.ts';
import type { Log } from '../log/log-ports.ts';
import type { From, ReadResult } from '../log/read-log.ts';
import type { HeardAnswer, Seen } from './heard.ts';

/** Monotonic time: setting the clock does not change it. */
export interface Timer {
  /** Returns milliseconds since some moment. It never goes back. */
  readonly now: () => number;
  /** Ends after `ms`, or at once when the signal is aborted. Never rejects. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** Wakes readers of a channel. */
export interface Wake {
  /** Returns the number of the last news that this process has heard. A reader takes it before it reads. */
  mark(): number;
  /**
   * Ends when the channel may differ from what was seen, or after `ms`, or when the signal is aborted. It is a hint: if it ends early
   * or late, that costs latency, never a message. Returns the entries that follow; undefined if the log has to be read.
   */
  wait(seen: Seen, ms: number, signal: AbortSignal): Promise<HeardAnswer | undefined>;
}

/** Everything that a held request needs. */
export interface Hold {
  /** The log to read. */
  readonly log: Log;
  /** Wakes the reader when the channel has grown. */
  readonly wake: Wake;
  /** The timer of the wait. */
  readonly timer: Timer;
  /** Reads a page; absent to read everything. */
  readonly reading?: Reading | undefined;
}

/** Longest time for which a held reader relies on the wake, in milliseconds. Then it reads for itself. */
const SAFETY_READ_MS = 5_000;

/**
 * Pause of a reader before a slot that is claimed but not written, in milliseconds. No wake comes for the write. It follows within
 * milliseconds, or the slot is a gap that is sealed after the grace.
 */
const PENDING_READ_MS = 50;

/** First and longest pause between two reads at a gap, in milliseconds. Most gaps are filled at once: their publish is under way. */
const FIRST_LOOK_MS = 20;
const SLOWEST_LOOK_MS = 300;

/** Longest time for which a read waits at gaps, in milliseconds: until a gap can be sealed, and one read more. */
const LONGEST_WAIT_MS = GAP_GRACE_MS + SLOWEST_LOOK_MS;

const never = new AbortController().signal;

/** The result of a read. */
export interface Held {
  /** The channel as it was when it was read. */
  readonly channel: Channel;
  /** The messages, and the position after them. */
  readonly result: ReadResult;
}

/** The result of a held request. */
export interface HeldBatch extends Held {
  /** `Wake.mark` of the read: what was heard later may be missing. */
  readonly mark: number;
  /** Time at which the end of the batch was the end of the channel, by the timer. */
  readonly asOf: number;
}

/**
 * Reads from a position. If there is nothing yet, it waits for something until `untilMs` of the timer, and then returns an empty
 * result. `now` and `beginning` are turned into a position once, before the wait.
 * @throws Refusal as `catchUp`
 */
export async function holdRead(
  hold: Hold,
  name: string,
  from: From,
  untilMs: number,
  signal: AbortSignal,
): Promise<HeldBatch> {
  const batch = await readBatch(hold, name, from);
  const isOver = hasNews(batch) || untilMs <= hold.timer.now() || signal.aborted;
  return isOver ? batch : await holdAfter(hold, name, batch, untilMs, signal);
}

/**
 * Returns what follows a batch that reached the end of the channel, as `holdRead` from there. It waits before it reads.
 * @throws Refusal as `catchUp`
 */
export async function holdAfter(
  hold: Hold,
  name: string,
  last: HeldBatch,
  untilMs: number,
  signal: AbortSignal,
): Promise<HeldBatch> {
  const { wake, timer, log } = hold;
  let batch = last;
  for (;;) {
    const { channel, result, mark } = batch;
    const ms = Math.min(untilMs - timer.now(), patience(batch, timer.now(), log.clock()));
    if (ms > 0 && !signal.aborted) {
      const answer = await wake.wait({ channel, slot: result.next.entry, mark }, ms, signal);
      if (answer) return asRead(batch, answer, hold);
    }
    batch = await readBatch(hold, name, result.next);
    if (hasNews(batch) || untilMs <= timer.now() || signal.aborted) return batch;
  }
}

async function readBatch({ log, wake, timer, reading }: Hold, name: string, from: From): Promise<HeldBatch> {
  const [mark, asOf] = [wake.mark(), timer.now()];
  return { ...(await catchUp(log, name, from, reading)), mark, asOf };
}

/** Returns true if a reader must be answered: there is something, or the store has more than was read. */
const hasNews = ({ result: { messages, closed, upToDate, isGap } }: HeldBatch): boolean =>
  messages.length > 0 || closed || !(upToDate || isGap);

/** Returns entries that were heard as a read would have returned them. */
function asRead(
  { channel, result }: HeldBatch,
  { entries, mark }: HeardAnswer,
  { log, timer }: Hold,
): HeldBatch {
  const time = entries.at(-1)?.time ?? channel.claimedAt;
  const next = { entry: result.next.entry + entries.length, index: 0 };
  const closed = channel.closed && channel.next === next.entry;
  return {
    channel: { ...channel, next: next.entry, claimedAt: time },
    result: {
      from: result.next,
      next,
      entries: entries.map(({ slot, messages, time }) => ({ slot, messages, time, first: 0 })),
      messages: entries.flatMap(({ messages }) => messages),
      upToDate: true,
      closed,
      isGap: false,
    },
    mark,
    // The slot was the last one when it was claimed. Clocks of processes differ, and none is in the future.
    asOf: timer.now() - Math.max(0, log.clock() - time),
  };
}

/**
 * Reads what is there. If it begins at a gap that is too young to be sealed, it waits: every read must find what was acknowledged
 * before (PROTOCOL.md §11). Messages before a gap are returned at once.
 * @param read one attempt
 * @throws Refusal as `catchUp`
 */
export async function readPastGaps<R extends ReadResult>(
  { log, timer }: Pick<Hold, 'log' | 'timer'>,
  name: string,
  read: (channel: Channel) => Promise<R>,
): Promise<{ readonly channel: Channel; readonly result: R }> {
  const end = timer.now() + LONGEST_WAIT_MS;
  let channel = await find(log, name);
  await keepAlive(log, channel);
  for (let pause = FIRST_LOOK_MS; ; pause = Math.min(2 * pause, SLOWEST_LOOK_MS)) {
    const result = await read(channel);
    if (!result.isGap || result.messages.length > 0 || timer.now() >= end) return { channel, result };
    await timer.sleep(pause, never);
    channel = await find(log, name);
  }
}

/** Returns true if the channel differs from what a reader saw. A channel that does not exist was seen without a stream. */
export function hasChanged(seen: Channel, now: Channel | undefined): boolean {
  const { streamId = NO_STREAM, next = 0, closed = false } = now ?? {};
  return streamId !== seen.streamId || next !== seen.next || closed !== seen.closed;
}

/** Returns how long to rely on the wake, in milliseconds. A channel with a TTL stays alive while it is read, so it is read in time. */
function patience({ channel, result, asOf }: HeldBatch, timerNow: number, now: number): number {
  // A slot that is empty after the grace is a lost publish: the next publish wakes as usual, and its readers seal the slot.
  const isPending =
    result.next.entry < channel.next && now - channel.claimedAt <= GAP_GRACE_MS + PENDING_READ_MS;
  if (isPending) return PENDING_READ_MS;
  const longest = Math.min(SAFETY_READ_MS, (channel.ttlSeconds ?? Number.POSITIVE_INFINITY) * 500);
  return asOf + longest - timerNow;
}
