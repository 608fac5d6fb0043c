/**
 * PROTOCOL.md §4.7 over the wire: messages that are not stored reach those who are connected, and nothing else happens.
 * @module
 */
import { beforeAll, describe, expect, inject, test } from 'vitest';
import { connect, type Transport } from '../../../client/index.ts';
import { mint } from '../../../scripts/mint.ts';
import { isEphemeral, post, send, sendUntil } from '../../support/wire/ephemeral.ts';
import { type EventStream, openStream, type StreamEvent } from '../../support/wire/event-stream.ts';
import { follow, subscribe } from '../../support/wire/follow.ts';
import { startReceiver } from '../../support/wire/receiver.ts';
import { type Heard, openSocket, socketWith } from '../../support/wire/socket.ts';
import {
  type Caller,
  callerAt,
  callerWith,
  EVERYTHING,
  newChannel,
  refusalOf,
  token,
} from '../../support/wire/wire.ts';

const { url, issuer, ...keys } = inject('hub');
/** The options of a deployed hub are not known here: test/flow/setup.ts sets this one on the local hub. */
const isLocal = issuer !== undefined;
const EVENT_STREAM = { Accept: 'text/event-stream' };

let hub: Caller;
beforeAll(async () => {
  hub = await callerWith(EVERYTHING);
});

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
    const [byChannel, byPattern] = await sendUntil(arrived, () => send(hub, channel, { x: 1 }, 'é', [2]));
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
    const event = await sendUntil(nextOf(stream, isOfEphemeral), () => post(hub, channel, text));
    expect(event).toEqual({ event: 'ephemeral', data: text, id: undefined });
    await hub.publish(channel, 'next');
    expect(await nextOf(stream, ({ event }) => event === 'message')).toMatchObject({ data: '"next"' });
    await stream.close();
  });

  test('a stream of several channels, with the name of the channel', async () => {
    const [a, b] = [newChannel('game'), newChannel('game')];
    const stream = await openStream(hub, `/events?channel=${a}&channel=${b}`);
    const event = await sendUntil(nextOf(stream, isOfEphemeral), () => send(hub, b, { x: 1 }));
    expect([event.id, JSON.parse(event.data)]).toEqual([undefined, { channel: b, message: { x: 1 } }]);
    await hub.publish(a, 'stored');
    const stored = await nextOf(stream, ({ event }) => event === 'message');
    expect(JSON.parse(stored.data)).toEqual({ channel: a, message: 'stored' });
    await stream.close();
  });
});

describe('the client', () => {
  test.each<[Transport, string]>([
    ['websocket', 'over its socket'],
    ['sse', 'over HTTP'],
  ])('gets them by %s, and sends them %s', async (transport) => {
    const channel = newChannel('game');
    const [one, other] = await Promise.all(
      ['one', 'other'].map(async () =>
        connect({ url, token: await token(EVERYTHING), transports: [transport] }),
      ),
    );
    const stored: unknown[] = [];
    const arrived = new Promise<unknown>((resolve, reject) => {
      one?.subscribe(channel, {
        onMessages: ({ messages }) => stored.push(...messages),
        onEphemeral: resolve,
        onError: reject,
      });
    });
    // A client opens its socket for its first subscription.
    const opened = new Promise<void>((resolve) => {
      other?.subscribe(channel, { onMessages() {}, onSubscribed: resolve });
    });
    await opened;
    const publish = async (): Promise<void> => {
      // It may be lost on a machine that is busy, and the client does not send it again.
      await other?.publish(channel, [{ x: 1 }], { ephemeral: true }).catch(() => {});
    };
    expect(await sendUntil(arrived, publish)).toMatchObject({ channel, messages: [{ x: 1 }] });
    expect(stored).toEqual([]);
    one?.close();
    other?.close();
  });
});

describe('nothing of them reaches', () => {
  /** Returns a channel, and a function that sends until a socket has heard it. */
  async function heardChannel() {
    const channel = newChannel('game');
    const socket = await socketWith(EVERYTHING);
    await subscribe(socket, channel);
    const heard = () =>
      sendUntil(socket.next(isEphemeral(channel)), () => send(hub, channel, { lost: true }));
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
    const arrived = await sendUntil(socket.next(isEphemeral(channel)), () => post(alice, channel, '{"n":1}'));
    expect(arrived.messages?.[0]).toEqual({ sender: 'alice', sentAt: expect.any(String), n: 1 });
    const frame = { action: 'publish', channel, messages: [{ n: 2 }], ephemeral: true };
    const fromBob = ({ type, messages }: Heard): boolean =>
      type === 'ephemeral' && Object(messages?.[0]).sender === 'bob';
    await sendUntil(socket.next(fromBob), () => socket.ask(frame));
    for (const body of ['{"sender":"bob"}', '1', '[{"n":1},{"sentAt":0}]'])
      expect(await refusalOf(await post(alice, channel, body))).toEqual([400, 'reserved_member']);
    expect(await socket.ask({ ...frame, messages: [{ sender: 'alice' }] })).toMatchObject({
      code: 'reserved_member',
    });
  });
});
