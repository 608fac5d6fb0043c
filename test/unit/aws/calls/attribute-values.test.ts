/**
 * Native values become the same attributes as in the SDK, and back. What the SDK would change or lose is refused.
 * @module
 */
import { marshall, unmarshall } from '@aws-sdk/util-dynamodb';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { attributesOf, itemOf } from '../../../../lambda/aws/calls/attribute-values.ts';

/** Names that objects inherit. The SDK refuses or loses them, and so the tables mark them (stored-attributes.ts). */
const name = fc.string({ maxLength: 12 }).filter((text) => !(text in Object.prototype));
const number = fc.oneof(fc.maxSafeInteger(), fc.double({ min: -1e15, max: 1e15, noNaN: true }));
const scalar = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  number,
  fc.boolean(),
  fc.constant(null),
  fc.uint8Array({ maxLength: 40 }),
  fc.uniqueArray(fc.string({ minLength: 1 }), { minLength: 1, maxLength: 4 }).map((texts) => new Set(texts)),
);
const { value } = fc.letrec((tie) => ({
  value: fc.oneof({ maxDepth: 4 }, scalar, tie('list'), tie('map'), fc.constant(undefined)),
  list: fc.array(tie('value'), { maxLength: 4 }),
  map: fc.dictionary(name, tie('value'), { maxKeys: 4 }),
}));
const item = fc.dictionary(name, value, { maxKeys: 6 });

/** Bytes travel as base64 in JSON. */
const inJson = (attributes: unknown): unknown =>
  JSON.parse(
    JSON.stringify(attributes, (_, member: unknown) =>
      member instanceof Uint8Array ? Buffer.from(member).toString('base64') : member,
    ),
  );

const theirs = (native: Readonly<Record<string, unknown>>) =>
  marshall(native, { removeUndefinedValues: true });

test('random items become the attributes of the SDK', () => {
  fc.assert(
    fc.property(item, (native) => {
      expect(inJson(attributesOf(native))).toEqual(inJson(theirs(native)));
    }),
    { numRuns: 500 },
  );
});

test('random items are read as the SDK reads them', () => {
  fc.assert(
    fc.property(item, (native) => {
      expect(itemOf(inJson(attributesOf(native)))).toEqual(unmarshall(theirs(native)));
    }),
    { numRuns: 500 },
  );
});

describe('what no table has is refused', () => {
  class Point {
    readonly x = 1;
  }
  test.each([
    ['a number that is not finite', Number.NaN],
    ['infinity', Number.POSITIVE_INFINITY],
    ['a number that JavaScript cannot count to', 2 ** 53],
    ['a bigint', 1n],
    ['a function', () => 1],
    ['a symbol', Symbol('a')],
    ['a date', new Date(0)],
    ['an object of a class', new Point()],
    ['a map', new Map([['a', 1]])],
    ['an empty set', new Set()],
    ['a set of numbers', new Set([1])],
    ['a set of texts and numbers', new Set(['a', 1])],
  ])('%s', (_what, odd) => {
    expect(() => attributesOf({ odd })).toThrow(TypeError);
    expect(() => attributesOf({ list: [{ odd }] })).toThrow(TypeError);
  });

  test.each([
    ['a set of numbers', { NS: ['1'] }],
    ['a set of bytes', { BS: ['AA=='] }],
    ['a number that JavaScript cannot count to', { N: '9007199254740992' }],
    ['a number with 38 digits', { N: '1E+38' }],
    ['text where a list must be', { L: 'a' }],
    ['nothing', {}],
  ])('stored: %s', (_what, odd) => {
    expect(() => itemOf({ odd })).toThrow(Error);
  });
});

test('an item has every name as its own', () => {
  const stored = JSON.parse('{"__proto__":{"S":"a"},"constructor":{"M":{"toString":{"N":"1"}}}}');
  expect(Object.entries(itemOf(stored))).toEqual([
    ['__proto__', 'a'],
    ['constructor', { toString: 1 }],
  ]);
});

test('bytes of a part of a buffer', () => {
  const part = new Uint8Array([0, 1, 2, 3, 4]).subarray(1, 3);
  expect(attributesOf({ part })).toEqual({ part: { B: 'AQI=' } });
  const { part: read } = itemOf({ part: { B: 'AQI=' } });
  expect(read).toEqual(new Uint8Array([1, 2]));
  expect(Buffer.isBuffer(read)).toBe(false);
});
