/**
 * Time as it passes on this machine.
 * @module
 */
import { setTimeout as wait } from 'node:timers/promises';
import type { Timer } from '../hub/hold/held-read.ts';

/** Immune to a clock that is set: a wait must neither end nor go on because of that. */
export const timerOfMachine: Timer = {
  now: () => performance.now(),
  sleep: async (ms, signal) => {
    await wait(Math.max(0, ms), undefined, { signal }).catch(() => {});
  },
};
