/**
 * Tells whether the processors of this machine have time for more.
 * @module
 */
import { cpus } from 'node:os';

/** The part of the time that must be unused. */
const SPARE = 0.25;

/** The time over which is measured, at least, in milliseconds. */
const PERIOD_MS = 250;

/** Returns the time of all processors since the start of the machine in milliseconds: all of it, and the unused part. */
export type ReadTimes = () => { readonly total: number; readonly idle: number };

const timesOfMachine: ReadTimes = () => {
  const times = cpus().map((cpu) => cpu.times);
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  return { total: sum(times.flatMap((one) => Object.values(one))), idle: sum(times.map(({ idle }) => idle)) };
};

/**
 * Returns a function that says whether the processors had time to spare since it was called, but at least for PERIOD_MS.
 * @param now monotonic clock in milliseconds
 */
export function watchProcessors(
  read: ReadTimes = timesOfMachine,
  now = () => performance.now(),
): () => boolean {
  let at = now();
  let before = read();
  let hasSpare = true;
  return () => {
    if (now() - at < PERIOD_MS) return hasSpare;
    const after = read();
    hasSpare = after.idle - before.idle >= SPARE * (after.total - before.total);
    at = now();
    before = after;
    return hasSpare;
  };
}
