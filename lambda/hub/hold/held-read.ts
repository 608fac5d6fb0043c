/**
 * Hold: wait for a channel to grow (PROTOCOL.md §5.1, §5.2). One loop for long polling and streams, behind two ports:
 * the log, which is the truth, and the wake, which is a hint.
 * @module
 */

import { GAP_GRACE_MS } from '../../../protocol/limits.ts';
import { catchUp } from '../log/catch-up.ts';
import type { Channel } from '../log/channel.ts';
import { find } from '../log/lifecycle.ts';
import type { Log } from '../log/log-ports.ts';
import { type From, type ReadResult, read } from '../log/read-log.ts';

/** Time as it passes, whatever the clock on the wall is set to. */
export interface Timer {
  /** Milliseconds since some moment; never goes back. */
  readonly now: () => number;
  /** Ends after `ms`, or at once when the signal is aborted. Never rejects. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}

export interface Wake {
  /**
   * Ends when the channel may differ from what `seen` was read from, or after `ms`, or when the signal is aborted. It
   * is a hint: it may end early or late, and costs latency then, never a message.
   */
  wait(seen: Channel, ms: number, signal: AbortSignal): Promise<void>;
}

export interface Hold {
  readonly log: Log;
  readonly wake: Wake;
  readonly timer: Timer;
}

/** The longest that a held reader relies on the wake, in milliseconds: then it looks for itself. */
const SAFETY_READ_MS = 5_000;

/**
 * How soon a reader that stands before a claimed but unwritten slot looks again, in milliseconds. Nothing but the write
 * itself would tell it, and that is single milliseconds away, or a gap to be sealed after the grace.
 */
const PENDING_READ_MS = 50;

/** Between two looks at a gap, in milliseconds: most are filled at once, since their publish is under way. */
const FIRST_LOOK_MS = 20;
const SLOWEST_LOOK_MS = 300;

/** How long a read waits at gaps altogether, in milliseconds: until one of them can be sealed, and a look more. */
const LONGEST_WAIT_MS = GAP_GRACE_MS + SLOWEST_LOOK_MS;

const never = new AbortController().signal;

export interface Held {
  readonly channel: Channel;
  readonly result: ReadResult;
}

/**
 * Reads from a position, and if there is nothing yet waits for something, until `untilMs` of the timer: then the empty
 * result is the answer. A position that is known only now (`now`, `beginning`) is taken once, before the wait.
 * @throws Refusal as `catchUp`
 */
export async function holdRead(
  { log, wake, timer }: Hold,
  name: string,
  from: From,
  untilMs: number,
  signal: AbortSignal,
): Promise<Held> {
  let position = from;
  for (;;) {
    const held = await catchUp(log, name, position);
    const { channel, result } = held;
    const left = untilMs - timer.now();
    const isMore = !result.upToDate && !result.isGap;
    if (result.messages.length > 0 || result.closed || isMore || left <= 0 || signal.aborted) return held;
    position = result.next;
    await wake.wait(channel, Math.min(left, patience(channel, result, log.clock())), signal);
  }
}

/**
 * Reads what is there, and waits at a gap that is too young to be sealed: what was acknowledged beyond it is found by
 * every later read (PROTOCOL.md §11). What stands before the gap is returned at once.
 * @throws Refusal as `catchUp`
 */
export async function readPastGaps(
  { log, timer }: Pick<Hold, 'log' | 'timer'>,
  name: string,
  from: From,
): Promise<Held> {
  const end = timer.now() + LONGEST_WAIT_MS;
  let held = await catchUp(log, name, from);
  for (let pause = FIRST_LOOK_MS; ; pause = Math.min(2 * pause, SLOWEST_LOOK_MS)) {
    const { result } = held;
    if (!result.isGap || result.messages.length > 0 || timer.now() >= end) return held;
    await timer.sleep(pause, never);
    const channel = await find(log, name);
    held = { channel, result: await read(log, channel, from) };
  }
}

/** True if the channel is no more what a reader saw. One that nobody has made yet was seen as one without a stream. */
export function hasChanged(seen: Channel, now: Channel | undefined): boolean {
  const { streamId = 'none', next = 0, closed = false } = now ?? {};
  return streamId !== seen.streamId || next !== seen.next || closed !== seen.closed;
}

/** How long to rely on the wake. A channel with a TTL lives as long as someone holds on to it, so it is touched in time. */
function patience(channel: Channel, result: ReadResult, now: number): number {
  // A slot that stays empty past the grace is a lost publish: what comes after it wakes as usual, and seals it.
  const isPending =
    result.next.entry < channel.next && now - channel.claimedAt <= GAP_GRACE_MS + PENDING_READ_MS;
  if (isPending) return PENDING_READ_MS;
  return Math.min(SAFETY_READ_MS, (channel.ttlSeconds ?? Number.POSITIVE_INFINITY) * 500);
}
