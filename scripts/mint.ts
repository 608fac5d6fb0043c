/**
 * Mints the tokens that lambda/access/verify.ts verifies (PROTOCOL.md §7).
 * @module
 */
import { SignJWT } from 'jose';
import { type Capability, OPERATIONS } from '../protocol/capability.ts';

export interface TokenRequest {
  readonly key: string;
  readonly audience: string;
  readonly capability: Capability;
  readonly ttlSeconds: number;
  /** Whom it is for (`sub`). */
  readonly principal?: string;
}

/** What the token at the prompt of a hub on this machine may do. It outlives a working day and not much more. */
export const LOCAL_TOKEN = { capability: { '*': OPERATIONS }, ttlSeconds: 24 * 3_600 };

export async function mintToken(request: TokenRequest): Promise<string> {
  const { key, audience, capability, ttlSeconds, principal } = request;
  const now = Math.floor(Date.now() / 1_000);
  return await new SignJWT({ capability, ...(principal === undefined ? {} : { sub: principal }) })
    .setProtectedHeader({ alg: 'HS256' })
    .setAudience(audience)
    .setIssuedAt(now)
    .setExpirationTime(now + ttlSeconds)
    .sign(new TextEncoder().encode(key));
}
