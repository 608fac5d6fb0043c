/**
 * The environment of a function is checked at its start: a wrong value must not become NaN in the middle of a request.
 * @module
 */
import { describe, expect, test } from 'vitest';
import {
  accessEnv,
  connectionsEnv,
  dispatchEnv,
  handlerNames,
  heldEnv,
  hintEnv,
  holdEnv,
  jobEnv,
  listenersEnv,
  logEnv,
  originsEnv,
  outboundEnv,
  publishingEnv,
  pushEnv,
  stampEnv,
  streamEnv,
} from '../../lambda/env.ts';

const LOG = {
  CHANNELS_TABLE: 'channels',
  ENTRIES_TABLE: 'entries',
  KEYS_TABLE: 'keys',
  RETENTION_DAYS: '7',
  CHANNEL_CREATION: 'explicit',
};

test('values have the types of their contract', () => {
  expect(logEnv.read(LOG)).toEqual({ ...LOG, RETENTION_DAYS: 7 });
  expect(heldEnv.read({ HELD_PER_CALLER: '0' })).toEqual({ HELD_PER_CALLER: 0 });
  expect(outboundEnv.read({ INSECURE_WEBHOOKS: 'true' })).toEqual({ INSECURE_WEBHOOKS: true });
  expect(outboundEnv.read({ INSECURE_WEBHOOKS: 'false' })).toEqual({ INSECURE_WEBHOOKS: false });
});

test('what is written is text, and stays as it is', () => {
  expect(logEnv.write(LOG)).toEqual(LOG);
  expect(logEnv.names).toEqual(Object.keys(LOG));
});

test('all variables that are missing or empty are named', () => {
  expect(() => logEnv.read({ ...LOG, KEYS_TABLE: undefined, RETENTION_DAYS: '' })).toThrow(
    'missing environment: KEYS_TABLE, RETENTION_DAYS',
  );
});

test('a contract of several groups has every variable of each, and names all that are missing', () => {
  const groups = [logEnv, accessEnv, originsEnv, listenersEnv, hintEnv, jobEnv, dispatchEnv, stampEnv];
  const names = groups.flatMap((group) => group.names);
  expect(publishingEnv.names).toEqual(names);
  const [first, ...missing] = names;
  expect(() => publishingEnv.read({ [String(first)]: 'channels' })).toThrow(
    `missing environment: ${missing.join(', ')}`,
  );
});

test.each(Object.entries(handlerNames))('%s has no variable twice', (_, names) => {
  expect(new Set(names).size).toBe(names.length);
});

describe('a number is refused unless it is a whole number in its range', () => {
  test.each([
    'NaN',
    'seven',
    ' 7',
    '7 ',
    '7.5',
    '1e1',
    '0x7',
    '07',
    '+7',
    '-7',
    '0',
    '3651',
    'Infinity',
    '9'.repeat(400),
  ])('RETENTION_DAYS=%s', (value) => {
    expect(() => logEnv.read({ ...LOG, RETENTION_DAYS: value })).toThrow(
      `environment variable RETENTION_DAYS is "${value}": it must be a whole number from 1 to 3650`,
    );
  });

  const push = { CURSORS_TABLE: 'cursors', SOCKET_ENDPOINT: 'https://hub.example/ws' };
  test.each([
    ['HOLD_SECONDS', (value: string) => holdEnv.read({ HOLD_SECONDS: value }), 1, 29],
    ['STREAM_SECONDS', (value: string) => streamEnv.read({ STREAM_SECONDS: value }), 1, 900],
    ['HELD_PER_CALLER', (value: string) => heldEnv.read({ HELD_PER_CALLER: value }), 0, 1_000_000],
    [
      'CONNECTIONS_PER_CALLER',
      (value: string) => connectionsEnv.read({ CONNECTIONS_PER_CALLER: value }),
      1,
      3_600_000,
    ],
    [
      'POSTS_IN_FLIGHT',
      (value: string) => pushEnv.read({ ...push, POSTS_IN_FLIGHT: value, POSTS_PER_SECOND: '1' }),
      1,
      1_000,
    ],
    [
      'POSTS_PER_SECOND',
      (value: string) => pushEnv.read({ ...push, POSTS_IN_FLIGHT: '1', POSTS_PER_SECOND: value }),
      1,
      1_000_000,
    ],
  ])('%s', (name, read, least, most) => {
    const sentence = (value: number) =>
      `environment variable ${name} is "${value}": it must be a whole number from ${least} to ${most}`;
    expect(read(String(least))).toMatchObject({ [name]: least });
    expect(read(String(most))).toMatchObject({ [name]: most });
    for (const value of [least - 1, most + 1, least + 0.5, Number.NaN])
      expect(() => read(String(value))).toThrow(sentence(value));
  });
});

test.each(['Explicit', 'none', 'implicit '])(
  'CHANNEL_CREATION=%s is refused with the values allowed',
  (value) => {
    expect(() => logEnv.read({ ...LOG, CHANNEL_CREATION: value })).toThrow(
      `environment variable CHANNEL_CREATION is "${value}": it must be "implicit" or "explicit"`,
    );
  },
);

test.each(['TRUE', '1', 'yes'])('INSECURE_WEBHOOKS=%s is refused, not taken for false', (value) => {
  expect(() => outboundEnv.read({ INSECURE_WEBHOOKS: value })).toThrow('it must be "true" or "false"');
});
