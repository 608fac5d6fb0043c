/**
 * The retry schedule: when a delivery that failed is tried again (PROTOCOL.md §13.4).
 * @module
 */

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/**
 * Pauses after the first failure, the second and so on, in milliseconds. The schedule is that of Svix, which several vendors
 * publish. The longest pause with its jitter is about the time for which SQS can hide a message (12 hours), so that a wake is
 * postponed twice at most.
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

/**
 * The part of a pause by which it is made shorter or longer. Deliveries that failed together are not retried together.
 */
export const JITTER = 0.2;

/**
 * Returns when the next attempt is due, in milliseconds since 1970; undefined at the end of the schedule.
 * @param failures how many attempts have failed so far, from 1 on
 * @param notBeforeMs the pause that the endpoint asked for, in milliseconds from now
 * @param random returns a number from 0 to 1
 */
export function nextDue(
  failures: number,
  now: number,
  notBeforeMs: number,
  random: () => number,
): number | undefined {
  const pause = RETRY_DELAYS_MS[failures - 1];
  if (pause === undefined) return undefined;
  const jittered = pause * (1 + JITTER * (2 * random() - 1));
  return now + Math.round(Math.max(jittered, notBeforeMs));
}
