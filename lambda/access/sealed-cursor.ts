/**
 * Cursors of lists that the caller must not read: they hold the name of a channel or of a person that the caller may not see.
 * @module
 */
import { CompactEncrypt, compactDecrypt } from 'jose';
import { Refusal } from '../../protocol/errors.ts';
import type { KeySource } from './hub-tokens.ts';

/** Seals and opens cursors. */
export interface CursorSeal {
  /** Returns a cursor that only the hub can read. */
  readonly seal: (text: string) => Promise<string>;
  /** Returns the text of a cursor. @throws Refusal bad_request for one that the hub did not give out */
  readonly open: (cursor: string) => Promise<string>;
}

/** The lists that have such cursors. */
export type SealedList = 'channels' | 'connections';

/** What is sealed is bound to its use, so that nothing else that the key signs or seals is accepted in its place. */
const useOf = (list: SealedList): string => `tidings:list-of-${list}:`;

/**
 * Returns the seal. Its key is derived from the key that signs tokens.
 * @param keys the current key first. A cursor of the key before it can still be opened
 */
export const cursorSeal = (keys: KeySource, list: SealedList): CursorSeal => ({
  async seal(text) {
    const [key] = await keys();
    if (!key) throw new Error('there is no key to seal with');
    return await new CompactEncrypt(new TextEncoder().encode(text))
      .setProtectedHeader({ alg: 'dir', enc: 'A256GCM' })
      .encrypt(await derived(key, list));
  },
  async open(cursor) {
    for (const key of await keys()) {
      const text = await opened(cursor, await derived(key, list));
      if (text !== undefined) return text;
    }
    throw new Refusal('bad_request', 'after must be the next of an answer of the hub');
  },
});

async function opened(cursor: string, key: Uint8Array): Promise<string | undefined> {
  try {
    const { plaintext } = await compactDecrypt(cursor, key, {
      keyManagementAlgorithms: ['dir'],
      contentEncryptionAlgorithms: ['A256GCM'],
    });
    return new TextDecoder().decode(plaintext);
  } catch {
    // Forged, or of another key: both are no cursor of this hub.
    return undefined;
  }
}

async function derived(key: Uint8Array, list: SealedList): Promise<Uint8Array> {
  const use = new TextEncoder().encode(useOf(list));
  return new Uint8Array(await crypto.subtle.digest('SHA-256', Uint8Array.from([...use, ...key])));
}
