/**
 * A token bucket: limits a rate, and allows a burst.
 * @module
 */

/** Takes that many tokens (default 1) if the bucket has all of them. Returns whether it had. */
export type Take = (tokens?: number) => boolean;

/**
 * Returns a bucket that is full.
 * @param rate tokens that come in a second
 * @param burst tokens that it holds
 * @param now milliseconds that only grow
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
