/**
 * Signatures and secrets of Standard Webhooks, version 1 (PROTOCOL.md §13.2).
 * https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 * @module
 */
import { createHmac, randomBytes } from 'node:crypto';
import { MAX_SECRET_BYTES, MIN_SECRET_BYTES } from '../../../protocol/limits.ts';
import { SECRET_PREFIX } from '../../../protocol/webhooks.ts';

/** Bytes of a secret that the hub makes: the output length of HMAC-SHA256. */
const NEW_SECRET_BYTES = 32;

/**
 * Returns the value of `webhook-signature`: one signature for each secret. During a rotation a receiver may know either one.
 * @param seconds the value of `webhook-timestamp`, in seconds since 1970
 */
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
 * Returns true if all libraries read the secret alike. They disagree about base64 without padding and about the alphabet of
 * URLs. They accept a key of three bytes, so the hub checks the length: MIN_SECRET_BYTES to MAX_SECRET_BYTES.
 */
export function isSecret(text: string): boolean {
  if (!text.startsWith(SECRET_PREFIX)) return false;
  const key = keyOf(text);
  const isInBounds = key.byteLength >= MIN_SECRET_BYTES && key.byteLength <= MAX_SECRET_BYTES;
  return isInBounds && secretOf(key) === text;
}

/** Returns a new random secret: `whsec_` and base64. */
export const newSecret = (): string => secretOf(randomBytes(NEW_SECRET_BYTES));

const secretOf = (key: Buffer): string => SECRET_PREFIX + key.toString('base64');
