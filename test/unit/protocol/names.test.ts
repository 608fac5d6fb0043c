import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { allows, parseCapability } from '../../../protocol/capability.ts';
import { isChannelName, isPattern, patternsOf } from '../../../protocol/channel-name.ts';
import { formatOffset, parseOffset } from '../../../protocol/offset.ts';

const segment = fc.stringMatching(/^[A-Za-z0-9_~-]{1,10}$/);
const channelName = fc.array(segment, { minLength: 1, maxLength: 8 }).map((segments) => segments.join('/'));

describe('channel names', () => {
  test.each(['a', 'a/b/c/d/e/f/g/h', 'A.b_c~d-9', 'x'.repeat(64), '...', 'a/.b'])('%s is one', (name) => {
    expect(isChannelName(name)).toBe(true);
  });

  test.each([
    '',
    '/',
    '/a',
    'a/',
    'a//b',
    'a/b/c/d/e/f/g/h/i',
    'x'.repeat(65),
    '.',
    '..',
    'a/../b',
    'a b',
    'a*',
    '*',
    'ä',
    'a\n',
    'a\0',
    'a?b',
    'a%2Fb',
    Array(4).fill('y'.repeat(64)).join('/'),
  ])('%j is none', (name) => {
    expect(isChannelName(name)).toBe(false);
  });

  test('patterns are exact names, prefixes and everything', () => {
    expect(patternsOf('a/b/c')).toEqual(['a/b/c', 'a/b/*', 'a/*', '*']);
    expect(['*', 'a/*', 'a/b/*', 'a'].every(isPattern)).toBe(true);
    expect(['', '/*', 'a*', 'a/*/b', '**', 'a/**'].some(isPattern)).toBe(false);
  });

  test('every pattern of a channel is a pattern', () => {
    fc.assert(fc.property(channelName, (name) => patternsOf(name).every(isPattern)));
  });
});

describe('capabilities', () => {
  const capability = parseCapability({ 'orders/*': ['subscribe'], 'chat/room1': ['publish', 'subscribe'] });

  test.each([
    ['subscribe', 'orders/1', true],
    ['subscribe', 'orders/1/items', true],
    ['publish', 'orders/1', false],
    ['subscribe', 'orders', false],
    ['subscribe', 'orders2/1', false],
    ['publish', 'chat/room1', true],
    ['publish', 'chat/room1/x', false],
    ['publish', 'chat/room2', false],
    ['manage', 'chat/room1', false],
  ] as const)('%s on %s: %s', (operation, channel, allowed) => {
    expect(allows(operation, channel, capability)).toBe(allowed);
  });

  test.each([
    [null, 'object'],
    [[], 'object'],
    [{ 'a*': [] }, '"a*"'],
    [{ a: 'publish' }, '"a"'],
    [{ a: ['read'] }, 'publish, subscribe, webhook, manage'],
  ])('%j is none, and the sentence names the fault', (value, named) => {
    expect(() => parseCapability(value)).toThrow(named);
  });

  test('a name of Object.prototype grants nothing', () => {
    expect(allows('publish', 'constructor', parseCapability({}), {})).toBe(false);
    expect(allows('publish', '__proto__', parseCapability(JSON.parse('{"a":["publish"]}')))).toBe(false);
  });
});

describe('offsets', () => {
  const position = fc.record({ entry: fc.nat({ max: 999_999_999_999 }), index: fc.nat({ max: 9_999 }) });

  test('survive the way out and back', () => {
    fc.assert(
      fc.property(position, (p) => {
        expect(parseOffset(formatOffset(p))).toEqual(p);
      }),
    );
  });

  test('sort as text as they sort in the log', () => {
    fc.assert(
      fc.property(position, position, (a, b) => {
        const before = a.entry < b.entry || (a.entry === b.entry && a.index < b.index);
        expect(formatOffset(a) < formatOffset(b)).toBe(before);
      }),
    );
  });

  test.each([
    '',
    '-1',
    'now',
    '0',
    '000000000000000',
    '00000000000000000',
    '000000000000000a',
    ' 0000000000000000',
  ])('%j is none', (text) => expect(parseOffset(text)).toBeUndefined());
});
