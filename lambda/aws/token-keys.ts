/**
 * The signing keys of the hub's tokens, from Secrets Manager.
 * @module
 */
import { cached } from '../access/cached-keys.ts';
import type { KeySource } from '../access/hub-tokens.ts';
import { call } from './aws-client.ts';
import { secretCalls } from './calls/secret-calls.ts';

/** How long a process caches the keys, in milliseconds. A key that was removed is accepted for this time. */
const CACHED_MS = 5 * 60_000;

/** The shortest key that HS256 allows, in bytes. https://www.rfc-editor.org/rfc/rfc7518#section-3.2 */
const MIN_KEY_BYTES = 32;

/**
 * Returns the keys in a secret. The secret is read for the first token, not at start, because anonymous calls need no key.
 * @param clock milliseconds since 1970
 */
export function tokenKeysInSecretsManager(secretArn: string, clock: () => number): KeySource {
  const source = sources.get(secretArn) ?? lookingUp(secretArn, clock);
  sources.set(secretArn, source);
  return source;
}

/** One source for all parts of the process that verify and sign. */
const sources = new Map<string, KeySource>();

function lookingUp(secretArn: string, clock: () => number): KeySource {
  const secretOf = secretCalls();
  const lookUp = async () => parseKeys(await call(() => secretOf(secretArn)));
  return cached({ lookUp, maxAgeMs: CACHED_MS, clock });
}

/** Parses `{"current":"…","previous":"…"}`: the current key first. `previous` is empty until the first rotation. */
function parseKeys(secret: string | undefined): readonly Uint8Array[] {
  const parsed: unknown = JSON.parse(secret ?? 'null');
  if (typeof parsed !== 'object' || parsed === null) throw new Error('the token secret is not a JSON object');
  const { current, previous } = { current: undefined, previous: undefined, ...parsed };
  const keys = [current, previous].filter((key) => typeof key === 'string' && key !== '').map(encode);
  if (keys.length === 0 || keys.some((key) => key.byteLength < MIN_KEY_BYTES)) {
    // With an empty or short key an attacker could sign tokens.
    throw new Error(`the token secret holds no key of at least ${MIN_KEY_BYTES} bytes`);
  }
  return keys;
}

const encode = (key: unknown): Uint8Array => new TextEncoder().encode(String(key));
