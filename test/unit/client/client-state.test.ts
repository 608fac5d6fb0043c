/**
 * The states and callbacks of a subscription, and what is left after `close()`: nothing.
 * @module
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { connectOver, type Hub } from '../../../client/connect.ts';
import type { ConnectOptions } from '../../../client/options.ts';
import { closeWhole, confirmNewest, framesOf, openNewest } from '../../support/client/live-socket.ts';
import { type FakeWire, type StillHost, settled, stillHost } from '../../support/client/still-host.ts';
import { offsetAt } from '../../support/domain/fake-log.ts';

const CHANNEL = 'chat/room1';
const MINUTE_MS = 60_000;

let host: StillHost;
let hub: Hub;
/** The callbacks, in order. */
let told: unknown[];
beforeEach(() => {
  host = stillHost();
  told = [];
});
afterEach(() => closeWhole(host, hub));

const open = (options: Partial<ConnectOptions> = {}): Hub => {
  hub = connectOver(host, { url: 'https://hub.example', ...options });
  return hub;
};

const listen = (channel = CHANNEL, offset = 'now') =>
  hub.subscribe(channel, {
    offset,
    onState: (state) => void told.push(state.state === 'connected' ? state.transport : state.state),
    onSubscribed: () => void told.push('subscribed'),
    onMessages: ({ messages }) => void told.push(...messages),
    onEnd: () => void told.push('end'),
    onError: ({ code }) => void told.push(code),
  });

const opened = (): Promise<FakeWire> => openNewest(host);

const live = (offset?: string): Promise<FakeWire> => confirmNewest(host, offset);

const frame = framesOf(CHANNEL);

const page = (next: number, ...messages: unknown[]) =>
  Response.json(messages, { headers: { 'Stream-Next-Offset': offsetAt(next), 'Stream-Up-To-Date': 'true' } });

const unreachable = () => Promise.reject(new TypeError('fetch failed'));

describe('a subscription reports its state', () => {
  test('with a socket that ends and is opened again', async () => {
    open();
    listen();
    expect(told).toEqual([]);
    await settled();
    expect(told).toEqual(['connecting']);
    const wire = await live();
    wire.say(frame(0, 1, 'a'));
    wire.end();
    await settled();
    expect(told).toEqual(['connecting', 'websocket', 'subscribed', 'a', 'reconnecting']);
    await host.pass(3_000);
    await live(offsetAt(1));
    expect(told.slice(5)).toEqual(['websocket']);
  });

  test('with a socket that stops answering', async () => {
    open();
    listen();
    await live();
    host.answersPings = false;
    while (told.length < 4 && host.now() < MINUTE_MS) await host.pass(500);
    expect(told).toEqual(['connecting', 'websocket', 'subscribed', 'reconnecting']);
  });

  test('with another transport while no socket opens, and with a socket later', async () => {
    host.respond = () => page(0);
    open({ transports: ['websocket', 'poll'] });
    listen();
    await settled();
    host.wires[0]?.end();
    await settled();
    expect(told).toEqual(['connecting', 'poll', 'subscribed']);
    await host.pass(5_000);
    await live();
    expect(told.slice(3)).toEqual(['websocket']);
  });

  test.each([{}, { transports: ['poll'] }, { transports: ['sse', 'long-poll'] }] as const)(
    'offline after all transports have failed, and connected later: %j',
    async (options) => {
      open(options);
      listen();
      for (const until = host.now() + MINUTE_MS; host.now() < until; await host.pass(1_000))
        for (const wire of host.open()) wire.end();
      expect(told).toEqual(['connecting', 'offline']);
      host.respond = () => page(0);
      for (const until = host.now() + 2 * MINUTE_MS; host.now() < until; await host.pass(1_000))
        for (const wire of host.open()) wire.end();
      // The client finds out whether a stream works after the hub has answered for the channel.
      const transport = options.transports?.[0] === 'poll' ? 'poll' : 'long-poll';
      expect(told.slice(2).toSorted()).toEqual([transport, 'subscribed']);
    },
  );

  test('reconnecting at the first failure of the only transport, offline at the second', async () => {
    host.respond = () => page(0);
    open({ transports: ['poll'] });
    listen();
    await host.pass(5_000);
    host.respond = unreachable;
    await host.pass(20_000);
    host.respond = () => page(0);
    await host.pass(30_000);
    expect(told).toEqual(['connecting', 'poll', 'subscribed', 'reconnecting', 'offline', 'poll']);
  });

  test('with the error', async () => {
    open({ transports: ['poll'] });
    const reasons: unknown[] = [];
    hub.subscribe(CHANNEL, {
      onMessages() {},
      onState: (state) => 'error' in state && reasons.push([state.error.code, state.error.message]),
    });
    host.respond = () => new Response('no', { status: 403, headers: { 'Content-Type': 'text/html' } });
    await settled();
    expect(reasons).toEqual([
      ['unavailable', expect.stringContaining('403 (text/html), but not by the hub')],
    ]);
  });

  test('for a pattern as well', async () => {
    open();
    listen('chat/*');
    const wire = await live();
    wire.end();
    for (const until = host.now() + MINUTE_MS; host.now() < until; await host.pass(1_000))
      for (const each of host.open()) each.end();
    expect(told).toEqual(['connecting', 'websocket', 'subscribed', 'reconnecting', 'offline', 'unavailable']);
    while (host.open().length === 0) await host.pass(500);
    await live();
    expect(told.slice(6)).toEqual(['websocket']);
  });

  test('and nothing after it is closed', async () => {
    open();
    const subscription = listen();
    await live();
    const before = told.length;
    subscription.close();
    host.wires[0]?.end();
    await host.pass(MINUTE_MS);
    expect(told.length).toBe(before);
  });
});

describe('onSubscribed', () => {
  test.each(['now', '-1', offsetAt(0)])('is called once, before the messages, from %s', async (offset) => {
    host.respond = (url) => {
      if (!url.includes('=now') && !url.includes(offsetAt(1))) return page(1, 'a');
      // A read from now on gets no answer yet.
      return url.includes('=now') ? page(0) : new Promise<Response>(() => {});
    };
    for (const options of [{}, { transports: ['poll'] }, { transports: ['long-poll'] }] as const) {
      told = [];
      open(options);
      listen(CHANNEL, offset);
      if (options.transports) await host.pass(10_000);
      else {
        const wire = await live();
        wire.say(frame(0, 1, 'a'));
      }
      expect(told.filter((each) => each === 'subscribed' || each === 'a')).toEqual(['subscribed', 'a']);
      hub.close();
    }
  });

  test('after it nothing is missed, and the offset is known', async () => {
    host.respond = () => page(7);
    open({ transports: ['poll'] });
    let offset = '';
    const subscription = hub.subscribe(CHANNEL, {
      onMessages() {},
      onSubscribed() {
        offset = subscription.offset;
      },
    });
    await settled();
    expect(offset).toBe(offsetAt(7));
  });

  test('is not called for a refused subscription', async () => {
    open();
    listen();
    const wire = await opened();
    wire.answer('subscribe', { type: 'error', code: 'forbidden', message: 'no' });
    await settled();
    expect(told).toEqual(['connecting', 'forbidden']);
  });
});

describe('onEnd', () => {
  test('is called once, after the last batch of a closed channel', async () => {
    open();
    listen();
    const wire = await live();
    wire.say({ ...frame(0, 1, 'last'), closed: true });
    wire.say({ ...frame(0, 1, 'last'), closed: true });
    await settled();
    expect(told.slice(3)).toEqual(['last', 'end']);
  });

  test.each(['the subscription', 'the client'])('is not called when %s is closed', async (what) => {
    open();
    const subscription = listen();
    await live();
    const before = told.length;
    if (what === 'the client') hub.close();
    else subscription.close();
    await settled();
    expect(told.length).toBe(before);
  });
});

test('a page that closes and connects again at once, as in strict mode of React, gets each message once', async () => {
  open();
  listen();
  hub.close();
  open();
  listen();
  const wire = await live();
  wire.say(frame(0, 1, 'once'));
  expect(told.filter((each) => each === 'once')).toEqual(['once']);
  expect([host.open().length, wire.isClosed()]).toEqual([1, false]);
  hub.close();
  // A socket was opening, and a token was requested, when the client was closed.
  const token = Promise.withResolvers<string>();
  const first = connectOver(host, { url: 'https://hub.example', token: () => token.promise });
  first.subscribe(CHANNEL, { onMessages() {} });
  await settled();
  first.close();
  token.resolve('t');
  await settled();
  expect(host.open()).toEqual([]);
});

test('no signal gets more than ten listeners, which Node warns about', async () => {
  const counts = new Map<EventTarget, number>();
  let most = 0;
  const { addEventListener, removeEventListener } = EventTarget.prototype;
  const count = (target: EventTarget, by: number): void => {
    counts.set(target, (counts.get(target) ?? 0) + by);
    most = Math.max(most, counts.get(target) ?? 0);
  };
  AbortSignal.prototype.addEventListener = function (this: AbortSignal, ...args: unknown[]) {
    count(this, 1);
    Reflect.apply(addEventListener, this, args);
  };
  AbortSignal.prototype.removeEventListener = function (this: AbortSignal, ...args: unknown[]) {
    count(this, -1);
    Reflect.apply(removeEventListener, this, args);
  };
  try {
    host.respond = () => new Promise<Response>(() => {});
    open();
    for (let at = 0; at < 50; at++) {
      void hub.publish(`chat/${at}`, [at]).catch(() => {});
      void hub.publish('chat/one', [at]).catch(() => {});
      listen(`chat/${at}`);
      hub.subscribe('chat/*', { onMessages() {} });
    }
    const wire = await opened();
    for (let at = 0; at < 50; at++)
      wire.say({ ...frame(5, 6, at), channel: `chat/${at}`, pattern: 'chat/*', omitted: true });
    await host.pass(30_000);
    // The first attempt of each channel. The retry budget pays for a few more.
    expect(host.requests.length).toBeGreaterThan(50);
    hub.close();
    await settled();
  } finally {
    AbortSignal.prototype.addEventListener = addEventListener;
    AbortSignal.prototype.removeEventListener = removeEventListener;
  }
  expect(most).toBeGreaterThan(0);
  expect(most).toBeLessThanOrEqual(10);
});
