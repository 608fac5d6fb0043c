/**
 * The timer of this machine.
 * @module
 */
import { setTimeout as wait } from 'node:timers/promises';
import type { Timer } from '../hub/hold/held-read.ts';

/** A monotonic timer. A change of the wall clock must not end or prolong a wait. */
export const timerOfMachine: Timer = {
  now: () => performance.now(),
  sleep: async (ms, signal) => {
    await wait(Math.max(0, ms), undefined, { signal }).catch(() => {});
  },
};
