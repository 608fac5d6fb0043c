/**
 * The options: which values each takes, and how a mistake is refused.
 * @module
 */
import { expect, test } from 'vitest';
import { parseConfig } from '../../../lib/config/config.ts';

test.each([
  [undefined, '*'],
  ['*', '*'],
  ['https://app.example.com', ['https://app.example.com']],
  ['https://a.example, http://localhost:5173', ['https://a.example', 'http://localhost:5173']],
  ['["https://a.example","https://xn--pp-8kc.example"]', ['https://a.example', 'https://xn--pp-8kc.example']],
  [
    ['https://a.example:8443', 'http://[::1]:3000'],
    ['https://a.example:8443', 'http://[::1]:3000'],
  ],
])('origins %j are read as %j', (value, expected) => {
  expect(parseConfig(value === undefined ? {} : { 'tidings:origins': value }).origins).toEqual(expected);
});

test.each([
  ['tidings:stage', 'Prod', '1 to 20 of a-z'],
  ['tidings:stage', 7, '1 to 20 of a-z'],
  ['tidings:channelCreation', 'maybe', '"implicit" or "explicit"'],
  ['tidings:holdSeconds', 26, 'from 1 to 25'],
  ['tidings:streamSeconds', 0, 'from 1 to 840'],
  ['tidings:maxHolds', 'many', 'from 0 to 10000'],
  ['tidings:retentionDays', 0, 'from 1 to 365'],
  ['tidings:retentionDays', '7 days', 'from 1 to 365'],
  ['tidings:logRetentionDays', 2, 'a step that CloudWatch knows'],
  ['tidings:alarmEmail', 'the ops team', 'an e-mail address, or empty'],
  ['tidings:throwAway', 'yes', 'true or false'],
  ['tidings:anonymous', '{"a*":["publish"]}', '"a*" is not a channel name'],
  ['tidings:anonymous', 'everyone', 'JSON'],
  ['tidings:retention', 7, 'known are tidings:stage'],
])(
  '%s = %j is refused with a sentence that names the key, the value and the values allowed',
  (key, value, allowed) => {
    expect(() => parseConfig({ [key]: value })).toThrow(key);
    expect(() => parseConfig({ [key]: value })).toThrow(allowed);
  },
);

test.each([
  '',
  '[]',
  'null',
  'app.example.com',
  'https://app.example.com/',
  'https://app.example.com/path',
  'https://App.example.com',
  'https://app.example.com:443',
  'https://app.example.com.',
  'https://*.example.com',
  'https://me@app.example.com',
  'https://\u0430pp.example.com',
  'ftp://app.example.com',
  'chrome-extension://abc',
  'https://app.example.com,*',
  'https://a.example https://b.example',
  7,
  [7],
  [],
])('origins %j are refused: they are no exact origin, and no list of exact origins', (value) => {
  expect(() => parseConfig({ 'tidings:origins': value })).toThrow(
    /"tidings:origins" is .*: it must be "\*" or exact origins such as/,
  );
});

test.each([
  ['tidings:maxPushes', '100', { maxPushes: 100 }],
  ['tidings:logRetentionDays', '7', { logRetentionDays: 7 }],
  ['tidings:edge', 'false', { edge: false }],
  ['tidings:throwAway', true, { throwAway: true }],
  ['tidings:anonymous', '{"public/*":["subscribe"]}', { anonymous: { 'public/*': ['subscribe'] } }],
  ['tidings:alarmEmail', '', { alarmEmail: '' }],
  // A context key can be unset with null.
  ['tidings:stage', null, { stage: 'dev' }],
])('%s = %j is read: -c gives every value as text', (key, value, expected) => {
  expect(parseConfig({ [key]: value })).toMatchObject(expected);
});

test('every mistake has a sentence of its own', () => {
  const mistakes = { 'tidings:stage': 'Prod', 'tidings:edge': 'maybe', 'tidings:typo': 1, 'other:typo': 1 };
  const error = (() => {
    try {
      return parseConfig(mistakes);
    } catch (thrown) {
      return thrown;
    }
  })();
  const sentences = error instanceof Error ? error.message.split('\n') : [];
  expect(sentences).toEqual([
    'context key "tidings:stage" is "Prod": it must be 1 to 20 of a-z, 0-9 and "-", the first one of a-z',
    'context key "tidings:edge" is "maybe": it must be true or false',
    expect.stringMatching(/^unknown context key "tidings:typo"; known are tidings:stage, /),
  ]);
});
