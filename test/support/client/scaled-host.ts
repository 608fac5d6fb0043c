/**
 * A client's host with real sockets and requests, on which time passes faster, so that a minute can be waited for.
 * @module
 */
import { type Host, realHost } from '../../../client/host.ts';

/** So many times faster: 5 s become 200 ms, which loopback has to spare. */
const SPEED = 25;

export interface ScaledHost extends Host {
  /** Timers that are set. */
  readonly timers: () => number;
  /** The machine slept for so long, in milliseconds: the clock is ahead, and timers have what they had left. */
  readonly sleep: (ms: number) => void;
}

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
