/**
 * Tokens of the hub's own: signed with its own key, which operators mint by, and the hub its tickets.
 * @module
 */
import { errors, type JWTPayload, jwtVerify } from 'jose';
import { type Capability, isTenant, parseCapability } from '../../protocol/capability.ts';
import type { Cached } from './cached-keys.ts';
import { type Caller, checksAt, endOf, subjectOf } from './caller.ts';
import { confinedTo } from './tenant.ts';

/** The keys that a token may be signed with, the current one first. */
export type KeySource = Cached<readonly Uint8Array[]>;

export interface OwnKeys {
  readonly keys: KeySource;
  /** This hub and stage: a token for another one is refused. */
  readonly audience: string;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
}

/** Pinned: the token's own header must never choose the algorithm (CVE-2026-22817 and its kind). */
const ALGORITHMS = ['HS256'];

type Verified = JWTPayload | 'refused' | 'no key fits';

/** Undefined for a token that the hub's own key did not sign as it is, for this hub and this time. */
export async function ownCaller(token: string, own: OwnKeys): Promise<Caller | undefined> {
  const claims = await ownClaims(token, own);
  const allowedUntil = claims && endOf(claims);
  const capability = claims && capabilityIn(claims);
  return capability && allowedUntil !== undefined
    ? { capability, principal: subjectOf(claims), allowedUntil }
    : undefined;
}

/** What a token says that the hub's own key signed for the audience; undefined for every other one. */
export async function ownClaims(
  token: string,
  { keys, audience, clock }: OwnKeys,
): Promise<JWTPayload | undefined> {
  const known = await keys();
  let verified = await verify(token, known, audience, clock());
  if (verified === 'no key fits') {
    // The keys may have been rotated since. Where they were not, a forged token has cost nothing more.
    const newer = await keys(true);
    if (newer !== known) verified = await verify(token, newer, audience, clock());
  }
  return typeof verified === 'string' ? undefined : verified;
}

/** Only what the tenant may have, where the token names one; undefined if either is not what it should be. */
export function capabilityIn({ capability, tenant }: JWTPayload): Capability | undefined {
  const granted = parsed(capability);
  if (tenant === undefined || !granted) return granted;
  return isTenant(tenant) ? confinedTo(tenant, granted) : undefined;
}

function parsed(capability: unknown): Capability | undefined {
  try {
    return parseCapability(capability);
  } catch {
    return undefined;
  }
}

async function verify(
  token: string,
  keys: readonly Uint8Array[],
  audience: string,
  now: number,
): Promise<Verified> {
  for (const key of keys) {
    try {
      const { payload } = await jwtVerify(token, key, { ...checksAt(audience, now), algorithms: ALGORITHMS });
      return payload;
    } catch (error) {
      // Which check failed is no help to an honest caller and much to another.
      if (!(error instanceof errors.JWSSignatureVerificationFailed)) return 'refused';
    }
  }
  return 'no key fits';
}
