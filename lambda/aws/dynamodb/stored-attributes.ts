/**
 * Reads the attributes of stored items. Each reader throws an Error for a wrong type: that is a defect of the hub, not of
 * the caller.
 * @module
 */
import { type Position, parseOffset } from '../../../protocol/offset.ts';
import type { Item } from '../calls/attribute-values.ts';

export type { Item };

/**
 * Returns the key in a stored map for a name that a caller chose. The SDK, by which people and other programs read the tables, refuses
 * a map with the key `constructor`, because it takes the map for an object of a class. It loses the key `__proto__` when it reads. So
 * a name that every object inherits gets a mark, which no channel name has.
 * https://github.com/aws/aws-sdk-js-v3/blob/main/packages/util-dynamodb/src/convertToAttr.ts
 */
export const keyOf = (name: string): string => (name in Object.prototype ? `${MARK}${name}` : name);

/** Returns the name of a key that `keyOf` made. */
export const nameOfKey = (key: string): string => (key.startsWith(MARK) ? key.slice(MARK.length) : key);

const MARK = '=';

/** Returns a number. @throws Error if it is missing or none */
export function numberOf(item: Item, name: string): number {
  const value = item[name];
  if (typeof value !== 'number') throw new Error(`stored item has no number ${name}`);
  return value;
}

/** Returns a text. @throws Error if it is missing or none */
export function textOf(item: Item, name: string): string {
  const value = item[name];
  if (typeof value !== 'string') throw new Error(`stored item has no text ${name}`);
  return value;
}

/** Returns an attribute by its reader; undefined if it is missing. */
export const ifThere = <T>(item: Item, name: string, read: (item: Item, name: string) => T): T | undefined =>
  item[name] === undefined ? undefined : read(item, name);

/** Returns a boolean. @throws Error if it is missing or none */
export function booleanOf(item: Item, name: string): boolean {
  const value = item[name];
  if (typeof value !== 'boolean') throw new Error(`stored item has no boolean ${name}`);
  return value;
}

/** Returns a position from a stored offset. @throws Error if it is missing or none */
export function positionOf(item: Item, name: string): Position {
  const position = parseOffset(textOf(item, name));
  if (!position) throw new Error(`stored item has no offset ${name}`);
  return position;
}

/** Returns one of the texts in `among`. @throws Error if it is none of them */
export function oneOf<T extends string>(item: Item, name: string, among: readonly T[]): T {
  const value = among.find((one) => one === item[name]);
  if (value === undefined) throw new Error(`stored item has none of ${among.join(', ')} as ${name}`);
  return value;
}

/** Returns a list, with each member read by `read`. @throws Error if it is missing or none */
export function listOf<T>(item: Item, name: string, read: (value: unknown) => T): T[] {
  const value = item[name];
  if (!Array.isArray(value)) throw new Error(`stored item has no list ${name}`);
  return value.map(read);
}
