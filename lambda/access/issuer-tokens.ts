/**
 * Tokens of an identity provider: verified with its public keys, and allowed what the configuration makes of their claims.
 * @module
 */
import { errors, type JWTPayload, jwtVerify } from 'jose';
import { type Capability, isTenant, type Operation } from '../../protocol/capability.ts';
import { ownValue } from '../../protocol/fields.ts';
import type { ClaimRules, Issuer } from '../../protocol/issuer.ts';
import type { Cached } from './cached-keys.ts';
import { type Caller, checksAt, endOf, subjectOf } from './caller.ts';
import { ALGORITHMS, type KeySet } from './key-set.ts';
import { movedBelow } from './tenant.ts';

export interface TrustedIssuer extends Issuer {
  readonly keys: Cached<KeySet>;
}

type Verified = JWTPayload | 'refused' | 'no key fits';

/**
 * Undefined for a token that the issuer did not sign as it is, for this hub and this time.
 * @throws Refusal unavailable where its keys cannot be had
 */
export async function issuedCaller(
  token: string,
  issuer: TrustedIssuer,
  clock: () => number,
): Promise<Caller | undefined> {
  const claims = await issuedClaims(token, issuer, clock);
  const allowedUntil = claims && endOf(claims);
  const capability = claims && capabilityBy(issuer.claims, claims);
  if (!capability || allowedUntil === undefined) return undefined;
  const subject = subjectOf(claims);
  // A subject is unique to its issuer: it is not to pass for one of the hub's own, whose limits and names it would have.
  return { capability, principal: subject && `${issuer.url}#${subject}`, allowedUntil };
}

async function issuedClaims(
  token: string,
  issuer: TrustedIssuer,
  clock: () => number,
): Promise<JWTPayload | undefined> {
  const known = await issuer.keys();
  let verified = await verify(token, known, issuer, clock());
  if (verified === 'no key fits') {
    const newer = await issuer.keys(true);
    if (newer !== known) verified = await verify(token, newer, issuer, clock());
  }
  return typeof verified === 'string' ? undefined : verified;
}

async function verify(
  token: string,
  keys: KeySet,
  { url, audience }: TrustedIssuer,
  now: number,
): Promise<Verified> {
  try {
    const checks = { ...checksAt(audience, now), issuer: url, algorithms: [...ALGORITHMS] };
    return (await jwtVerify(token, keys, checks)).payload;
  } catch (error) {
    return error instanceof errors.JWKSNoMatchingKey ? 'no key fits' : 'refused';
  }
}

/** Undefined where a tenant is needed and there is none. */
export function capabilityBy(
  { claim, grants, tenant: tenantClaim }: ClaimRules,
  claims: Readonly<Record<string, unknown>>,
): Capability | undefined {
  const granted = union(valuesOf(claims[claim]).map((value) => ownValue(grants, value) ?? {}));
  if (tenantClaim === undefined) return granted;
  const tenant = claims[tenantClaim];
  return isTenant(tenant) ? movedBelow(tenant, granted) : undefined;
}

/** The members of a list; the words of a text, since that is the form of `scope` (RFC 8693 §4.2). */
function valuesOf(claim: unknown): string[] {
  if (typeof claim === 'string') return claim.split(' ');
  return Array.isArray(claim) ? claim.filter((value) => typeof value === 'string') : [];
}

function union(capabilities: readonly Capability[]): Capability {
  const all: Record<string, readonly Operation[]> = Object.create(null);
  for (const capability of capabilities) {
    for (const [pattern, operations] of Object.entries(capability))
      all[pattern] = [...new Set([...(all[pattern] ?? []), ...operations])];
  }
  return all;
}
