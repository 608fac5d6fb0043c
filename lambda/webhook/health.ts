/**
 * The health of an endpoint: what its owner knows from one delivery to the next, and when nothing is sent for a while
 * (PROTOCOL.md §13.4). All times are milliseconds since 1970.
 * @module
 */
import type { Health } from './webhook-stores.ts';

/** The health of an endpoint that has never failed. */
export const HEALTHY: Health = {
  failures: 0,
  failingSince: undefined,
  failedAt: 0,
  opens: 0,
  backoffUntil: 0,
  isNotified: false,
  nextStartAt: 0,
};

/** Failures in a row that open the circuit. */
const OPENS_AT = 5;

/** How long the circuit stays open at first, and at most, in milliseconds. */
const FIRST_BACKOFF_MS = 5_000;
const LONGEST_BACKOFF_MS = 5 * 60_000;

/** An endpoint that has failed for this long without one success is disabled, in milliseconds: five days. */
const DISABLE_AFTER_MS = 5 * 24 * 3_600_000;

/**
 * The longest pause between two failures of one period of failing, in milliseconds: two days. The longest step of the retry
 * schedule is less than half a day. An endpoint that received nothing for longer has not been failing all the time.
 */
const MOST_SILENCE_MS = 2 * 24 * 3_600_000;

/**
 * Returns the health after a success. It ends everything that failures began, except the backoff: the request may have
 * been under way when the endpoint asked for a pause.
 */
export const afterSuccess = ({ nextStartAt, backoffUntil }: Health): Health => ({
  ...HEALTHY,
  nextStartAt,
  backoffUntil,
});

/**
 * Returns the health after a failure.
 * @param backoffMs the pause that the endpoint itself asks for, in milliseconds; 0 for none
 */
export function afterFailure(health: Health, now: number, backoffMs: number): Health {
  const failures = health.failures + 1;
  const isGoingOn = health.failingSince !== undefined && now - health.failedAt < MOST_SILENCE_MS;
  // Requests that were under way when the circuit opened fail together. They count as one trial, not as ten.
  const opens = failures >= OPENS_AT && health.backoffUntil <= now ? health.opens + 1 : health.opens;
  const openMs = opens > health.opens ? Math.min(FIRST_BACKOFF_MS * 2 ** (opens - 1), LONGEST_BACKOFF_MS) : 0;
  const pauseMs = Math.max(openMs, backoffMs);
  return {
    ...health,
    failures,
    failingSince: isGoingOn ? health.failingSince : now,
    failedAt: now,
    opens,
    backoffUntil: pauseMs > 0 ? Math.max(health.backoffUntil, now + pauseMs) : health.backoffUntil,
  };
}

/** Returns true if the endpoint must be disabled: it has failed for five days without one success. */
export const hasFailedTooLong = ({ failingSince }: Health, now: number): boolean =>
  failingSince !== undefined && now - failingSince >= DISABLE_AFTER_MS;

/** Returns true from the first opening of the circuit to the next success. Deliveries then go one at a time. */
export const isOnTrial = ({ opens }: Health): boolean => opens > 0;

/** Returns the time until which nothing is sent; undefined if that is not in the future. */
export const pauseIn = ({ backoffUntil }: Health, now: number): number | undefined =>
  backoffUntil > now ? backoffUntil : undefined;

/** Returns the health that counts for an endpoint which was enabled at `enabledAt`: earlier failures are forgotten. */
export const healthSince = (health: Health, enabledAt: number): Health =>
  health.failingSince !== undefined && health.failingSince < enabledAt ? HEALTHY : health;
