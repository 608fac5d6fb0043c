/**
 * The public keys of an identity provider, each pinned to one algorithm before any token is seen.
 * @module
 */
import { createLocalJWKSet, type JWK } from 'jose';
import { fieldsOf } from '../../protocol/fields.ts';

/** Finds the key that a token is to be verified with, by its `kid` and `alg`. */
export type KeySet = ReturnType<typeof createLocalJWKSet>;

/**
 * Type and curve of a key → what it may sign by; first what it is pinned to where it does not say itself, as those of
 * Microsoft Entra do not. No HMAC: whoever has read a public key could sign with it.
 */
const BY_TYPE: ReadonlyMap<string, readonly string[]> = new Map([
  ['RSA', ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512']],
  ['EC P-256', ['ES256']],
  ['EC P-384', ['ES384']],
  ['EC P-521', ['ES512']],
  ['OKP Ed25519', ['EdDSA', 'Ed25519']],
]);

/** All that a token of an identity provider may be signed by. */
export const ALGORITHMS: readonly string[] = [...BY_TYPE.values()].flat();

/** What makes a public key. What else a JWK may have is not read: private parts, certificates, addresses of others. */
const PARTS = ['n', 'e', 'x', 'y'];

/** How long an identity provider may take to answer, in milliseconds: a door has ten seconds for the whole request. */
const TIMEOUT_MS = 3_000;

/** In bytes. A key is about 2 KB, with the certificates that some have. */
const MAX_KEY_SET_BYTES = 256 * 1024;

/** @throws Error whatever the reason why there are none */
export async function fetchKeySet(url: string): Promise<KeySet> {
  const response = await fetch(url, {
    headers: { Accept: 'application/jwk-set+json, application/json' },
    // The configuration names one place. Whoever can redirect from there could be anybody.
    redirect: 'error',
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new Error(`the keys at ${url} were answered with ${response.status}`);
  }
  return keySetOf(JSON.parse(await textOf(response, url)));
}

/** @throws Error for what is no JWK Set. Keys that are of no use here are left out. */
export function keySetOf(value: unknown): KeySet {
  const { keys } = fieldsOf(value);
  if (!Array.isArray(keys)) throw new Error('what was answered is no JWK Set');
  return createLocalJWKSet({ keys: keys.flatMap((key) => pinned(key) ?? []) });
}

function pinned(value: unknown): JWK | undefined {
  const { kty, crv, alg, use, kid, ...more } = fieldsOf(value);
  if (typeof kty !== 'string' || (use !== undefined && use !== 'sig')) return undefined;
  const [first, ...others] = BY_TYPE.get(crv === undefined ? kty : `${kty} ${crv}`) ?? [];
  const only = [first, ...others].find((one) => alg === undefined || alg === one);
  if (only === undefined) return undefined;
  const parts = PARTS.flatMap((name) => (typeof more[name] === 'string' ? [[name, more[name]]] : []));
  return {
    kty,
    alg: only,
    ...(typeof crv === 'string' ? { crv } : {}),
    ...(typeof kid === 'string' ? { kid } : {}),
    ...Object.fromEntries(parts),
  };
}

/** As much as a set of keys can be, and no more: whoever answers must not be able to use up the memory of a door. */
async function textOf({ body }: Response, url: string): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  let bytes = 0;
  for await (const chunk of body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > MAX_KEY_SET_BYTES)
      throw new Error(`the keys at ${url} are more than ${MAX_KEY_SET_BYTES} bytes`);
    text += decoder.decode(chunk, { stream: true });
  }
  return text;
}
