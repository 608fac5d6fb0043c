/**
 * The cached answers of an edge. If they have too many bytes, the oldest are removed.
 * @module
 */
import type { OutgoingHttpHeaders } from 'node:http';

/** A whole answer. Times are in milliseconds. */
export interface Copy {
  readonly status: number;
  readonly headers: OutgoingHttpHeaders;
  readonly body: Buffer;
  /** When the origin last sent or confirmed it. */
  readonly storedAt: number;
  readonly freshUntil: number;
  /** Until when it may be sent while the origin fails. */
  readonly staleUntil: number;
}

export interface Copies {
  get(key: string): Copy | undefined;
  set(key: string, copy: Copy): void;
  /** Returns the bytes of all copies. */
  size(): number;
}

/** Bytes of a copy beside its body: its key and headers. */
const OVERHEAD = 1_024;

/** @param maxBytes of all copies */
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
    size: () => size,
  };
}
