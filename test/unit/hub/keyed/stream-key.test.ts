/**
 * PROTOCOL.md §4.8: which texts are a Stream-Key, and which key a message has.
 * @module
 */
import { describe, expect, test } from 'vitest';
import { keyOfMessages, parseStreamKey } from '../../../../lambda/hub/keyed/stream-key.ts';
import { codeOf } from '../../../support/domain/json-log.ts';

describe('a Stream-Key', () => {
  test.each([
    ['/symbol', '/symbol'],
    [' /type , /key ', '/type,/key'],
    ['/a/0/b~1c~0d', '/a/0/b~1c~0d'],
    ['/', '/'],
    ['/a b', '/a b'],
    ['/1,/2,/3,/4', '/1,/2,/3,/4'],
  ])('%s is stored as %s', (text, stored) => {
    expect(parseStreamKey(text)).toBe(stored);
  });

  test.each([
    '',
    'symbol',
    '/a,',
    ',/a',
    '/1,/2,/3,/4,/5',
    '/a~',
    '/a~2',
    '/ä',
    '/a\tb',
    `/${'a'.repeat(255)}`,
  ])('%j is refused', async (text) => {
    expect(await codeOf(Promise.resolve(text).then(parseStreamKey))).toBe('bad_request');
  });
});

describe('the key of a message', () => {
  const keyOf = (pointers: string, message: string) => keyOfMessages(pointers)(message)?.key;

  test.each([
    ['/symbol', '{"symbol":"A","price":1}', '"A"'],
    ['/symbol', '{"symbol":"\\u0041"}', '"A"'],
    ['/symbol', '{"symbol":"A","symbol":"B"}', '"B"'],
    ['/a,/b', '{"b":true,"a":"x"}', '"x",true'],
    ['/a/b/1', '{"a":{"b":[0, 12]}}', '12'],
    ['/a~1b/~0', '{"a/b":{"~":false}}', 'false'],
    ['/', '{"":"empty name"}', '"empty name"'],
    ['/n', '{"n":9007199254740993}', '9007199254740993'],
    ['/n', ' { "n" : 1.0 } ', '1.0'],
    ['/n', '{"n":1e400}', '1e400'],
    ['/__proto__', '{"__proto__":"x"}', '"x"'],
    ['/s', `{"s":"${'x'.repeat(256)}"}`, `"${'x'.repeat(256)}"`],
  ])('%s in %s', (pointers, message, key) => {
    expect(keyOf(pointers, message)).toBe(key);
  });

  test.each([
    ['/symbol', '{"other":"A"}'],
    ['/symbol', '{"symbol":null}'],
    ['/symbol', '{"symbol":{"a":1}}'],
    ['/symbol', '{"symbol":["A"]}'],
    ['/symbol/a', '{"symbol":"A"}'],
    ['/length', '["A"]'],
    ['/0', '["A"]'],
    ['/symbol', '"symbol"'],
    ['/symbol', 'null'],
    ['/symbol', '1'],
    ['/a/01', '{"a":["x","y"]}'],
    ['/a/-', '{"a":["x"]}'],
    ['/a/length', '{"a":["x"]}'],
    ['/constructor/name', '{}'],
    ['/toString', '{}'],
    ['/a,/b', '{"a":"x"}'],
    ['/s', `{"s":"${'x'.repeat(257)}"}`],
    ['/s,/t', `{"s":"${'x'.repeat(200)}","t":"${'x'.repeat(57)}"}`],
  ])('%s in %s is none', (pointers, message) => {
    expect(keyOf(pointers, message)).toBeUndefined();
  });

  test('no two keys are written the same', () => {
    const texts = ['{"a":"x,","b":"y"}', '{"a":"x","b":",y"}', '{"a":"1","b":"y"}', '{"a":1,"b":"y"}'];
    expect(new Set(texts.map((text) => keyOf('/a,/b', text))).size).toBe(texts.length);
  });

  test('bytes have none', () => {
    expect(keyOfMessages('/a')(new TextEncoder().encode('{"a":1}'))).toBeUndefined();
  });

  test.each([
    ['{"k":1,"headers":{"operation":"delete"}}', true],
    ['{"k":1,"headers":{"operation":"upsert"}}', false],
    ['{"k":1,"headers":{"operation":["delete"]}}', false],
    ['{"k":1,"headers":"delete"}', false],
    ['{"k":1,"headers":null}', false],
    ['{"k":1,"operation":"delete"}', false],
  ])('%s removes it: %s', (message, isDelete) => {
    expect(keyOfMessages('/k')(message)).toEqual({ key: '1', isDelete });
  });
});
