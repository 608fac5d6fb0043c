/**
 * What is reported of many numbers.
 * @module
 */
export const quantile = (sorted: readonly number[], q: number): number =>
  sorted[Math.floor(sorted.length * q)] ?? Number.NaN;

export const sorted = (values: readonly number[]): number[] => values.toSorted((a, b) => a - b);

export const median = (values: readonly number[]): number => quantile(sorted(values), 0.5);

export const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
