/**
 * PROTOCOL.md §4.9: what the hook is asked, what becomes of its answer, and when it is not asked.
 * @module
 */
import { describe, expect, test } from 'vitest';
import {
  ephemeralPublisher,
  type OutgoingEphemeral,
} from '../../../../lambda/hub/ephemeral/publish-ephemeral.ts';
import { type Handler, hookFor } from '../../../../lambda/hub/hook.ts';
import { type AppendRequest, append } from '../../../../lambda/hub/log/append.ts';
import { appendOnce } from '../../../../lambda/hub/log/idempotency-key.ts';
import { create } from '../../../../lambda/hub/log/lifecycle.ts';
import { GAP_GRACE_MS, MAX_MESSAGE_BYTES } from '../../../../protocol/limits.ts';
import { CHANNEL, codeOf, publish, readFrom, requestOf, values } from '../../../support/domain/json-log.ts';
import { type MemoryLog, memoryLog } from '../../../support/domain/memory-log.ts';

/** A handler with one answer, and the events that it got. */
function handlerWith(answer: string | ((event: string) => string), pattern = '*') {
  const events: string[] = [];
  const invoke: Handler['invoke'] = async (event) => {
    events.push(event);
    return typeof answer === 'string' ? answer : answer(event);
  };
  return { pattern, invoke, events };
}
const asking = (handler: Handler, more: Partial<AppendRequest> = {}): Partial<AppendRequest> => ({
  hook: hookFor([handler], CHANNEL, 'alice'),
  ...more,
});
const all = async (log: MemoryLog) => values(await readFrom(log, 'beginning'));
const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('the handler', () => {
  test('gets the channel, the caller and the text of the messages, and its messages are stored as it wrote them', async () => {
    const log = memoryLog();
    const handler = handlerWith('{"messages":[{"b":1.0,"a":12345678901234567890},2]}');
    await append(
      log,
      requestOf([], { ...asking(handler), contentType: 'application/json', body: encode('[1.50,"x"]') }),
    );
    expect(handler.events).toEqual([
      `{"channel":"${CHANNEL}","caller":{"sub":"alice"},"messages":[1.50,"x"]}`,
    ]);
    expect((await readFrom(log, 'beginning')).messages).toEqual(['{"b":1.0,"a":12345678901234567890}', '2']);
  });

  test.each([
    ['text/plain', 'text', JSON.stringify('grüße'), '{"text":"hallo"}', encode('hallo')],
    ['image/png', 'base64', JSON.stringify(btoa('\0ÿ')), '{"base64":"/wA="}', new Uint8Array([255, 0])],
  ])(
    'gets and answers what a frame has on a channel of %s',
    async (contentType, member, came, answer, stored) => {
      const log = memoryLog();
      const handler = handlerWith(answer);
      const body = member === 'text' ? encode('grüße') : new Uint8Array([0, 255]);
      await append(log, requestOf([], { ...asking(handler), contentType, body }));
      expect(handler.events).toEqual([
        `{"channel":"${CHANNEL}","caller":{"sub":"alice"},"${member}":${came}}`,
      ]);
      expect((await readFrom(log, 'beginning')).messages).toEqual([stored]);
    },
  );

  test('refuses with its sentence, without what no message of SQS may contain, and nothing is written', async () => {
    const log = memoryLog();
    const { hook } = asking(
      handlerWith(JSON.stringify({ refuse: { message: `no\u0007\ud800 ${'x'.repeat(2_000)}` } })),
    );
    const refusal = await append(log, requestOf([1], { hook })).catch((error: unknown) => error);
    expect(refusal).toMatchObject({ code: 'refused', message: `no   ${'x'.repeat(995)}` });
    expect(await log.channels.get(CHANNEL)).toBeUndefined();
  });

  test.each([
    'null',
    '',
    'ok',
    '[]',
    '{}',
    '{"messages":[]}',
    '{"messages":{}}',
    '{"text":"x"}',
    '{"refuse":true}',
    '{"refuse":{"message":""}}',
    '{"errorMessage":"secret","errorType":"Error"}',
  ])('that answers %s makes the publish unavailable, and nothing is written', async (answer) => {
    const log = memoryLog();
    const refusal = await append(log, requestOf([1], asking(handlerWith(answer)))).catch(
      (error: unknown) => error,
    );
    expect(refusal).toMatchObject({ code: 'unavailable', message: expect.not.stringContaining('secret') });
    expect(await log.channels.get(CHANNEL)).toBeUndefined();
  });

  test('may not answer more than a request may hold', async () => {
    const long = handlerWith(JSON.stringify({ messages: ['x'.repeat(MAX_MESSAGE_BYTES)] }));
    expect(await codeOf(append(memoryLog(), requestOf([1], asking(long))))).toBe('too_large');
    const many = handlerWith(JSON.stringify({ messages: Array(1_001).fill(1) }));
    expect(await codeOf(append(memoryLog(), requestOf([1], asking(many))))).toBe('too_large');
  });

  test('is the first one whose pattern matches, and the hub adds stamps to what it answers', async () => {
    const [narrow, wide] = [handlerWith('{"messages":[{}]}', 'chat/*'), handlerWith('{"messages":[{}]}')];
    const log = memoryLog();
    const hook = hookFor([narrow, wide], CHANNEL, undefined);
    await append(log, requestOf([{}], { hook, stamp: { members: { by: 'sub' }, sub: 'a' } }));
    expect([narrow.events.length, wide.events.length]).toEqual([1, 0]);
    expect(narrow.events[0]).toContain('"caller":{"sub":null}');
    expect(await all(log)).toEqual([{ by: 'a' }]);
    expect(hookFor([narrow], 'other', 'a')).toBeUndefined();
  });

  test('is asked about the body of a PUT, about ephemeral messages, and not about a request without a message', async () => {
    const log = memoryLog();
    const handler = handlerWith('{"messages":["asked"]}');
    const { hook } = asking(handler);
    const plain = { channel: CHANNEL, contentType: 'application/json', hook };
    const sent: OutgoingEphemeral[] = [];
    const send = ephemeralPublisher(log, async (outgoing) => void sent.push(outgoing));
    await create(log, {
      ...plain,
      ttlSeconds: undefined,
      expiresAt: undefined,
      close: false,
      body: encode('[1]'),
    });
    await send({ ...plain, body: encode('[2]') });
    await append(log, requestOf([], { hook, close: true }));
    expect(await all(log)).toEqual(['asked']);
    expect(sent).toMatchObject([{ messages: ['"asked"'] }]);
    expect(handler.events).toHaveLength(2);
  });
});

const WAYS: Readonly<Record<string, (log: MemoryLog, more: Partial<AppendRequest>) => Promise<unknown>>> = {
  producer: (log, more) =>
    append(log, requestOf(['sent'], { producer: { id: 'p', epoch: 0, seq: 0 }, ...more })),
  key: (log, more) => appendOnce(log, requestOf(['sent'], more), { key: 'k', fingerprint: 'f' }),
};

describe.each(Object.entries(WAYS))('a retry by %s', (_way, send) => {
  const counting = () => {
    let asked = 0;
    return handlerWith(() => JSON.stringify({ messages: [`answer ${++asked}`] }));
  };

  test('that was accepted is confirmed without a question, as often as it comes, and after the channel is closed', async () => {
    const log = memoryLog();
    const handler = counting();
    const first = await send(log, asking(handler));
    const again = await send(log, asking(handler));
    expect(again).toEqual({ ...Object(first), count: 0 });
    await append(log, requestOf([], { close: true }));
    await send(log, asking(handlerWith('{"refuse":{"message":"no"}}')));
    expect(handler.events).toHaveLength(1);
    expect(await all(log)).toEqual(['answer 1']);
    expect(log.hints.length).toBeGreaterThanOrEqual(3);
  });

  test('whose first attempt died before its write is asked about, also after its slot was sealed', async () => {
    for (const isSealed of [false, true]) {
      const log = memoryLog();
      const handler = counting();
      log.hook = (moment) => {
        if (moment === 'before entries.put') throw new Error('crash');
      };
      await expect(send(log, asking(handler))).rejects.toThrow('crash');
      log.hook = () => {};
      if (isSealed) {
        await publish(log, 'after');
        log.now += GAP_GRACE_MS + 1;
        expect(await all(log)).toEqual(['after']);
      }
      await send(log, asking(handler));
      await send(log, asking(handler));
      expect(handler.events).toHaveLength(2);
      expect(await all(log)).toEqual(isSealed ? ['after', 'answer 2'] : ['answer 2']);
    }
  });

  test('that was accepted need not be what the handler made of it', async () => {
    const log = memoryLog();
    const more = asking(handlerWith('{"messages":[{"text":"sent"}]}'), {
      stamp: { members: { by: 'sub' }, sub: 'alice' },
    });
    await send(log, more);
    await send(log, more);
    expect(await all(log)).toEqual([{ by: 'alice', text: 'sent' }]);
  });

  test('that was refused is asked about, and may be accepted then', async () => {
    const log = memoryLog();
    expect(await codeOf(send(log, asking(handlerWith('{"refuse":{"message":"no"}}'))))).toBe('refused');
    await send(log, asking(counting()));
    expect(await all(log)).toEqual(['answer 1']);
  });
});

test('a publish without a hook reads nothing for it', async () => {
  const callsOf = async (send: (log: MemoryLog) => Promise<unknown>): Promise<string[]> => {
    const log = memoryLog();
    await publish(log, 'before');
    const calls: string[] = [];
    log.hook = (moment) => void (moment.startsWith('before ') && calls.push(moment.slice('before '.length)));
    await send(log);
    return calls;
  };
  const [none, answer] = [{ hook: undefined }, handlerWith('{"messages":[1]}')];
  const plain = ['channels.reserve', 'entries.put', 'hint'];
  const byKey = ['keys.get', 'channels.reserve', 'keys.put', 'entries.put', 'hint'];
  expect(await callsOf((log) => append(log, requestOf([1], none)))).toEqual(plain);
  expect(await callsOf((log) => append(log, requestOf([1], asking(answer))))).toEqual(plain);
  const [byProducer = publish, keyed = publish] = Object.values(WAYS);
  expect((await callsOf((log) => byProducer(log, none))).slice(0, 1)).toEqual(['channels.reserve']);
  expect((await callsOf((log) => byProducer(log, asking(answer)))).slice(0, 1)).toEqual(['channels.get']);
  expect(await callsOf((log) => keyed(log, none))).toEqual(byKey);
  expect(await callsOf((log) => keyed(log, asking(answer)))).toEqual(byKey);
});
