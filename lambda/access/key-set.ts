/**
 * The public keys of an identity provider. Each key is bound to one algorithm before any token is read.
 * @module
 */
import { createLocalJWKSet, type JWK } from 'jose';
import { fieldsOf } from '../../protocol/fields.ts';

/** Finds the key for a token, by its `kid` and `alg`. */
export type KeySet = ReturnType<typeof createLocalJWKSet>;

/**
 * Type and curve of a key → the algorithms that it may use. The first one is bound to a key that names none, such as the keys
 * of Microsoft Entra. HMAC is not listed: anyone who has read the public key could sign with it.
 */
const BY_TYPE: ReadonlyMap<string, readonly string[]> = new Map([
  ['RSA', ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512']],
  ['EC P-256', ['ES256']],
  ['EC P-384', ['ES384']],
  ['EC P-521', ['ES512']],
  ['OKP Ed25519', ['EdDSA', 'Ed25519']],
]);

/** All algorithms that may sign a token of an identity provider. */
export const ALGORITHMS: readonly string[] = [...BY_TYPE.values()].flat();

/** The members of a public key. Other members of a JWK are not read: private parts, certificates, URLs. */
const PARTS = ['n', 'e', 'x', 'y'];

/** The longest wait for the answer of an identity provider, in milliseconds. A handler has ten seconds for the whole request. */
const TIMEOUT_MS = 3_000;

/** The most bytes of a key set. A key is about 2 KB if it has certificates. */
const MAX_KEY_SET_BYTES = 256 * 1024;

/** Fetches a key set. @throws Error if it cannot be fetched, for any reason */
export async function fetchKeySet(url: string): Promise<KeySet> {
  const response = await fetch(url, {
    headers: { Accept: 'application/jwk-set+json, application/json' },
    // The configuration names one place. A redirect could lead to a key set of an attacker.
    redirect: 'error',
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new Error(`the keys at ${url} were answered with status ${response.status}`);
  }
  return keySetOf(JSON.parse(await textOf(response, url)));
}

/** Returns the usable keys of a JWK Set. @throws Error for a value that is no JWK Set */
export function keySetOf(value: unknown): KeySet {
  const { keys } = fieldsOf(value);
  if (!Array.isArray(keys)) throw new Error('the answer is no JWK Set');
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

/** Reads at most MAX_KEY_SET_BYTES, so that an answer cannot use up the memory of a handler. */
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
