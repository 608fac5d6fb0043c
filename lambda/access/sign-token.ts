/**
 * Signs the hub's own tokens: tickets, and the token of its wake sockets.
 * @module
 */
import { SignJWT } from 'jose';
import type { Capability } from '../../protocol/capability.ts';
import type { KeySource } from './hub-tokens.ts';

/** The contents of a token. */
export interface Signed {
  /** The audience, the only one that may accept the token. */
  readonly audience: string;
  /** The operations that the holder may do, by pattern. */
  readonly capability: Capability;
  /** The end of the token, in milliseconds since 1970. */
  readonly until: number;
  /** `sub`, `jti` and any other claims. */
  readonly claims: Readonly<Record<string, unknown>>;
}

/** Returns a JWT that is signed with the current key. @throws Error if there is no key; Refusal as `keys` */
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
