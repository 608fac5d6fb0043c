import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseMessages } from '../../../../lambda/hub/log/messages.ts';
import { Refusal } from '../../../../protocol/errors.ts';
import {
  MAX_MESSAGE_BYTES,
  MAX_MESSAGES_PER_REQUEST,
  MAX_REQUEST_BYTES,
} from '../../../../protocol/limits.ts';

const JSON_TYPE = 'application/json';
const parse = (text: string, contentType = JSON_TYPE) => parseMessages(contentType, Buffer.from(text));

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof Refusal) return error.code;
    throw error;
  }
  return 'accepted';
}

describe('JSON bodies', () => {
  test.each([
    ['{"a":1}', ['{"a":1}']],
    [' [1, "two" ,{"three":[3,"]"]}, [4] ] ', ['1', '"two"', '{"three":[3,"]"]}', '[4]']],
    ['[[1,2],[3,4]]', ['[1,2]', '[3,4]']],
    ['[[[1,2,3]]]', ['[[1,2,3]]']],
    ['["a\\"],[\\\\"]', ['"a\\"],[\\\\"']],
    ['[]', []],
    ['[ \n]', []],
    ['null', ['null']],
    ['[""]', ['""']],
  ])('%j holds %j', (text, messages) => {
    expect(parse(text)).toEqual(messages);
  });

  test('a message is kept as the text that was published', () => {
    const exact = '{"id":12345678901234567890,"price":1.10,"b":0,"a":"\\u00e9\\ud800"}';
    expect(parse(`[${exact}]`)).toEqual([exact]);
  });

  test('an array is split into its elements', () => {
    fc.assert(
      fc.property(
        fc.array(fc.jsonValue(), { maxLength: 20 }),
        fc.constantFrom(undefined, 1, '\t'),
        (array, space) => {
          const parts = parse(JSON.stringify(array, null, space));
          expect(parts.map((part) => JSON.parse(String(part)))).toEqual(JSON.parse(JSON.stringify(array)));
        },
      ),
    );
  });

  test.each([
    '{',
    '[1,]',
    '{"a":1}{"b":2}',
    "{'a':1}",
    'undefined',
    '[1 2]',
    '\ufeff{}x',
    '['.repeat(100_000),
  ])('%.20j is not JSON', (text) => expect(codeOf(() => parse(text))).toBe('bad_json'));

  test('bytes that are not UTF-8 are not JSON', () => {
    expect(codeOf(() => parseMessages(JSON_TYPE, Buffer.from([0x22, 0xff, 0x22])))).toBe('bad_json');
  });
});

describe('limits', () => {
  const text = (bytes: number) => `"${'x'.repeat(bytes - 2)}"`;

  test.each([
    ['a message of the limit', text(MAX_MESSAGE_BYTES), 'accepted'],
    ['a message above it', text(MAX_MESSAGE_BYTES + 1), 'too_large'],
    ['a message above it within a batch', `[1,${text(MAX_MESSAGE_BYTES + 1)}]`, 'too_large'],
    ['a message above it in bytes, not in characters', `"${'é'.repeat(MAX_MESSAGE_BYTES / 2)}"`, 'too_large'],
    [
      'a request above its limit',
      `[${Array(3)
        .fill(text(MAX_MESSAGE_BYTES - 1))
        .join(',')}]`,
      'too_large',
    ],
    ['as many messages as allowed', `[${Array(MAX_MESSAGES_PER_REQUEST).fill(0).join(',')}]`, 'accepted'],
    [
      'one more',
      `[${Array(MAX_MESSAGES_PER_REQUEST + 1)
        .fill(0)
        .join(',')}]`,
      'too_large',
    ],
  ])('%s', (_, body, code) => {
    expect(codeOf(() => parse(body))).toBe(code);
  });

  test('bytes have the limits of one message', () => {
    expect(codeOf(() => parse('x'.repeat(MAX_MESSAGE_BYTES), 'text/plain'))).toBe('accepted');
    expect(codeOf(() => parse('x'.repeat(MAX_MESSAGE_BYTES + 1), 'text/plain'))).toBe('too_large');
    expect(codeOf(() => parse('x'.repeat(MAX_REQUEST_BYTES + 1), 'text/plain'))).toBe('too_large');
  });
});

test('bytes are one message as they are', () => {
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, value) => value));
  expect(parseMessages('application/octet-stream', bytes)).toEqual([bytes]);
});
