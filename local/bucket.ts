/**
 * A token bucket: what a rate with a burst lets through.
 * @module
 */

/** Takes that many tokens if they are all there; says whether they were. */
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
