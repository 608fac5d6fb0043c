/**
 * Time that passes only when all work waits. A run of hours takes milliseconds, and is the same every time.
 * @module
 */
import type { Timer } from '../../../lambda/hub/hold/held-read.ts';

export interface VirtualTime extends Timer {
  /** Waits until all that is due now has happened. */
  readonly turn: () => Promise<void>;
  /** Lets time pass until the promise has settled, and returns its result. */
  readonly until: <T>(promise: Promise<T>) => Promise<T>;
}

interface Sleeper {
  readonly at: number;
  readonly wake: () => void;
}

/** A run that has not ended after this many pauses never ends. */
const MAX_PAUSES = 1_000_000;

export function virtualTime(): VirtualTime {
  let now = 0;
  const sleepers = new Set<Sleeper>();
  let turns = 0;
  const immediate = () => new Promise<void>((resolve) => setImmediate(resolve));
  // The next turn of the event loop comes when no promise has anything left to do.
  const settle = async (): Promise<void> => {
    do await immediate();
    while (turns > 0);
    await immediate();
  };
  return {
    now: () => now,
    async turn() {
      turns++;
      await immediate();
      turns--;
    },
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        if (signal.aborted) return resolve();
        const wake = (): void => {
          sleepers.delete(sleeper);
          signal.removeEventListener('abort', wake);
          resolve();
        };
        const sleeper: Sleeper = { at: now + ms, wake };
        sleepers.add(sleeper);
        signal.addEventListener('abort', wake);
      }),
    async until(promise) {
      let isSettled = false;
      const mark = (): void => {
        isSettled = true;
      };
      promise.then(mark, mark);
      for (let pauses = 0; pauses < MAX_PAUSES; pauses++) {
        await settle();
        if (isSettled) return await promise;
        let next = Number.POSITIVE_INFINITY;
        for (const { at } of sleepers) next = Math.min(next, at);
        if (sleepers.size === 0) throw new Error('all work waits, and none of it for time to pass');
        now = Math.max(now, next);
        for (const { at, wake } of sleepers) if (at <= now) wake();
      }
      throw new Error(`not settled after ${MAX_PAUSES} pauses, at ${now} ms`);
    },
  };
}
