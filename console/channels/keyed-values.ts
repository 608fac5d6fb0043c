/**
 * The newest message of each key of a keyed channel (PROTOCOL.md §4.8, §5.4), as a reader keeps it.
 * @module
 */
import { fieldsOf, ownValue } from '../../protocol/fields.ts';

/** A key and its newest message. */
export interface KeyedValue {
  /** The values of the key, for people. */
  readonly key: string;
  /** The newest message as text. */
  readonly text: string;
}

/** Keys to their values, the key that was there first at the beginning. */
export type KeyedValues = ReadonlyMap<string, KeyedValue>;

type Pointer = readonly string[];

/** https://www.rfc-editor.org/rfc/rfc6901 */
const pointersOf = (streamKey: string): Pointer[] =>
  streamKey.split(',').map((pointer) =>
    pointer
      .slice(1)
      .split('/')
      .map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~')),
  );

const valueAt = (value: unknown, pointer: Pointer): unknown =>
  pointer.reduce((found, name) => ownValue(fieldsOf(found), name), value);

const isRemoval = (message: unknown): boolean =>
  fieldsOf(ownValue(fieldsOf(message), 'headers')).operation === 'delete';

/** Returns the values after some more messages. @param streamKey of the channel */
export function withMessages(
  values: KeyedValues,
  messages: readonly unknown[],
  streamKey: string,
): KeyedValues {
  const pointers = pointersOf(streamKey);
  const changed = new Map(values);
  for (const message of messages) {
    const parts = pointers.map((pointer) => valueAt(message, pointer));
    const id = JSON.stringify(parts);
    if (isRemoval(message)) changed.delete(id);
    else changed.set(id, { key: parts.join(', '), text: JSON.stringify(message) });
  }
  return changed;
}

const withValueAt = (value: unknown, [name, ...rest]: Pointer): unknown =>
  name === undefined ? 'a' : { ...fieldsOf(value), [name]: withValueAt(fieldsOf(value)[name], rest) };

/** Returns a message with the key `a`, as an example for people. */
export const exampleOf = (streamKey: string): string =>
  JSON.stringify({ ...fieldsOf(pointersOf(streamKey).reduce(withValueAt, {})), value: 1 });
