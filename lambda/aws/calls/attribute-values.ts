/**
 * Items of DynamoDB as native values, and as its API writes them. Only the types that the tables have: texts, numbers, booleans,
 * null, bytes, sets of texts, lists and maps. Another type is a defect of the hub, and is refused.
 * https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_AttributeValue.html
 * @module
 */
/** A stored item, a key, or the values of expressions. */
export type Item = Readonly<Record<string, unknown>>;

type Attributes = Readonly<Record<string, object>>;

/** Returns the attributes of an item. Members that are undefined are left out. @throws TypeError for a type that no table has */
export function attributesOf(item: Item): Attributes {
  const attributes: [string, object][] = [];
  for (const [name, value] of Object.entries(item))
    if (value !== undefined) attributes.push([name, attributeOf(value)]);
  return Object.fromEntries(attributes);
}

function attributeOf(value: unknown): object {
  switch (typeof value) {
    case 'string':
      return { S: value };
    case 'number':
      // Above that, other numbers would be stored than those that were written.
      if (!(Math.abs(value) <= Number.MAX_SAFE_INTEGER)) throw new TypeError(`${value} cannot be stored`);
      return { N: String(value) };
    case 'boolean':
      return { BOOL: value };
    case 'object':
      return value === null ? { NULL: true } : attributeOfObject(value);
    default:
      throw new TypeError(`a value of the type ${typeof value} cannot be stored`);
  }
}

function attributeOfObject(value: object): object {
  if (Array.isArray(value)) {
    const members: readonly unknown[] = value;
    return { L: members.filter((member) => member !== undefined).map(attributeOf) };
  }
  if (value instanceof Uint8Array) return { B: base64Of(value) };
  if (value instanceof Set) return { SS: textsOf(value) };
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null)
    throw new TypeError('an object of a class cannot be stored');
  return { M: attributesOf({ ...value }) };
}

const base64Of = ({ buffer, byteOffset, byteLength }: Uint8Array): string =>
  Buffer.from(buffer, byteOffset, byteLength).toString('base64');

function textsOf(set: ReadonlySet<unknown>): string[] {
  const texts = [...set].filter((member) => typeof member === 'string');
  if (texts.length === 0 || texts.length < set.size)
    throw new TypeError('only a set of texts that is not empty can be stored');
  return texts;
}

/** Returns an item from its attributes. @throws Error for a type that no table has */
export function itemOf(attributes: unknown): Item {
  return Object.fromEntries(membersOf(attributes).map(([name, value]) => [name, nativeOf(value)]));
}

/** Not `fieldsOf`, which copies the object. */
const membersOf = (value: unknown): [string, unknown][] =>
  typeof value === 'object' && value !== null ? Object.entries(value) : [];

function nativeOf(attribute: unknown): unknown {
  const [type, value] = membersOf(attribute)[0] ?? [];
  switch (type) {
    case 'S':
    case 'BOOL':
      return value;
    case 'N':
      return numberOf(String(value));
    case 'NULL':
      return null;
    case 'B':
      return bytesOf(String(value));
    case 'SS':
      return new Set(listOf(value));
    case 'L':
      return listOf(value).map(nativeOf);
    case 'M':
      return itemOf(value);
    default:
      throw new Error(`an attribute of the type ${type} is stored, which no table has`);
  }
}

function numberOf(text: string): number {
  const number = Number(text);
  if (!(Math.abs(number) <= Number.MAX_SAFE_INTEGER)) throw new Error(`the number ${text} is stored`);
  return number;
}

function bytesOf(base64: string): Uint8Array {
  const { buffer, byteOffset, byteLength } = Buffer.from(base64, 'base64');
  return new Uint8Array(buffer, byteOffset, byteLength);
}

function listOf(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new Error('an attribute is stored that is no list');
  return value;
}
