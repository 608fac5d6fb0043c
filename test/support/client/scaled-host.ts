/**
 * A host for the client with real sockets and requests, on which time passes faster, so that a test can wait for a
 * minute.
 * @module
 */
import { type Host, realHost } from '../../../client/host.ts';

/** How many times faster: 5 s become 200 ms, which is enough for the loopback. */
const SPEED = 25;

/** A host on which time passes faster. */
export interface ScaledHost extends Host {
  /** Returns the number of running timers. */
  readonly timers: () => number;
  /** Puts the machine to sleep for this many milliseconds: the clock goes on, and timers stand still. */
  readonly sleep: (ms: number) => void;
}

/** Returns a host without timers. */
export function scaledHost(): ScaledHost {
  const host = realHost();
  const running = new Set<() => void>();
  let slept = 0;
  return {
    ...host,
    now: () => host.now() * SPEED + slept,
    wallClock: () => host.wallClock() + host.now() * (SPEED - 1) + slept,
    after(ms, run) {
      const stop = host.after(ms / SPEED, () => {
        running.delete(stop);
        run();
      });
      running.add(stop);
      return () => {
        running.delete(stop);
        stop();
      };
    },
    random: () => 0.1,
    timers: () => running.size,
    sleep(ms) {
      slept += ms;
    },
  };
}
