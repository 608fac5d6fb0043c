/**
 * Mints tokens for a hub (PROTOCOL.md §7). docs/tokens.md explains where to mint them, and with which key.
 *
 * `npm run build` ships this file for backends, so it needs no AWS SDK.
 * @module
 */
import { SignJWT } from 'jose';
import { type Capability, isTenant, parseCapability } from '../protocol/capability.ts';
import { MAX_PRINCIPAL_LENGTH } from '../protocol/limits.ts';

export type { Capability, Operation } from '../protocol/capability.ts';

/** The contents of a token. */
export interface TokenRequest {
  /** The hub's signing key, as text. */
  readonly key: string;
  /** The hub that the token is for: `tidings:{stage}`. */
  readonly audience: string;
  /** The rights of the token: pattern → operations. */
  readonly capability: Capability;
  /** The lifetime of the token, in whole seconds. A token with a negative time has expired. */
  readonly ttlSeconds: number;
  /** The user that the token is for. Quotas count by it, and `DELETE /connections` ends its sockets. 1 to 255 characters. */
  readonly sub?: string | undefined;
  /** One segment of a channel name: patterns that do not begin with `{tenant}/` then grant nothing. */
  readonly tenant?: string | undefined;
}

/**
 * Returns a token for the `Authorization` header.
 * @throws Error with one sentence if the hub would refuse the token
 */
export async function mint(request: TokenRequest): Promise<string> {
  const { key, audience, ttlSeconds, sub, tenant } = request;
  const capability = parseCapability(request.capability);
  if (key === '') throw new Error('the key is empty');
  if (!Number.isSafeInteger(ttlSeconds))
    throw new Error(`ttlSeconds is ${ttlSeconds}, it must be a whole number`);
  if (sub === '' || (sub?.length ?? 0) > MAX_PRINCIPAL_LENGTH)
    throw new Error(`sub has ${sub?.length} characters, from 1 to ${MAX_PRINCIPAL_LENGTH} are allowed`);
  if (tenant !== undefined && !isTenant(tenant))
    throw new Error(`tenant is "${tenant}", it must be one segment of a channel name and not "tidings"`);
  const now = Math.floor(Date.now() / 1_000);
  return await new SignJWT({ capability, tenant, ...(sub === undefined ? {} : { sub }) })
    .setProtectedHeader({ alg: 'HS256' })
    .setAudience(audience)
    .setIssuedAt(now)
    .setExpirationTime(now + ttlSeconds)
    .sign(new TextEncoder().encode(key));
}
