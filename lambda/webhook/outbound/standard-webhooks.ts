/**
 * Signatures and secrets of Standard Webhooks, version 1 (PROTOCOL.md §13.2).
 * https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 * @module
 */
import { createHmac, randomBytes } from 'node:crypto';
import { MAX_SECRET_BYTES, MIN_SECRET_BYTES } from '../../../protocol/limits.ts';
import { SECRET_PREFIX } from '../../../protocol/webhooks.ts';

/** Bytes of a secret that the hub makes: as many as HMAC-SHA256 has. */
const NEW_SECRET_BYTES = 32;

/** One signature for each secret: in a rotation receivers that know either are served. */
export function signatureOf(
  secrets: readonly string[],
  id: string,
  seconds: number,
  body: string | Uint8Array,
): string {
  return secrets.map((secret) => `v1,${signWith(keyOf(secret), id, seconds, body)}`).join(' ');
}

const signWith = (key: Uint8Array, id: string, seconds: number, body: string | Uint8Array): string =>
  createHmac('sha256', key).update(`${id}.${seconds}.`).update(body).digest('base64');

const keyOf = (secret: string): Buffer => Buffer.from(secret.slice(SECRET_PREFIX.length), 'base64');

/**
 * Whether it is one that all libraries read alike: they disagree on base64 without its padding, or in the alphabet of
 * URLs. They take a key of three bytes without a word, so the hub has to count.
 */
export function isSecret(text: string): boolean {
  if (!text.startsWith(SECRET_PREFIX)) return false;
  const key = keyOf(text);
  const isInBounds = key.byteLength >= MIN_SECRET_BYTES && key.byteLength <= MAX_SECRET_BYTES;
  return isInBounds && secretOf(key) === text;
}

export const newSecret = (): string => secretOf(randomBytes(NEW_SECRET_BYTES));

const secretOf = (key: Buffer): string => SECRET_PREFIX + key.toString('base64');
