/**
 * How an endpoint is doing: what its owner knows from one delivery to the next, and when it is left alone
 * (PROTOCOL.md §13.4).
 * @module
 */
import type { Health } from './webhook-ports.ts';

export const HEALTHY: Health = {
  failures: 0,
  failingSince: undefined,
  failedAt: 0,
  opens: 0,
  restsUntil: 0,
  isTold: false,
  pacedUntil: 0,
};

/** Failures in a row that open the circuit. */
const OPENS_AT = 5;

/** How long it stays open: at first, and at the most, in milliseconds. */
const FIRST_REST_MS = 5_000;
const LONGEST_REST_MS = 5 * 60_000;

/** Failing without one success for so long, an endpoint is disabled, in milliseconds: five days. */
const DISABLE_AFTER_MS = 5 * 24 * 3_600_000;

/**
 * How long there may be no failure while an endpoint fails, in milliseconds: two days, where the longest step of the ladder
 * is half of one. Who has had nothing for longer has not failed for so long.
 */
const MOST_SILENCE_MS = 2 * 24 * 3_600_000;

/**
 * A success ends all that failures began, but for a rest: it may have been under way when the endpoint asked to be left
 * alone.
 */
export const afterSuccess = ({ pacedUntil, restsUntil }: Health): Health => ({
  ...HEALTHY,
  pacedUntil,
  restsUntil,
});

/** @param restMs how long the endpoint itself asks to be left alone */
export function afterFailure(health: Health, now: number, restMs: number): Health {
  const failures = health.failures + 1;
  const isGoingOn = health.failingSince !== undefined && now - health.failedAt < MOST_SILENCE_MS;
  // Those that were under way together when the circuit opened fail together: that is one trial, not ten.
  const opens = failures >= OPENS_AT && health.restsUntil <= now ? health.opens + 1 : health.opens;
  const opened = opens > health.opens ? Math.min(FIRST_REST_MS * 2 ** (opens - 1), LONGEST_REST_MS) : 0;
  const rest = Math.max(opened, restMs);
  return {
    ...health,
    failures,
    failingSince: isGoingOn ? health.failingSince : now,
    failedAt: now,
    opens,
    restsUntil: rest > 0 ? Math.max(health.restsUntil, now + rest) : health.restsUntil,
  };
}

export const hasFailedTooLong = ({ failingSince }: Health, now: number): boolean =>
  failingSince !== undefined && now - failingSince >= DISABLE_AFTER_MS;

/** True after a rest until the first success: one delivery at a time, to see. */
export const isOnTrial = ({ opens }: Health): boolean => opens > 0;

/** What failed before the endpoint was enabled is not held against it. */
export const healthSince = (health: Health, enabledAt: number): Health =>
  health.failingSince !== undefined && health.failingSince < enabledAt ? HEALTHY : health;
