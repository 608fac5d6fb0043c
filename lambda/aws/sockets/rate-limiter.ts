/**
 * A rate limiter: a token bucket. It gives a number of permits a second, and a short burst after a pause.
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

/** The shortest wait, in milliseconds. At a high rate one timer then stands for several permits. */
const SHORTEST_WAIT_MS = 5;

/**
 * Returns a function that takes a permit, and returns true; or false if there is none. After one or more false, `resume` is called
 * once, when there is a permit again.
 * @param perSecond permits a second, above 0
 */
export function rateLimiter(perSecond: number, time: Time, resume: () => void): () => boolean {
  const capacity = Math.max(1, perSecond * BURST_SECONDS);
  let permits = capacity;
  let refilledAt = time.now();
  let isWaiting = false;
  const endWait = (): void => {
    isWaiting = false;
    resume();
  };
  return () => {
    const now = time.now();
    permits = Math.min(capacity, permits + ((now - refilledAt) * perSecond) / 1_000);
    refilledAt = now;
    if (permits >= 1) {
      permits--;
      return true;
    }
    if (!isWaiting) {
      isWaiting = true;
      time.after(Math.max(SHORTEST_WAIT_MS, ((1 - permits) * 1_000) / perSecond), endWait);
    }
    return false;
  };
}
