/**
 * What one publish appended, stored as one item in one slot.
 * @module
 */

/**
 * A JSON channel's messages are the very text that was published, a byte channel's message is the bytes of one
 * publish. A tombstone has none: it seals the slot of a publish that never arrived.
 */
export type Messages = readonly (string | Uint8Array)[];

export interface Entry {
  readonly slot: number;
  readonly messages: Messages;
  /** Tells the entry from any other that wants the slot. */
  readonly id: string;
  /** When it was written, in milliseconds: after its slot was claimed, so it bounds the age of every earlier claim. */
  readonly time: number;
  /** When it leaves the log, in milliseconds. The store deletes it some time after. */
  readonly expiresAt: number;
}

const SEAL_ID = 'sealed';

export const isTombstone = (entry: Entry): boolean => entry.id === SEAL_ID;

/**
 * The entry that takes the slot of a lost publish, so that nothing can appear there later. It is as old as the entry
 * beyond the gap: entries must leave the log in the order of their slots.
 */
export function tombstone(slot: number, beyond: Pick<Entry, 'time' | 'expiresAt'>): Entry {
  return { slot, messages: [], id: SEAL_ID, time: beyond.time, expiresAt: beyond.expiresAt };
}
