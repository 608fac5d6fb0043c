/**
 * The ladder: when a delivery that failed is tried again (PROTOCOL.md §13.4).
 * @module
 */

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/**
 * Pauses after the first failure, the second and so on, in milliseconds. Svix's, which several vendors publish: the longest
 * with its jitter is about what a message of SQS can be hidden for (12 hours), so that a wake is put off twice at most.
 * https://docs.svix.com/retries
 */
export const RETRY_DELAYS_MS: readonly number[] = [
  5 * SECOND,
  5 * MINUTE,
  30 * MINUTE,
  2 * HOUR,
  5 * HOUR,
  10 * HOUR,
  10 * HOUR,
];

/** Part of a pause that it is shorter or longer by: what failed together does not come again together. */
export const JITTER = 0.2;

/**
 * When the next attempt is due; undefined at the end of the ladder.
 * @param rung failures so far, from 1 on
 * @param notBeforeMs what the endpoint asked for, in milliseconds from now
 * @param random from 0 to 1
 */
export function nextDue(
  rung: number,
  now: number,
  notBeforeMs: number,
  random: () => number,
): number | undefined {
  const pause = RETRY_DELAYS_MS[rung - 1];
  if (pause === undefined) return undefined;
  const jittered = pause * (1 + JITTER * (2 * random() - 1));
  return now + Math.round(Math.max(jittered, notBeforeMs));
}
