/**
 * Chaos mode: the stack does often what AWS does seldom. A seed repeats the decisions of a run.
 * @module
 */

/** The rate of each fault. */
export interface Chaos {
  /** Whole number; the same seed gives the same decisions in the same order. */
  readonly seed: number;
  /** Part of the messages that a queue delivers twice, 0 to 1. SQS promises at least one delivery. */
  readonly duplicates: number;
  /** Part of the messages that later ones overtake, 0 to 1. Standard queues have no order. */
  readonly reorders: number;
  /** Part of the connections whose `$disconnect` gets lost, 0 to 1. API Gateway delivers it with best effort. */
  readonly lostDisconnects: number;
  /** Part of the posts to `@connections` that are answered 429, 0 to 1. */
  readonly throttledPosts: number;
  /** Part of the posts to `@connections` that are answered 500, 0 to 1. Half of these messages are sent. */
  readonly failedPosts: number;
  /** The number of times that connections age faster than on AWS, from 1. At 60, two hours are two minutes. */
  readonly clockScale: number;
}

/** No chaos: AWS on a good day. */
export const CALM: Chaos = {
  seed: 0,
  duplicates: 0,
  reorders: 0,
  lostDisconnects: 0,
  throttledPosts: 0,
  failedPosts: 0,
  clockScale: 1,
};

/** The chaos of `npm start -- --chaos`. */
export const chaosMode = (seed: number): Chaos => ({
  seed,
  duplicates: 0.1,
  reorders: 0.2,
  lostDisconnects: 0.2,
  throttledPosts: 0.03,
  failedPosts: 0.02,
  clockScale: 60,
});

/** Returns a source of random numbers from 0 to 1, which are the same for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
