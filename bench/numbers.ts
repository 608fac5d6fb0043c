/**
 * Statistics.
 * @module
 */
/** Returns the quantile `q` (0 to 1) of sorted values. NaN without values. */
export const quantile = (sorted: readonly number[], q: number): number =>
  sorted[Math.floor(sorted.length * q)] ?? Number.NaN;

/** Returns the values in ascending order. */
export const sorted = (values: readonly number[]): number[] => values.toSorted((a, b) => a - b);

/** Returns the median. NaN without values. */
export const median = (values: readonly number[]): number => quantile(sorted(values), 0.5);

/** Returns the sum. */
export const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
