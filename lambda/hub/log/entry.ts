/**
 * Entry: the messages of one publish, stored as one item in one slot.
 * @module
 */

/**
 * A message of a JSON channel is the text that was published. A message of another channel is the bytes of one publish. A tombstone
 * has no message: it seals the slot of a publish that never arrived.
 */
export type Messages = readonly (string | Uint8Array)[];

/** One slot of the log with its messages. */
export interface Entry {
  /** Number of the slot; the slots of a channel have no gap between them. */
  readonly slot: number;
  /** The messages in order; none for a tombstone. */
  readonly messages: Messages;
  /** Tells the entry from any other that wants the slot. */
  readonly id: string;
  /** Time at which it was written, in milliseconds since 1970: every earlier slot was claimed before that. */
  readonly time: number;
  /** Time at which it leaves the log, in milliseconds since 1970. The store deletes it some time after. */
  readonly expiresAt: number;
}

/** An entry as a hint carries it, for receivers that have everything before it. All others read the log. */
export interface HintedEntry extends Pick<Entry, 'slot' | 'messages' | 'time'> {
  /** The stream of the channel in which the slot is. */
  readonly streamId: string;
  /** The content type of the channel. */
  readonly contentType: string;
}

const SEAL_ID = 'sealed';

/** Returns true if the entry seals the slot of a publish that never arrived. */
export const isTombstone = (entry: Entry): boolean => entry.id === SEAL_ID;

/**
 * Returns the entry that takes the slot of a lost publish, so that nothing can appear there later. It is as old as the entry beyond
 * the gap: entries must leave the log in the order of their slots.
 */
export function tombstone(slot: number, beyond: Pick<Entry, 'time' | 'expiresAt'>): Entry {
  return { slot, messages: [], id: SEAL_ID, time: beyond.time, expiresAt: beyond.expiresAt };
}
