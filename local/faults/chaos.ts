/**
 * How much harsher than AWS the stack is: what AWS may do now and then, done often, from a seed that repeats it.
 * @module
 */

export interface Chaos {
  /** Repeats a run: the same decisions in the same order. */
  readonly seed: number;
  /** ShutdownStep of the messages that a queue delivers twice; SQS promises at least once. 0 to 1. */
  readonly duplicates: number;
  /** ShutdownStep of the messages that a queue holds back behind later ones; standard queues have no order. 0 to 1. */
  readonly reorders: number;
  /** ShutdownStep of the connections whose `$disconnect` is never told: AWS calls it best effort. 0 to 1. */
  readonly lostDisconnects: number;
  /** ShutdownStep of the posts to `@connections` that are answered 429. 0 to 1. */
  readonly throttledPosts: number;
  /** ShutdownStep of the posts to `@connections` that are answered 500; half of them have arrived all the same. 0 to 1. */
  readonly failedPosts: number;
  /** How much faster than the clock on the wall connections age: at 60, two hours are two minutes. From 1. */
  readonly clockScale: number;
}

/** What happens on AWS on a good day: nothing of the kind. */
export const CALM: Chaos = {
  seed: 0,
  duplicates: 0,
  reorders: 0,
  lostDisconnects: 0,
  throttledPosts: 0,
  failedPosts: 0,
  clockScale: 1,
};

/** What `npm start -- --chaos` does. */
export const chaosMode = (seed: number): Chaos => ({
  seed,
  duplicates: 0.1,
  reorders: 0.2,
  lostDisconnects: 0.2,
  throttledPosts: 0.03,
  failedPosts: 0.02,
  clockScale: 60,
});

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
