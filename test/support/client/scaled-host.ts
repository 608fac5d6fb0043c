/**
 * A host for the client with real sockets and requests, on which time passes faster, so that a test can wait for a
 * minute.
 * @module
 */
import { vi } from 'vitest';
import { type Host, realHost } from '../../../client/host.ts';

/** How many times faster: 5 s become 200 ms, which is enough for the loopback. */
const SPEED = 25;

/**
 * Real milliseconds between two steps of the clock. While timers run, each step adds the same, however late it comes: on a busy
 * machine time passes more slowly, and requests have as many turns of the event loop as on an idle one.
 */
const STEP_MS = 4;

/** A host on which time passes faster. */
export interface ScaledHost extends Host {
  /** Returns the number of running timers. */
  readonly timers: () => number;
  /** Puts the machine to sleep for this many milliseconds: the clock goes on, and timers stand still. */
  readonly sleep: (ms: number) => void;
}

interface Timer {
  readonly at: number;
  readonly run: () => void;
}

/** Returns a host without timers. */
export function scaledHost(): ScaledHost {
  const host = realHost();
  const running = new Set<Timer>();
  let slept = 0;
  /** The time without sleep up to the last step, or up to when the last timer ended. */
  let awake = 0;
  let idleSince = host.now();
  let steps: NodeJS.Timeout | undefined;

  const time = () => (steps === undefined ? awake + (host.now() - idleSince) * SPEED : awake);

  function step(): void {
    awake += STEP_MS * SPEED;
    const due = [...running].filter(({ at }) => at <= awake).toSorted((one, other) => one.at - other.at);
    for (const timer of due) if (running.delete(timer)) timer.run();
    rest();
  }

  function rest(): void {
    if (running.size > 0 || steps === undefined) return;
    clearInterval(steps);
    steps = undefined;
    idleSince = host.now();
  }

  return {
    ...host,
    now: () => time() + slept,
    wallClock: () => host.wallClock() - host.now() + time() + slept,
    after(ms, run) {
      const timer = { at: time() + ms, run };
      awake = time();
      steps ??= setInterval(step, STEP_MS);
      running.add(timer);
      return () => {
        if (running.delete(timer)) rest();
      };
    },
    random: () => 0.1,
    timers: () => running.size,
    sleep(ms) {
      slept += ms;
    },
  };
}

/** Waits until a check passes, for a real minute at the most. */
export const eventually = (check: () => void): Promise<void> =>
  vi.waitFor(check, { timeout: 60_000, interval: 10 });
