/**
 * PROTOCOL.md §4.7 over the wire: messages that are not stored reach those who are connected, and nothing else happens.
 * @module
 */
import { setTimeout as wait } from 'node:timers/promises';
import { beforeAll, describe, expect, inject, test } from 'vitest';
import { mint } from '../../../scripts/mint.ts';
import { type EventStream, openStream, type StreamEvent } from '../../support/wire/event-stream.ts';
import { follow, subscribe } from '../../support/wire/follow.ts';
import { startReceiver } from '../../support/wire/receiver.ts';
import { type Heard, openSocket, type Socket, socketWith } from '../../support/wire/socket.ts';
import {
  type Caller,
  callerAt,
  callerWith,
  EVERYTHING,
  newChannel,
  refusalOf,
  throughBusy,
} from '../../support/wire/wire.ts';

const { url, issuer, ...keys } = inject('hub');
/** The options of a deployed hub are not known here: test/flow/setup.ts sets this one on the local hub. */
const isLocal = issuer !== undefined;
const EPHEMERAL = { 'Content-Type': 'application/json', 'Tidings-Ephemeral': 'true' };
const EVENT_STREAM = { Accept: 'text/event-stream' };

/** The pause before messages are sent again that have not arrived, in milliseconds. */
const AGAIN_MS = 250;

let hub: Caller;
beforeAll(async () => {
  hub = await callerWith(EVERYTHING);
});

const post = (channel: string, body: string, more: Record<string, string> = {}, caller = hub) =>
  throughBusy(() =>
    caller.request(`/channels/${channel}`, { method: 'POST', headers: { ...EPHEMERAL, ...more }, body }),
  );

/** Sends messages over HTTP. They are accepted. */
async function send(channel: string, ...messages: readonly unknown[]): Promise<void> {
  const response = await post(channel, JSON.stringify(messages));
  expect([response.status, await response.text()]).toEqual([202, '']);
  expect(response.headers.get('Stream-Next-Offset')).toBeNull();
}

/** Sends again and again until something arrives: each message may be lost. */
async function sendUntil<T>(arrives: Promise<T>, again: () => Promise<unknown>): Promise<T> {
  let isOver = false;
  const end = (): void => {
    isOver = true;
  };
  arrives.then(end, end);
  while (!isOver) {
    await again();
    await wait(AGAIN_MS);
  }
  return await arrives;
}

const isEphemeral =
  (channel: string, pattern?: string) =>
  (frame: Heard): boolean =>
    frame.type === 'ephemeral' && frame.channel === channel && frame.pattern === pattern;

const isOfEphemeral = ({ event }: StreamEvent): boolean => event === 'ephemeral';

/** The next event that fits. @throws Error if the stream ends before */
async function nextOf(stream: EventStream, fits: (event: StreamEvent) => boolean): Promise<StreamEvent> {
  for (;;) {
    const event = await stream.next();
    if (!event) throw new Error('the stream has ended');
    if (fits(event)) return event;
  }
}

describe('ephemeral messages reach', () => {
  test('sockets, for the channel and for each pattern, as they were published', async () => {
    const channel = newChannel('game');
    const [one, other] = [await socketWith(EVERYTHING), await socketWith(EVERYTHING)];
    const from = await subscribe(one, channel);
    await subscribe(other, 'game/*');
    const arrived = Promise.all([one.next(isEphemeral(channel)), other.next(isEphemeral(channel, 'game/*'))]);
    const [byChannel, byPattern] = await sendUntil(arrived, () => send(channel, { x: 1 }, 'é', [2]));
    expect(byChannel.messages?.slice(0, 3)).toEqual([{ x: 1 }, 'é', [2]]);
    expect(byPattern.messages?.slice(0, 3)).toEqual([{ x: 1 }, 'é', [2]]);
    // They have moved no offset.
    await hub.publish(channel, 'stored');
    expect((await follow(one, { channel, from }, 1)).messages).toEqual(['stored']);
    expect((await hub.readAll(channel)).messages).toEqual(['stored']);
  });

  test('sockets, from sockets', async () => {
    const channel = newChannel('game');
    const [publisher, reader] = [await socketWith(EVERYTHING), await socketWith(EVERYTHING)];
    await subscribe(reader, channel);
    const frame = { action: 'publish', channel, messages: [{ x: 1 }], ephemeral: true };
    const arrived = await sendUntil(reader.next(isEphemeral(channel)), async () => {
      const { type, offset, code } = await publisher.ask(frame);
      if (code !== 'unavailable') expect([type, offset]).toEqual(['published', undefined]);
    });
    expect(arrived.messages?.[0]).toEqual({ x: 1 });
    expect((await hub.readAll(channel)).messages).toEqual([]);
  });

  test('a plain stream of one channel, by events without an id', async () => {
    const channel = newChannel('game');
    await hub.publish(channel, 'stored');
    const stream = await openStream(hub, `/channels/${channel}`, EVENT_STREAM);
    expect((await stream.next())?.data).toBe('"stored"');
    const text = '{"x": 1.0,\n"é":[ ]}';
    const event = await sendUntil(nextOf(stream, isOfEphemeral), () => post(channel, text));
    expect(event).toEqual({ event: 'ephemeral', data: text, id: undefined });
    await hub.publish(channel, 'next');
    expect(await nextOf(stream, ({ event }) => event === 'message')).toMatchObject({ data: '"next"' });
    await stream.close();
  });

  test('a stream of several channels, with the name of the channel', async () => {
    const [a, b] = [newChannel('game'), newChannel('game')];
    const stream = await openStream(hub, `/events?channel=${a}&channel=${b}`);
    const event = await sendUntil(nextOf(stream, isOfEphemeral), () => send(b, { x: 1 }));
    expect([event.id, JSON.parse(event.data)]).toEqual([undefined, { channel: b, message: { x: 1 } }]);
    await hub.publish(a, 'stored');
    const stored = await nextOf(stream, ({ event }) => event === 'message');
    expect(JSON.parse(stored.data)).toEqual({ channel: a, message: 'stored' });
    await stream.close();
  });
});

describe('nothing of them reaches', () => {
  /** Returns a channel, and a function that sends until a socket has heard it. */
  async function heardChannel() {
    const channel = newChannel('game');
    const socket = await socketWith(EVERYTHING);
    await subscribe(socket, channel);
    const heard = () => sendUntil(socket.next(isEphemeral(channel)), () => send(channel, { lost: true }));
    return { channel, heard };
  }

  test('the history, by any way to read it, and no offset changes', async () => {
    const { channel, heard } = await heardChannel();
    await hub.publish(channel, 1);
    const headOf = async () => {
      const response = await hub.request(`/channels/${channel}`, { method: 'HEAD' });
      return response.headers.get('Stream-Next-Offset');
    };
    const before = await headOf();
    await heard();
    expect(await headOf()).toBe(before);
    for (const query of ['offset=-1', 'last=10', 'before=now', 'since=2020-01-01T00:00:00Z'])
      expect(await (await hub.request(`/channels/${channel}?${query}`)).json(), query).toEqual([1]);
  });

  test('a channel that does not exist: it is not created', async () => {
    const { channel, heard } = await heardChannel();
    await heard();
    expect((await hub.request(`/channels/${channel}`, { method: 'DELETE' })).status).toBe(404);
  });

  test('a long poll, which goes on waiting', async () => {
    const { channel, heard } = await heardChannel();
    const { next } = await hub.readAll(channel);
    const held = hub.request(`/channels/${channel}?offset=${next}&live=long-poll`);
    await heard();
    await hub.publish(channel, 'stored');
    const response = await held;
    // A hold may have ended before, without a message.
    const page =
      response.status === 204 ? (await hub.readAll(channel, next)).messages : await response.json();
    expect(page).toEqual(['stored']);
  });

  test('a stream with the framing of Durable Streams', async () => {
    const { channel, heard } = await heardChannel();
    const stream = await openStream(hub, `/channels/${channel}?offset=-1&live=sse`);
    await stream.next();
    await heard();
    await hub.publish(channel, 'stored');
    const events: StreamEvent[] = [];
    for (let event = await stream.next(); event; event = await stream.next()) {
      events.push(event);
      if (event.event === 'data') break;
    }
    await stream.close();
    expect(events.slice(0, -1).filter(({ event }) => event !== 'control')).toEqual([]);
    expect(events.at(-1)?.data).toBe('["stored"]');
  });

  test.runIf(isLocal)('a webhook', async () => {
    const { channel, heard } = await heardChannel();
    const receiver = await startReceiver();
    const headers = { 'Content-Type': 'application/json' };
    const body = JSON.stringify({ url: `${receiver.url}/ephemeral`, channels: [channel] });
    expect((await hub.request('/webhooks', { method: 'POST', headers, body })).status).toBe(201);
    await heard();
    await hub.publish(channel, 'stored');
    await expect.poll(() => receiver.received.map(({ body }) => body.data)).toEqual(['stored']);
    await receiver.close();
  });

  test('a socket after it has unsubscribed, and one of another channel', async () => {
    const { channel, heard } = await heardChannel();
    const [left, other] = [await socketWith(EVERYTHING), await socketWith(EVERYTHING)];
    await subscribe(left, channel);
    await subscribe(other, newChannel('game'));
    await left.ask({ action: 'unsubscribe', channel });
    await heard();
    for (const socket of [left, other])
      expect(socket.unread().filter(({ type }) => type === 'ephemeral')).toEqual([]);
  });
});

describe.runIf(isLocal)('on a channel with stamps', () => {
  const tokenOf = (sub: string) => mint({ ...keys, capability: EVERYTHING, ttlSeconds: 600, sub });

  test('readers learn who sent it, and nobody can pretend', async () => {
    const channel = newChannel('stamped');
    const alice = callerAt(url, { Authorization: `Bearer ${await tokenOf('alice')}` });
    const socket = await openSocket({ headers: { Authorization: `Bearer ${await tokenOf('bob')}` } });
    await subscribe(socket, channel);
    const arrived = await sendUntil(socket.next(isEphemeral(channel)), () =>
      post(channel, '{"n":1}', {}, alice),
    );
    expect(arrived.messages?.[0]).toEqual({ sender: 'alice', sentAt: expect.any(String), n: 1 });
    const frame = { action: 'publish', channel, messages: [{ n: 2 }], ephemeral: true };
    const fromBob = ({ type, messages }: Heard): boolean =>
      type === 'ephemeral' && Object(messages?.[0]).sender === 'bob';
    await sendUntil(socket.next(fromBob), () => socket.ask(frame));
    for (const body of ['{"sender":"bob"}', '1', '[{"n":1},{"sentAt":0}]'])
      expect(await refusalOf(await post(channel, body, {}, alice))).toEqual([400, 'reserved_member']);
    expect(await socket.ask({ ...frame, messages: [{ sender: 'alice' }] })).toMatchObject({
      code: 'reserved_member',
    });
  });
});

describe('over HTTP', () => {
  const large = JSON.stringify('x'.repeat(32_001));

  test.each<[string, string, Record<string, string>, [number, string]]>([
    ['a key', '1', { 'Idempotency-Key': 'k' }, [400, 'bad_request']],
    ['a Stream-Seq', '1', { 'Stream-Seq': '1' }, [400, 'bad_request']],
    [
      'a producer',
      '1',
      { 'Producer-Id': 'p', 'Producer-Epoch': '0', 'Producer-Seq': '0' },
      [400, 'bad_request'],
    ],
    ['half a producer', '1', { 'Producer-Id': 'p' }, [400, 'bad_request']],
    ['an end', '1', { 'Stream-Closed': 'true' }, [400, 'bad_request']],
    ['another value', '1', { 'Tidings-Ephemeral': 'false' }, [400, 'bad_request']],
    ['a number as the value', '1', { 'Tidings-Ephemeral': '1' }, [400, 'bad_request']],
    ['text', 'x', { 'Content-Type': 'text/plain' }, [400, 'bad_content_type']],
    ['bytes', 'x', { 'Content-Type': 'application/octet-stream' }, [400, 'bad_content_type']],
    ['no JSON', '{', {}, [400, 'bad_json']],
    ['nothing', '', {}, [400, 'empty_body']],
    ['an empty list', '[]', {}, [400, 'empty_body']],
    ['more than 32,000 bytes', large, {}, [413, 'too_large']],
    ['more than 1,000 messages', `[${Array(1_001).fill(1).join()}]`, {}, [413, 'too_large']],
    ['compression', '1', { 'Content-Encoding': 'gzip' }, [501, 'not_supported']],
  ])('%s is refused, and nothing is done', async (_name, body, headers, refusal) => {
    const channel = newChannel('game');
    const socket = await socketWith(EVERYTHING);
    await subscribe(socket, channel);
    expect(await refusalOf(await post(channel, body, headers))).toEqual(refusal);
    const arrived = await sendUntil(socket.next(isEphemeral(channel)), () => send(channel, 'sent'));
    expect(new Set(arrived.messages)).toEqual(new Set(['sent']));
    expect((await hub.readAll(channel)).messages).toEqual([]);
  });

  test('PUT with the header is refused, because it would store its messages', async () => {
    const channel = newChannel('game');
    const init = { method: 'PUT', headers: EPHEMERAL, body: '1' };
    expect(await refusalOf(await hub.request(`/channels/${channel}`, init))).toEqual([400, 'bad_request']);
    expect((await hub.readAll(channel)).messages).toEqual([]);
  });

  test('other values of Stream-Closed count as absent, and the value may be in any case', async () => {
    const channel = newChannel('game');
    const headers = { 'Tidings-Ephemeral': ' TRUE', 'Stream-Closed': 'false' };
    expect((await post(channel, '1', headers)).status).toBe(202);
  });

  test('the path of Durable Streams takes them too', async () => {
    const init = { method: 'POST', headers: EPHEMERAL, body: '1' };
    const response = await throughBusy(() => hub.request(`/v1/stream/${newChannel('game')}`, init));
    expect(response.status).toBe(202);
  });

  test.each([
    ['of bytes', 'application/octet-stream', false, [400, 'bad_content_type']],
    ['of text', 'text/plain', false, [400, 'bad_content_type']],
    ['that is closed', 'application/json', true, [409, 'channel_closed']],
  ] as const)('a channel %s refuses them', async (_name, type, isClosed, refusal) => {
    const channel = newChannel('game');
    const headers = { 'Content-Type': type, ...(isClosed ? { 'Stream-Closed': 'true' } : {}) };
    const created = await throughBusy(() => hub.request(`/channels/${channel}`, { method: 'PUT', headers }));
    expect(created.status).toBe(201);
    expect(await refusalOf(await post(channel, '1'))).toEqual(refusal);
    const socket = await socketWith(EVERYTHING);
    const frame = { action: 'publish', channel, messages: [1], ephemeral: true };
    expect(await socket.ask(frame)).toMatchObject({ type: 'error', code: refusal[1] });
  });

  test('only a token that may publish sends them, and only one that may subscribe gets them', async () => {
    const channel = newChannel('game');
    const reader = await callerWith({ [channel]: ['subscribe'] });
    expect(await refusalOf(await post(channel, '1', {}, reader))).toEqual([403, 'forbidden']);
    expect(await refusalOf(await post(channel, '1', {}, await callerWith(undefined)))).toEqual([
      401,
      'unauthorized',
    ]);
    expect(await refusalOf(await post('tidings/webhooks', '1'))).toEqual([403, 'forbidden']);
    const publisher = await socketWith({ [channel]: ['publish'] });
    expect(await publisher.ask({ action: 'subscribe', channel })).toMatchObject({ code: 'forbidden' });
    const socket = await socketWith({ [channel]: ['subscribe'] });
    const frame = { action: 'publish', channel, messages: [1], ephemeral: true };
    expect(await socket.ask(frame)).toMatchObject({ code: 'forbidden' });
  });
});

describe('on a socket', () => {
  const ask = (socket: Socket, channel: string, more: object): Promise<Heard> => {
    const id = `bad-${JSON.stringify(more).slice(0, 30)}`;
    socket.sayAnything(
      JSON.stringify({ action: 'publish', channel, messages: [1], ephemeral: true, id, ...more }),
    );
    return socket.next((frame) => frame.id === id);
  };

  test.each<[string, object, string]>([
    ['a key', { key: 'k' }, 'bad_request'],
    ['a producer', { producer: { id: 'p', epoch: 0, seq: 0 } }, 'bad_request'],
    ['another value', { ephemeral: 'true' }, 'bad_request'],
    ['false', { ephemeral: false }, 'bad_request'],
    ['nothing', { messages: [] }, 'empty_body'],
    ['no list', { messages: 1 }, 'bad_request'],
    ['more than 32,000 bytes', { messages: ['x'.repeat(32_001)] }, 'too_large'],
  ])('%s is refused, and nothing is done', async (_name, more, code) => {
    const channel = newChannel('game');
    const socket = await socketWith(EVERYTHING);
    await subscribe(socket, channel);
    expect(await ask(socket, channel, more)).toMatchObject({ type: 'error', code });
    const arrived = await sendUntil(socket.next(isEphemeral(channel)), () => send(channel, 'sent'));
    expect(new Set(arrived.messages)).toEqual(new Set(['sent']));
    expect((await hub.readAll(channel)).messages).toEqual([]);
  });

  test('the largest message fits into a frame, both ways', async () => {
    const channel = newChannel('game');
    const socket = await socketWith(EVERYTHING);
    await subscribe(socket, channel);
    const messages = ['x'.repeat(31_998)];
    const frame = { action: 'publish', channel, messages, ephemeral: true };
    const arrived = await sendUntil(socket.next(isEphemeral(channel)), () => socket.ask(frame));
    expect(arrived.messages).toEqual(messages);
  });
});
