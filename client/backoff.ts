/**
 * How long to wait before another try. Each client draws its own time, so that ten thousand clients that lost the hub at
 * one moment do not come back at one moment.
 * @module
 */

/** The shortest wait, in milliseconds. */
const LEAST_MS = 500;

/** The range of the first wait, in milliseconds; each further one has twice the range. */
const FIRST_MS = 2_000;

/** The longest wait of a request, in milliseconds. */
const MOST_MS = 30_000;

/** How long until what failed is tried again beside what works, in milliseconds, give or take a quarter. */
export const RECHECK_MS = 60_000;

/**
 * Milliseconds, drawn evenly from 500 up to 2 s, 4 s, 8 s …, at most `most`.
 * @param failures how many there were before, from 0
 * @param random from 0 up to, but not 1
 */
export function backoff(failures: number, random: number, most: number = MOST_MS): number {
  const range = Math.min(most, FIRST_MS * 2 ** failures);
  return LEAST_MS + random * (range - LEAST_MS);
}

/** Milliseconds around `ms`, from three to five quarters of it. */
export const jittered = (ms: number, random: number): number => ms * (0.75 + random / 2);
