/**
 * Offsets: positions in a channel, opaque and sortable as text (PROTOCOL.md §3).
 *
 * Inside, an offset is twelve digits of entry number and four digits of message index within that entry. Every
 * publish therefore claims exactly one number whatever it carries, which is what makes a crashed publish leave
 * exactly one slot to seal (docs/adr/0001).
 * @module
 */

/** Entry numbers of one channel: 10^12, thirty years at 1,000 publishes a second. */
const ENTRY_DIGITS = 12;
/** Message index within an entry: more than MAX_MESSAGES_PER_REQUEST. */
const INDEX_DIGITS = 4;
const OFFSET = new RegExp(`^\\d{${ENTRY_DIGITS + INDEX_DIGITS}}$`);

/** The position before message `index` of entry `entry`; both count from 0. */
export interface Position {
  readonly entry: number;
  readonly index: number;
}

/** The offset of a channel that nobody has published to yet: the beginning, whenever that will be. */
export const BEGINNING: Position = { entry: 0, index: 0 };

export function formatOffset({ entry, index }: Position): string {
  return String(entry).padStart(ENTRY_DIGITS, '0') + String(index).padStart(INDEX_DIGITS, '0');
}

/** The position of an offset that the hub may have given out, or undefined for anything else. */
export function parseOffset(offset: string): Position | undefined {
  if (!OFFSET.test(offset)) return undefined;
  return { entry: Number(offset.slice(0, ENTRY_DIGITS)), index: Number(offset.slice(ENTRY_DIGITS)) };
}

export function isBefore(one: Position, other: Position): boolean {
  return one.entry < other.entry || (one.entry === other.entry && one.index < other.index);
}

export const isSame = (one: Position, other: Position): boolean =>
  one.entry === other.entry && one.index === other.index;
