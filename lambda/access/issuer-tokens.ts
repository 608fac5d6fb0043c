/**
 * Tokens of an identity provider. Its public keys verify them, and the configuration maps their claims to capabilities.
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

/** An identity provider and its public keys. */
export interface TrustedIssuer extends Issuer {
  readonly keys: Cached<KeySet>;
}

type Verified = JWTPayload | 'refused' | 'no key fits';

/**
 * Returns the holder of a token that the issuer signed for this hub and that is valid now; else undefined.
 * @throws Refusal unavailable if the keys of the issuer are unavailable
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
  // A subject is unique only within its issuer. With the prefix it cannot be mistaken for a principal of the hub, whose quotas
  // and connections it would share.
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

/** Returns what the configuration grants for the claims; undefined if it demands a tenant and the token has none. */
export function capabilityBy(
  { claim, grants, tenant: tenantClaim }: ClaimRules,
  claims: Readonly<Record<string, unknown>>,
): Capability | undefined {
  const granted = union(valuesOf(claims[claim]).map((value) => ownValue(grants, value) ?? {}));
  if (tenantClaim === undefined) return granted;
  const tenant = claims[tenantClaim];
  return isTenant(tenant) ? movedBelow(tenant, granted) : undefined;
}

/** Returns the members of a list, or the words of a text, which is the form of `scope` (RFC 8693 §4.2). */
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
