/**
 * Who is calling, as a verified token tells.
 * @module
 */
import type { JWTPayload } from 'jose';
import type { Capability } from '../../protocol/capability.ts';
import { TOKEN_LEEWAY_SECONDS } from '../../protocol/limits.ts';

/** What a token says of its holder. */
export interface Caller {
  readonly capability: Capability;
  /** Who the token was made for (`sub`), if it says so. */
  readonly principal: string | undefined;
  /** When the token ends, leeway and all, in milliseconds. Undefined for a caller without a token. */
  readonly allowedUntil: number | undefined;
}

export const NOBODY: Caller = { capability: {}, principal: undefined, allowedUntil: undefined };

/** What every token must pass, whoever signed it. */
export const checksAt = (audience: string, now: number) => ({
  audience,
  requiredClaims: ['exp'],
  clockTolerance: TOKEN_LEEWAY_SECONDS,
  currentDate: new Date(now),
});

/** Undefined where `exp` is no time: `1e999` is valid JSON, later than any, and would be stored as nothing. */
export function endOf({ exp }: JWTPayload): number | undefined {
  const end = (Number(exp) + TOKEN_LEEWAY_SECONDS) * 1_000;
  return Number.isSafeInteger(Math.ceil(end)) ? end : undefined;
}

/** Signed is not checked: a subject may be anything that JSON can say. */
export const subjectOf = ({ sub }: JWTPayload): string | undefined =>
  typeof sub === 'string' ? sub : undefined;
