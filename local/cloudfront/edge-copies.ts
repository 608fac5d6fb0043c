/**
 * The cached answers of an edge. If they have too many bytes, the oldest are removed.
 * @module
 */
import type { OutgoingHttpHeaders } from 'node:http';

/** A whole answer. Times are in milliseconds. */
export interface Copy {
  /** HTTP status. */
  readonly status: number;
  /** Those that viewers get. */
  readonly headers: OutgoingHttpHeaders;
  /** The whole body. */
  readonly body: Buffer;
  /** Time at which the origin last sent or confirmed it. */
  readonly storedAt: number;
  /** Time until which it is sent without a question to the origin. */
  readonly freshUntil: number;
  /** Time until which it is sent if the origin fails. */
  readonly staleUntil: number;
}

/** The copies by cache key. */
export interface Copies {
  /** Returns the copy, fresh or not. */
  get(key: string): Copy | undefined;
  /** Stores the copy in place of an older one. */
  set(key: string, copy: Copy): void;
}

/** Bytes of the key and the headers of a copy, roughly. */
const OVERHEAD = 1_024;

/**
 * Returns a store without copies.
 * @param maxBytes bytes of all copies, at most
 */
export function createCopies(maxBytes: number): Copies {
  const copies = new Map<string, Copy>();
  let size = 0;
  const weightOf = ({ body }: Copy) => body.length + OVERHEAD;
  const remove = (key: string) => {
    const copy = copies.get(key);
    if (copy !== undefined) size -= weightOf(copy);
    copies.delete(key);
  };
  return {
    get: (key) => copies.get(key),
    set(key, copy) {
      remove(key);
      copies.set(key, copy);
      size += weightOf(copy);
      for (const oldest of copies.keys()) {
        if (size <= maxBytes) break;
        remove(oldest);
      }
    },
  };
}
