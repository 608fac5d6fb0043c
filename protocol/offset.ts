/**
 * Offsets: positions in a channel, opaque and sortable as text (PROTOCOL.md §3).
 *
 * Internally an offset has twelve digits of entry number and four digits of message index in that entry. So each
 * publish claims exactly one number, and a crashed publish leaves exactly one slot to seal (docs/adr/0001).
 * @module
 */

/** Digits of the entry number: 10^12 entries of one channel, thirty years at 1,000 publishes per second. */
const ENTRY_DIGITS = 12;
/** Digits of the message index: more than MAX_MESSAGES_PER_REQUEST. */
const INDEX_DIGITS = 4;
const OFFSET = new RegExp(`^\\d{${ENTRY_DIGITS + INDEX_DIGITS}}$`);

/** The position before message `index` of entry `entry`. Both count from 0. */
export interface Position {
  /** The number of the entry. */
  readonly entry: number;
  /** The number of the message in the entry. */
  readonly index: number;
}

/** The first position of every channel, also of one without messages. */
export const BEGINNING: Position = { entry: 0, index: 0 };

/** Returns the offset of a position. */
export function formatOffset({ entry, index }: Position): string {
  return String(entry).padStart(ENTRY_DIGITS, '0') + String(index).padStart(INDEX_DIGITS, '0');
}

/** Returns the position of an offset, or undefined for text that the hub cannot have given out. */
export function parseOffset(offset: string): Position | undefined {
  if (!OFFSET.test(offset)) return undefined;
  return { entry: Number(offset.slice(0, ENTRY_DIGITS)), index: Number(offset.slice(ENTRY_DIGITS)) };
}

/** True if `one` is before `other` in the channel. */
export function isBefore(one: Position, other: Position): boolean {
  return one.entry < other.entry || (one.entry === other.entry && one.index < other.index);
}

/** True for the same position. */
export const isSame = (one: Position, other: Position): boolean =>
  one.entry === other.entry && one.index === other.index;
