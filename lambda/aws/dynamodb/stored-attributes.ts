/**
 * What is stored, narrowed beyond plain numbers and texts (dynamodb.ts). A wrong type is a defect of the hub, not of the
 * caller.
 * @module
 */
import { type Position, parseOffset } from '../../../protocol/offset.ts';
import { textOf } from './document-client.ts';

export type Item = Readonly<Record<string, unknown>>;

/**
 * The key of a stored map for a name that a caller chose. The SDK refuses a map with the key `constructor`, which it takes for
 * an object of a class, and loses the key `__proto__` when it reads. So names that every object inherits get a mark that
 * is in no channel name.
 * https://github.com/aws/aws-sdk-js-v3/blob/main/packages/util-dynamodb/src/convertToAttr.ts
 */
export const keyOf = (name: string): string => (name in Object.prototype ? `${MARK}${name}` : name);

/** The name of a key that `keyOf` made. */
export const nameOfKey = (key: string): string => (key.startsWith(MARK) ? key.slice(MARK.length) : key);

const MARK = '=';

/** One attribute that may be missing. */
export const ifThere = <T>(item: Item, name: string, read: (item: Item, name: string) => T): T | undefined =>
  item[name] === undefined ? undefined : read(item, name);

export function booleanOf(item: Item, name: string): boolean {
  const value = item[name];
  if (typeof value !== 'boolean') throw new Error(`stored item has no boolean ${name}`);
  return value;
}

export function positionOf(item: Item, name: string): Position {
  const position = parseOffset(textOf(item, name));
  if (!position) throw new Error(`stored item has no offset ${name}`);
  return position;
}

export function oneOf<T extends string>(item: Item, name: string, among: readonly T[]): T {
  const value = among.find((one) => one === item[name]);
  if (value === undefined) throw new Error(`stored item has none of ${among.join(', ')} as ${name}`);
  return value;
}

export function listOf<T>(item: Item, name: string, read: (value: unknown) => T): T[] {
  const value = item[name];
  if (!Array.isArray(value)) throw new Error(`stored item has no list ${name}`);
  return value.map(read);
}

/**
 * A call to take a lease so long before the lease was let go is the late first try of a call that the SDK has repeated:
 * its owner has come and gone. In milliseconds: below the 800 after which the SDK repeats a call, above what clocks of
 * different machines differ by.
 */
const LATE_TAKE_MS = 500;

/** What must hold to take a lease (`#owner`, `#until`) that was let go at `#freedAt`, by `#left`. */
export const MAY_TAKE =
  '(attribute_not_exists(#owner) OR #until <= :now OR (#owner = :owner AND #until = :until)) ' +
  'AND (attribute_not_exists(#freedAt) OR #freedAt <= :latest) AND (attribute_not_exists(#left) OR #left <> :owner)';

/** What is set when a lease is let go, by which MAY_TAKE knows a late call. */
export const LET_GO = '#freedAt = :now, #left = :owner';

/** The values of MAY_TAKE. The lease names who takes it and until when. */
export const valuesOfTake = (
  { owner, until }: { readonly owner: string; readonly until: number },
  now: number,
): Item => ({ ':owner': owner, ':until': until, ':now': now, ':latest': now + LATE_TAKE_MS });

/**
 * `#name` for each attribute that the expressions name so: many names are reserved, and DynamoDB refuses one that is
 * declared and not used. https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ReservedWords.html
 */
export const namesIn = (...expressions: readonly string[]): Record<string, string> =>
  Object.fromEntries(
    expressions.flatMap((text) => [...text.matchAll(/#(\w+)/g)].map(([hash, name = '']) => [hash, name])),
  );
