/**
 * A pace that is kept: so many a second, and after a pause a short burst.
 * @module
 */

/** Time as it passes, whatever the clock on the wall is set to. */
export interface Time {
  /** Milliseconds since some moment; never goes back. */
  readonly now: () => number;
  /** Calls back once, after so many milliseconds. */
  readonly after: (ms: number, then: () => void) => void;
}

export const machineTime: Time = {
  now: () => performance.now(),
  after: (ms, then) => void setTimeout(then, ms),
};

/** What a pause saves up for a burst, in seconds of the pace. */
const BURST_SECONDS = 0.1;

/** The shortest wait, in milliseconds: one timer then frees several. */
const SHORTEST_WAIT_MS = 5;

/**
 * Says whether one more may go now. After a `false`, `resume` is called once, when asking again is of use.
 * @param perSecond the most that may go in a second, above 0
 */
export function rateLimiter(perSecond: number, time: Time, resume: () => void): () => boolean {
  const most = Math.max(1, perSecond * BURST_SECONDS);
  let left = most;
  let asked = time.now();
  let isWaiting = false;
  const waited = (): void => {
    isWaiting = false;
    resume();
  };
  return () => {
    const now = time.now();
    left = Math.min(most, left + ((now - asked) * perSecond) / 1_000);
    asked = now;
    if (left >= 1) {
      left--;
      return true;
    }
    if (!isWaiting) {
      isWaiting = true;
      time.after(Math.max(SHORTEST_WAIT_MS, ((1 - left) * 1_000) / perSecond), waited);
    }
    return false;
  };
}
