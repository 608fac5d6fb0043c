/**
 * What the hub signs itself, with the key that it verifies by: tickets, and the token of its own socket.
 * @module
 */
import { SignJWT } from 'jose';
import type { Capability } from '../../protocol/capability.ts';
import type { KeySource } from './hub-tokens.ts';

export interface Signed {
  readonly audience: string;
  readonly capability: Capability;
  /** In milliseconds since 1970. */
  readonly until: number;
  /** `sub` and `jti`, and whatever else is to be carried. */
  readonly claims: Readonly<Record<string, unknown>>;
}

/** A token in JWT form, signed with the current key. */
export async function sign(
  keys: KeySource,
  { audience, capability, until, claims }: Signed,
): Promise<string> {
  const [key] = await keys();
  if (!key) throw new Error('there is no key to sign with');
  return await new SignJWT({ ...claims, capability })
    .setProtectedHeader({ alg: 'HS256' })
    .setAudience(audience)
    .setExpirationTime(Math.floor(until / 1_000))
    .sign(key);
}
