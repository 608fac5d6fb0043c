/**
 * PROTOCOL.md §4.6: which members the hub adds, and what the operator may write.
 * @module
 */
import { describe, expect, test } from 'vitest';
import { membersFor, parseStamps } from '../../../protocol/stamp.ts';

test('the most specific pattern decides', () => {
  const stamps = parseStamps({
    '*': { at: 'time' },
    'chat/*': { sender: 'sub' },
    'chat/room1': { who: 'sub', at: 'time' },
  });
  expect(membersFor(stamps, 'chat/room1')).toEqual({ who: 'sub', at: 'time' });
  expect(membersFor(stamps, 'chat/room2')).toEqual({ sender: 'sub' });
  expect(membersFor(stamps, 'orders')).toEqual({ at: 'time' });
  expect(membersFor(parseStamps({ 'chat/*': { sender: 'sub' } }), 'chat')).toBeUndefined();
  expect(membersFor(parseStamps({}), 'constructor')).toBeUndefined();
});

describe('a mistake is named', () => {
  test.each([
    [[], 'JSON object'],
    [null, 'JSON object'],
    [{ 'a*': { at: 'time' } }, '"a*"'],
    [{ a: {} }, '1 to 4 names'],
    [{ a: null }, '1 to 4 names'],
    [{ a: { at: 'now' } }, '"sub" or "time"'],
    [{ a: { 'a b': 'time' } }, '1 to 4 names'],
    [JSON.parse('{"a":{"__proto__":"sub"}}'), '1 to 4 names'],
    [{ a: { a: 'sub', b: 'sub', c: 'sub', d: 'sub', e: 'sub' } }, '1 to 4 names'],
  ])('%j: %s', (value, part) => {
    expect(() => parseStamps(value)).toThrow(part);
  });
});
