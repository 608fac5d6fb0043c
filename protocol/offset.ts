/**
 * Offsets: positions in a channel, opaque and sortable as text (PROTOCOL.md §3).
 *
 * Internally an offset has twelve digits of entry number and four digits of message index in that entry. So each
 * publish claims exactly one number, and a crashed publish leaves exactly one slot to seal (docs/adr/0001).
 *
 * A read of the newest messages of a keyed channel (PROTOCOL.md §5.4) also has positions between its pages. Such an offset has the place
 * of the next page, and the end of the read. As text it is after the offset of its place, and before every later one.
 * @module
 */

/** Digits of the entry number: 10^12 entries of one channel, thirty years at 1,000 publishes per second. */
const ENTRY_DIGITS = 12;
/** Digits of the message index: more than MAX_MESSAGES_PER_REQUEST. */
const INDEX_DIGITS = 4;
const DIGITS = ENTRY_DIGITS + INDEX_DIGITS;
const OFFSET = new RegExp(`^(\\d{${DIGITS}})(?:_(\\d{${DIGITS}}))?$`);

/** The position before message `index` of entry `entry`. Both count from 0. */
export interface Position {
  /** The number of the entry. */
  readonly entry: number;
  /** The number of the message in the entry. */
  readonly index: number;
  /** The end of a read of the newest messages, for a position between its pages. It has no such end itself. */
  readonly foldEnd?: Position | undefined;
}

/** The first position of every channel, also of one without messages. */
export const BEGINNING: Position = { entry: 0, index: 0 };

/** Returns the offset of a position. */
export function formatOffset({ entry, index, foldEnd }: Position): string {
  const place = String(entry).padStart(ENTRY_DIGITS, '0') + String(index).padStart(INDEX_DIGITS, '0');
  return foldEnd ? `${place}_${formatOffset(foldEnd)}` : place;
}

/** Returns the position of an offset, or undefined for text that the hub cannot have given out. */
export function parseOffset(offset: string): Position | undefined {
  const [, place, end] = OFFSET.exec(offset) ?? [];
  if (place === undefined) return undefined;
  if (end === undefined) return placeOf(place);
  return place < end ? { ...placeOf(place), foldEnd: placeOf(end) } : undefined;
}

const placeOf = (digits: string): Position => ({
  entry: Number(digits.slice(0, ENTRY_DIGITS)),
  index: Number(digits.slice(ENTRY_DIGITS)),
});

/** True if the place of `one` is before that of `other` in the channel. */
export function isBefore(one: Position, other: Position): boolean {
  return one.entry < other.entry || (one.entry === other.entry && one.index < other.index);
}

/** True for the same position. */
export const isSame = (one: Position, other: Position): boolean =>
  one.entry === other.entry &&
  one.index === other.index &&
  formatOffset(one.foldEnd ?? BEGINNING) === formatOffset(other.foldEnd ?? BEGINNING);
