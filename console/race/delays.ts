/**
 * The delays of the last minute.
 * @module
 */

/** How long a delay is kept, in milliseconds. */
export const WINDOW_MS = 60_000;

/** The most delays that are kept: fifty a second for a minute. */
const MOST = 3_000;

/** Delays in milliseconds. NaN without any. */
export interface DelayNumbers {
  /** Of the newest message. */
  readonly now: number;
  /** The median. */
  readonly p50: number;
  /** The delay that one message of twenty exceeds. */
  readonly p95: number;
}

/** The delays of one reader. */
export interface Delays {
  /** Notes a delay. @param at the time of the arrival, in milliseconds */
  readonly note: (at: number, delay: number) => void;
  /** Returns the times and the delays of the last minute, in the order of the arrivals. */
  readonly points: (now: number) => { readonly at: readonly number[]; readonly delay: readonly number[] };
  /** Returns the numbers of the last minute. */
  readonly numbers: (now: number) => DelayNumbers;
}

/** Returns an empty list of delays. */
export function newDelays(): Delays {
  let kept: { readonly at: number; readonly delay: number }[] = [];
  let newest = Number.NaN;
  const forget = (now: number): void => {
    const first = kept.findIndex(({ at }) => at >= now - WINDOW_MS);
    kept = first < 0 ? [] : kept.slice(Math.max(first, kept.length - MOST));
  };
  return {
    note(at, delay) {
      const isLate = at < (kept.at(-1)?.at ?? at);
      kept.push({ at, delay });
      // Webhooks come in no order, and a chart goes from the left to the right.
      if (isLate) kept.sort((one, other) => one.at - other.at);
      newest = kept.at(-1)?.delay ?? delay;
    },
    points(now) {
      forget(now);
      return { at: kept.map(({ at }) => at), delay: kept.map(({ delay }) => delay) };
    },
    numbers(now) {
      forget(now);
      const sorted = kept.map(({ delay }) => delay).sort((a, b) => a - b);
      const quantile = (q: number): number => sorted[Math.floor(sorted.length * q)] ?? Number.NaN;
      return { now: newest, p50: quantile(0.5), p95: quantile(0.95) };
    },
  };
}
