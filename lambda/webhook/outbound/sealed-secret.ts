/**
 * Seals the secrets of endpoints with the hub's own key, so that the table, its backups and its exports do not show them.
 * @module
 */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { fieldsOf } from '../../../protocol/fields.ts';
import type { Secrets } from '../endpoint.ts';
import type { SecretSealer } from '../webhook-ports.ts';
import { newSecret } from './standard-webhooks.ts';

const CIPHER = 'aes-256-gcm';

/** The format of sealed secrets, so that it can change later. */
const VERSION = 'v1.';

/** In bytes, both as NIST SP 800-38D requires: https://doi.org/10.6028/NIST.SP.800-38D §8.2.1 and §5.2.1.2 */
const IV_BYTES = 12;
const TAG_BYTES = 16;

/**
 * Returns the keys: the current one first, then the previous one, which still opens older secrets. `isMissed` says that none
 * of them fits, because another process may have sealed with a newer key. Without a newer key the same list comes back.
 */
type Keys = (isMissed?: boolean) => Promise<readonly Uint8Array[]>;

/**
 * Returns the sealer.
 * @param keys at least 32 bytes each
 */
export function secretSealer(keys: Keys): SecretSealer {
  return {
    newSecret,
    async seal(endpoint, secrets) {
      const [key] = await keys();
      if (!key) throw new Error('there is no key to seal with');
      return VERSION + encrypt(key, endpoint, JSON.stringify(secrets)).toString('base64url');
    },
    async open(endpoint, sealed) {
      const bytes = Buffer.from(sealed.slice(VERSION.length), 'base64url');
      const isOurs = sealed.startsWith(VERSION) && bytes.byteLength > IV_BYTES + TAG_BYTES;
      const text = isOurs ? await openedWith(keys, endpoint, bytes) : undefined;
      if (text !== undefined) return secretsIn(text);
      // The message is logged, so it names neither the key nor the endpoint.
      throw new Error('sealed secrets cannot be opened: no key fits, or they were changed');
    },
  };
}

async function openedWith(keys: Keys, endpoint: string, bytes: Buffer): Promise<string | undefined> {
  const known = await keys();
  const text = decryptedBy(known, endpoint, bytes);
  if (text !== undefined) return text;
  const newer = await keys(true);
  return newer === known ? undefined : decryptedBy(newer, endpoint, bytes);
}

/** Returns the text; undefined if no key fits. */
function decryptedBy(keys: readonly Uint8Array[], endpoint: string, bytes: Buffer): string | undefined {
  for (const key of keys) {
    const text = decrypt(key, endpoint, bytes);
    if (text !== undefined) return text;
  }
  return undefined;
}

/**
 * AES-256 needs exactly 32 bytes, so the key is hashed. The random IV is safe for 2^32 seals with one key.
 * The endpoint is authenticated too: an attacker who can write the table cannot move one endpoint's secrets to another.
 */
function encrypt(key: Uint8Array, endpoint: string, text: string): Buffer {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv(CIPHER, keyFrom(key), iv, { authTagLength: TAG_BYTES });
  cipher.setAAD(Buffer.from(endpoint));
  const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), sealed]);
}

/** Returns the text; undefined if the key does not fit. */
function decrypt(key: Uint8Array, endpoint: string, bytes: Buffer): string | undefined {
  const tagged = bytes.subarray(IV_BYTES);
  const decipher = createDecipheriv(CIPHER, keyFrom(key), bytes.subarray(0, IV_BYTES), {
    authTagLength: TAG_BYTES,
  });
  decipher.setAAD(Buffer.from(endpoint));
  decipher.setAuthTag(tagged.subarray(0, TAG_BYTES));
  const text = decipher.update(tagged.subarray(TAG_BYTES));
  try {
    return Buffer.concat([text, decipher.final()]).toString();
  } catch {
    return undefined;
  }
}

const keyFrom = (key: Uint8Array): Buffer => createHash('sha256').update(key).digest();

function secretsIn(text: string): Secrets {
  const { current, previous } = fieldsOf(JSON.parse(text));
  const { secret, until } = fieldsOf(previous);
  if (typeof current !== 'string') throw new Error('sealed secrets are not of this version of the hub');
  const hasPrevious = typeof secret === 'string' && typeof until === 'number';
  return { current, previous: hasPrevious ? { secret, until } : undefined };
}
