/**
 * PROTOCOL.md §12.1 over the wire: publishing on a socket has the guarantees of publishing over HTTP.
 * @module
 */
import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { follow, subscribe } from '../../support/wire/follow.ts';
import { type Heard, type Socket, socketWith } from '../../support/wire/socket.ts';
import { BUSY_MS, callerWith, EVERYTHING, newChannel, refusalOf } from '../../support/wire/wire.ts';

const hub = callerWith(EVERYTHING);

interface How {
  readonly key?: string;
  readonly producer?: { readonly id: string; readonly epoch: number; readonly seq: number };
}

const publish = (socket: Socket, channel: string, messages: readonly unknown[], how: How = {}) =>
  socket.ask({ action: 'publish', channel, messages, ...how });

async function published(answer: Promise<Heard>): Promise<string> {
  const { type, offset = '', ...rest } = await answer;
  if (type !== 'published') throw new Error(`not published: ${JSON.stringify({ type, ...rest })}`);
  return offset;
}

const post = (channel: string, headers: Record<string, string>, body: string) =>
  hub.request(`/channels/${channel}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body,
  });
const nextOf = (response: Response): string => response.headers.get('Stream-Next-Offset') ?? 'none';

describe('a published message', () => {
  test('is found by every read that begins after the answer, up to the offset of the answer', async () => {
    const channel = newChannel();
    const socket = await socketWith(EVERYTHING);
    const first = await published(publish(socket, channel, [{ n: 1 }, [2, 3], null]));
    expect(await hub.readAll(channel)).toEqual({ messages: [{ n: 1 }, [2, 3], null], next: first });
    const second = await published(publish(socket, channel, ['more']));
    expect(await hub.readAll(channel, first)).toEqual({ messages: ['more'], next: second });
  });

  // Written by hand: JSON.stringify would lose the details that the hub must keep.
  const TEXTS = [
    '12345678901234567890',
    '1.10',
    '1E400',
    '-0',
    '{"b":1,"a":2,"b":3}',
    '{ "spaced" : [ 1 ,2 ] }',
    '"\\u00e9é☃\\/\\ud83d\\ude00\u{1f600}\\ud800"',
    '"],[{\\"messages\\":[0]}"',
    '[[],{}]',
  ];
  const FRAMES: readonly (readonly [string, (channel: string, list: string) => string])[] = [
    [
      'members in another order',
      (channel, list) => `{"messages":${list},"channel":"${channel}","action":"publish","id":"1"}`,
    ],
    [
      'white space wherever it may be',
      (channel, list) =>
        ` {\n"action" :\t"publish" , "channel":"${channel}", "messages" :  ${list}  , "id":"1"\r\n} `,
    ],
    [
      'a name that is written in escapes',
      (channel, list) => `{"action":"publish","channel":"${channel}","id":"1","m\\u0065ssages":${list}}`,
    ],
    [
      'an earlier member of the same name',
      (channel, list) =>
        `{"action":"publish","messages":["no"],"channel":"${channel}","id":"1","messages":${list}}`,
    ],
    [
      'others that look like it',
      (channel, list) =>
        `{"action":"publish","x":{"messages":["no"]},"y":"\\"messages\\":[0]","channel":"${channel}","messages":${list},"id":"1"}`,
    ],
  ];

  test.each(FRAMES)('has exactly the text of the frame, whatever its form: %s', async (_name, frameOf) => {
    const channel = newChannel();
    const socket = await socketWith(EVERYTHING);
    socket.sayAnything(frameOf(channel, `[${TEXTS.join(' , ')}]`));
    expect(await socket.next()).toMatchObject({ type: 'published', id: '1', channel });
    expect(await (await hub.read(channel)).text()).toBe(`[${TEXTS.join(',')}]`);
  });

  test('reaches a subscriber exactly as it was sent', async () => {
    const channel = newChannel();
    const socket = await socketWith(EVERYTHING);
    const from = await subscribe(socket, channel);
    const messages = [{ b: 1, a: ['é☃\u{1f600}', null, true, 1.5] }, 'text', []];
    await published(publish(socket, channel, messages));
    expect((await follow(socket, { channel, from }, 3)).messages).toEqual(messages);
  });

  test('may be one of a thousand, or nearly as large as a socket accepts', async () => {
    const [many, large] = [newChannel(), newChannel()];
    const socket = await socketWith(EVERYTHING);
    const numbers = Array.from({ length: 1_000 }, (_, n) => n);
    await published(publish(socket, many, numbers));
    expect((await hub.readAll(many)).messages).toEqual(numbers);
    // In four frames, cut within characters.
    const text = '☃'.repeat(43_000);
    await published(publish(socket, large, [text]));
    expect((await hub.readAll(large)).messages).toEqual([text]);
  });
});

describe('a key', () => {
  test('publishes once, on whichever socket it is sent again', async () => {
    const channel = newChannel();
    const sockets = await Promise.all(Array.from({ length: 4 }, () => socketWith(EVERYTHING)));
    const answers = sockets.flatMap((socket) =>
      Array.from({ length: 5 }, () => published(publish(socket, channel, [{ n: 1 }], { key: 'order-17' }))),
    );
    const offsets = new Set(await Promise.all(answers));
    expect(offsets.size).toBe(1);
    expect((await hub.readAll(channel)).messages).toEqual([{ n: 1 }]);
    const [end = ''] = offsets;
    expect((await hub.readAll(channel, end)).messages).toEqual([]);
  });

  test('is refused with other messages', async () => {
    const channel = newChannel();
    const socket = await socketWith(EVERYTHING);
    await published(publish(socket, channel, [1], { key: 'k' }));
    expect(await publish(socket, channel, [2], { key: 'k' })).toMatchObject({ code: 'key_reused', channel });
    expect((await hub.readAll(channel)).messages).toEqual([1]);
  });

  test('is the Idempotency-Key of a request with the same list as its body', async () => {
    const channel = newChannel();
    const socket = await socketWith(EVERYTHING);
    const first = await published(publish(socket, channel, [{ n: 1 }], { key: 'said' }));
    const again = await post(channel, { 'Idempotency-Key': 'said' }, '[{"n":1}]');
    expect([again.status, nextOf(again)]).toEqual([204, first]);
    const second = nextOf(await post(channel, { 'Idempotency-Key': 'posted' }, '[{"n":2}]'));
    expect(await published(publish(socket, channel, [{ n: 2 }], { key: 'posted' }))).toBe(second);
    // The same message, but not the same text of a request (§4.4).
    const single = await post(channel, { 'Idempotency-Key': 'said' }, '{"n":1}');
    expect(await refusalOf(single)).toEqual([409, 'key_reused']);
    expect((await hub.readAll(channel)).messages).toEqual([{ n: 1 }, { n: 2 }]);
  });
});

describe('a producer', () => {
  const by = (epoch: number, seq: number) => ({ producer: { id: 'p', epoch, seq } });

  test('gets a repetition confirmed, on a socket or over HTTP', async () => {
    const channel = newChannel();
    const [socket, other] = [await socketWith(EVERYTHING), await socketWith(EVERYTHING)];
    const first = await published(publish(socket, channel, ['0:0'], by(0, 0)));
    expect(await published(publish(other, channel, ['0:0'], by(0, 0)))).toBe(first);
    const headers = { 'Producer-Id': 'p', 'Producer-Epoch': '0', 'Producer-Seq': '0' };
    const repeated = await post(channel, headers, '["0:0"]');
    expect([repeated.status, nextOf(repeated)]).toEqual([204, first]);
    await published(publish(socket, channel, ['0:1'], by(0, 1)));
    await published(publish(other, channel, ['1:0'], by(1, 0)));
    expect((await hub.readAll(channel)).messages).toEqual(['0:0', '0:1', '1:0']);
  });

  test('is refused for a gap, and for an old epoch', async () => {
    const channel = newChannel();
    const socket = await socketWith(EVERYTHING);
    await published(publish(socket, channel, ['1:0'], by(1, 0)));
    expect(await publish(socket, channel, ['1:2'], by(1, 2))).toMatchObject({
      code: 'producer_gap',
      channel,
    });
    expect(await publish(socket, channel, ['0:0'], by(0, 0))).toMatchObject({
      code: 'stale_producer',
      channel,
    });
    expect((await hub.readAll(channel)).messages).toEqual(['1:0']);
  });

  test('keeps its order: 200 messages, five in flight at a time, arrive at another socket in the order of their numbers', async () => {
    const channel = newChannel();
    const [publisher, reader] = [await socketWith(EVERYTHING), await socketWith(EVERYTHING)];
    const from = await subscribe(reader, channel);
    let seq = 0;
    const work = async (): Promise<void> => {
      while (seq < 200) {
        const mine = seq++;
        // Frames are handled at the same time, so one may come before the one that it follows.
        for (let answer: Heard = {}; answer.type !== 'published'; ) {
          answer = await publish(publisher, channel, [mine], by(0, mine));
          if (answer.type !== 'error') continue;
          expect(['producer_gap', 'unavailable']).toContain(answer.code);
          // On a busy machine the store may be busy too. Then a caller waits before it comes again (PROTOCOL.md §8).
          if (answer.code === 'unavailable') await wait(BUSY_MS);
        }
      }
    };
    const reading = follow(reader, { channel, from }, 200);
    const [{ messages }] = await Promise.all([reading, ...Array.from({ length: 5 }, work)]);
    expect(messages).toEqual(Array.from({ length: 200 }, (_, n) => n));
    expect((await hub.readAll(channel)).messages).toEqual(messages);
  });
});
