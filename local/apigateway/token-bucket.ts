/**
 * A token bucket: limits a rate and allows a burst.
 * @module
 */

/** Takes that many tokens (default 1). Returns false, and takes none, if the bucket has too few. */
export type Take = (tokens?: number) => boolean;

/**
 * Returns a full bucket.
 * @param rate tokens per second
 * @param burst tokens in a full bucket
 * @param now monotonic clock in milliseconds
 */
export function bucket(rate: number, burst: number, now: () => number = () => performance.now()): Take {
  let left = burst;
  let at = now();
  return (tokens = 1) => {
    const time = now();
    left = Math.min(burst, left + ((time - at) * rate) / 1_000);
    at = time;
    if (left < tokens) return false;
    left -= tokens;
    return true;
  };
}
