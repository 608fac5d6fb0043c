/**
 * A rate limiter: a number of permits a second, and a short burst after a pause.
 * @module
 */

/** Monotonic time, which does not depend on the wall clock. */
export interface Time {
  /** Returns milliseconds since some moment. Never goes back. */
  readonly now: () => number;
  /** Calls `then` once, after `ms` milliseconds. */
  readonly after: (ms: number, then: () => void) => void;
}

/** The time of this machine. */
export const machineTime: Time = {
  now: () => performance.now(),
  after: (ms, then) => void setTimeout(then, ms),
};

/** The size of a burst, in seconds of the rate. */
const BURST_SECONDS = 0.1;

/** The shortest wait, in milliseconds, so that one timer gives several permits. */
const SHORTEST_WAIT_MS = 5;

/**
 * Returns a function that takes a permit. It returns false if there is none. Then `resume` is called once, when there is one.
 * @param perSecond the most permits in a second, above 0
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
