/**
 * The caller of a request, according to a verified token.
 * @module
 */
import type { JWTPayload } from 'jose';
import type { Capability } from '../../protocol/capability.ts';
import { TOKEN_LEEWAY_SECONDS } from '../../protocol/limits.ts';

/** The holder of a token. */
export interface Caller {
  /** The operations that the caller may do, by pattern. */
  readonly capability: Capability;
  /** The `sub` of the token; undefined if it has none. */
  readonly principal: string | undefined;
  /** The end of the token, leeway included, in milliseconds since 1970. Undefined for a caller without a token. */
  readonly allowedUntil: number | undefined;
}

/** A caller without a token. */
export const ANONYMOUS: Caller = { capability: {}, principal: undefined, allowedUntil: undefined };

/** Returns the checks that every token must pass. @param now milliseconds since 1970 */
export const checksAt = (audience: string, now: number) => ({
  audience,
  requiredClaims: ['exp'],
  clockTolerance: TOKEN_LEEWAY_SECONDS,
  currentDate: new Date(now),
});

/**
 * Returns the time at which a token ends, leeway included, in milliseconds since 1970. Returns undefined if `exp` is no time, such
 * as `1e999`: it is valid JSON, but it becomes Infinity, so the token would never end, and DynamoDB could not store it.
 */
export function endOf({ exp }: JWTPayload): number | undefined {
  const end = (Number(exp) + TOKEN_LEEWAY_SECONDS) * 1_000;
  return Number.isSafeInteger(Math.ceil(end)) ? end : undefined;
}

/** Returns the subject if it is text; undefined otherwise. A valid signature does not say that a claim has the right type. */
export const subjectOf = ({ sub }: JWTPayload): string | undefined =>
  typeof sub === 'string' ? sub : undefined;
