/**
 * What one reader has got of the messages of a race, by their offsets: which arrived, which are lost, which came twice.
 * @module
 */

/** Numbers of messages. */
export interface ArrivalCounts {
  /** Different messages that arrived. */
  readonly arrived: number;
  /** Acknowledged messages before the offset of the reader that did not arrive. */
  readonly lost: number;
  /** Arrivals of a message that was there already. */
  readonly doubled: number;
}

/** The arrivals of one reader. */
export interface Arrivals {
  /** Notes the answer to a publish: the number of the message, and the offset after it. */
  readonly acknowledged: (n: number, offset: string) => void;
  /** Notes a message. */
  readonly arrived: (n: number) => void;
  /** Notes that the reader has everything before this offset. */
  readonly reached: (offset: string) => void;
  /** Returns the numbers at this moment. */
  readonly counts: () => ArrivalCounts;
}

/** Returns an empty account of arrivals. */
export function newArrivals(): Arrivals {
  const seen = new Set<number>();
  /** Acknowledged messages that have not arrived, with the offsets after them. */
  const missing = new Map<number, string>();
  let doubled = 0;
  let position = '';
  return {
    acknowledged(n, offset) {
      if (!seen.has(n)) missing.set(n, offset);
    },
    arrived(n) {
      if (seen.has(n)) doubled += 1;
      seen.add(n);
      missing.delete(n);
    },
    reached(offset) {
      position = offset;
    },
    counts() {
      // Offsets compare as text (PROTOCOL.md §3).
      const lost = [...missing.values()].filter((offset) => offset <= position).length;
      return { arrived: seen.size, lost, doubled };
    },
  };
}
