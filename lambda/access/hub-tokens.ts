/**
 * Tokens that are signed with the hub's own key: those that operators mint, and the tickets of the hub.
 * @module
 */
import { errors, type JWTPayload, jwtVerify } from 'jose';
import { type Capability, isTenant, parseCapability } from '../../protocol/capability.ts';
import type { Cached } from './cached-keys.ts';
import { type Caller, checksAt, endOf, subjectOf } from './caller.ts';
import { confinedTo } from './tenant.ts';

/** Returns the keys that may sign a token, the current key first. */
export type KeySource = Cached<readonly Uint8Array[]>;

/** The parts that verify tokens of the hub. */
export interface OwnKeys {
  /** Returns the keys of the hub. */
  readonly keys: KeySource;
  /** The name of this hub and stage. A token for another audience is refused. */
  readonly audience: string;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
}

/** Fixed, because the header of a token must never choose the algorithm (as in CVE-2026-22817). */
const ALGORITHMS = ['HS256'];

type Verified = JWTPayload | 'refused' | 'no key fits';

/** Returns the holder of a token that the hub's own key signed for this hub and that is valid now; else undefined. */
export async function ownCaller(token: string, own: OwnKeys): Promise<Caller | undefined> {
  const claims = await ownClaims(token, own);
  const allowedUntil = claims && endOf(claims);
  const capability = claims && capabilityIn(claims);
  return capability && allowedUntil !== undefined
    ? { capability, principal: subjectOf(claims), allowedUntil }
    : undefined;
}

/** Returns the claims of a token that the hub's own key signed for the audience and that is valid now; else undefined. */
export async function ownClaims(
  token: string,
  { keys, audience, clock }: OwnKeys,
): Promise<JWTPayload | undefined> {
  const known = await keys();
  let verified = await verify(token, known, audience, clock());
  if (verified === 'no key fits') {
    // The keys may have been rotated. If they were not, a forged token costs no further check.
    const newer = await keys(true);
    if (newer !== known) verified = await verify(token, newer, audience, clock());
  }
  return typeof verified === 'string' ? undefined : verified;
}

/** Returns the capability, confined to the tenant if the token names one. Returns undefined if either claim is malformed. */
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
      // The reason would help an attacker more than an honest caller.
      if (!(error instanceof errors.JWSSignatureVerificationFailed)) return 'refused';
    }
  }
  return 'no key fits';
}
