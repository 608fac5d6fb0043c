/**
 * PROTOCOL.md §4.6: members that the hub adds to the text of messages.
 * @module
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { append } from '../../../../lambda/hub/log/append.ts';
import { appendOnce } from '../../../../lambda/hub/log/idempotency-key.ts';
import { create } from '../../../../lambda/hub/log/lifecycle.ts';
import { type Stamp, stamped } from '../../../../lambda/hub/log/messages.ts';
import { MAX_MESSAGE_BYTES } from '../../../../protocol/limits.ts';
import { CHANNEL, codeOf, readFrom, requestOf, values } from '../../../support/domain/json-log.ts';
import { memoryLog } from '../../../support/domain/memory-log.ts';

const NOW = Date.UTC(2026, 0, 1);
const stamp: Stamp = { members: { sender: 'sub', sentAt: 'time' }, sub: 'al"ice' };
const ADDED = '"sender":"al\\"ice","sentAt":"2026-01-01T00:00:00.000Z"';

/** Returns the code of the refusal. */
const refusal = async (messages: readonly (string | Uint8Array)[], by: Stamp = stamp): Promise<unknown> =>
  await codeOf(Promise.resolve().then(() => stamped(messages, by, NOW)));

describe('the text of a message', () => {
  test.each([
    ['{"text":"hello"}', `{${ADDED},"text":"hello"}`],
    ['{}', `{${ADDED}}`],
    ['{ }', `{${ADDED} }`],
    ['{\n "a": 1.10,"b":12345678901234567890 }', `{${ADDED},\n "a": 1.10,"b":12345678901234567890 }`],
    ['{"a":{"sender":"bob"}}', `{${ADDED},"a":{"sender":"bob"}}`],
    ['{"__proto__":{"sender":1}}', `{${ADDED},"__proto__":{"sender":1}}`],
  ])('%s becomes %s', (text, result) => {
    expect(stamped([text], stamp, NOW)).toEqual([result]);
  });

  test('stays as it was published, and says the members first, whatever it is', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (object) => {
        fc.pre(!Object.hasOwn(object, 'sender') && !Object.hasOwn(object, 'sentAt'));
        const text = JSON.stringify(object);
        const [result = ''] = stamped([text], stamp, NOW);
        expect(String(result).endsWith(text.slice(1))).toBe(true);
        const parsed = JSON.parse(String(result));
        expect(JSON.stringify({ ...parsed })).toBe(
          JSON.stringify({ sender: 'al"ice', sentAt: '2026-01-01T00:00:00.000Z', ...JSON.parse(text) }),
        );
      }),
    );
  });

  test('says null for a publisher without a sub', () => {
    expect(stamped(['{}'], { members: { by: 'sub' }, sub: undefined }, NOW)).toEqual(['{"by":null}']);
  });

  test('is not touched without a stamp', () => {
    const messages = ['1', new Uint8Array([1])];
    expect(stamped(messages, undefined, NOW)).toBe(messages);
  });
});

describe('a refusal', () => {
  test.each([
    '1',
    '"text"',
    'null',
    '[{}]',
    '{"sender":"bob"}',
    '{"a":1,"sentAt":null}',
    '{"\\u0073ender":1}',
  ])('%s is reserved_member', async (text) => {
    expect(await refusal([text])).toBe('reserved_member');
  });

  test('of bytes is reserved_member', async () => {
    expect(await refusal([new Uint8Array([123, 125])])).toBe('reserved_member');
  });

  test('of one message is a refusal of all: nothing is written', async () => {
    const log = memoryLog();
    expect(await codeOf(append(log, requestOf([{ a: 1 }, { sender: 'bob' }], { stamp })))).toBe(
      'reserved_member',
    );
    expect(await codeOf(appendOnce(log, requestOf([7], { stamp }), { key: 'k', fingerprint: 'f' }))).toBe(
      'reserved_member',
    );
    expect([values(await readFrom(log, 'beginning')), log.hints]).toEqual([[], []]);
  });

  test('a message, and a request, that is too large with its members', async () => {
    const text = (bytes: number): string => JSON.stringify({ a: 'x'.repeat(bytes - 8) });
    expect(await refusal([text(MAX_MESSAGE_BYTES)])).toBe('too_large');
    const long: Stamp = { ...stamp, sub: 'x'.repeat(255) };
    expect(
      await refusal(
        Array.from({ length: 1_000 }, () => '{}'),
        long,
      ),
    ).toBe('too_large');
    expect(stamped([text(MAX_MESSAGE_BYTES - 100)], stamp, NOW)).toHaveLength(1);
  });
});

describe('every way to publish', () => {
  test('adds the members, and a retry with a key stores nothing else', async () => {
    const log = memoryLog();
    const once = { key: 'k', fingerprint: 'f' };
    await append(log, requestOf([{ n: 1 }], { stamp }));
    const first = await appendOnce(log, requestOf([{ n: 2 }], { stamp }), once);
    const time = new Date(log.now).toISOString();
    log.now += 1_000;
    const again = await appendOnce(log, requestOf([{ n: 2 }], { stamp }), once);
    expect(again.nextOffset).toBe(first.nextOffset);
    expect(values(await readFrom(log, 'beginning'))).toEqual(
      [1, 2].map((n) => ({ sender: 'al"ice', sentAt: time, n })),
    );
  });

  test('also the creation of a channel with its first messages', async () => {
    const log = memoryLog();
    const body = Buffer.from('[{"n":1}]');
    const request = {
      channel: CHANNEL,
      contentType: 'application/json',
      ttlSeconds: undefined,
      expiresAt: undefined,
    };
    await create(log, { ...request, close: false, body, stamp });
    expect(values(await readFrom(log, 'beginning'))).toMatchObject([{ sender: 'al"ice', n: 1 }]);
    const bad = create(log, { ...request, channel: 'b', close: false, body: Buffer.from('1'), stamp });
    expect(await codeOf(bad)).toBe('reserved_member');
  });
});
