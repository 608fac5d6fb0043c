/**
 * The answers that an edge has kept, the oldest of which leave when there are too many bytes.
 * @module
 */
import type { OutgoingHttpHeaders } from 'node:http';

/** A whole answer. Times are in milliseconds. */
export interface Copy {
  readonly status: number;
  readonly headers: OutgoingHttpHeaders;
  readonly body: Buffer;
  /** When the origin last said that it is so. */
  readonly storedAt: number;
  readonly freshUntil: number;
  /** Until when it is sent while the origin fails. */
  readonly staleUntil: number;
}

export interface Copies {
  get(key: string): Copy | undefined;
  set(key: string, copy: Copy): void;
  /** How many bytes all copies have. */
  size(): number;
}

/** What a copy takes beside its body, in bytes: its key and headers. */
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
