/**
 * PROTOCOL.md §12: the life of the client's socket, with a clock that stands still.
 * @module
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { connectOver, type Hub } from '../../../../client/connect.ts';
import type { TidingsError } from '../../../../client/errors.ts';
import type { ConnectOptions } from '../../../../client/options.ts';
import { closeWhole, confirmNewest, framesOf, openNewest } from '../../../support/client/live-socket.ts';
import { type FakeWire, type StillHost, settled, stillHost } from '../../../support/client/still-host.ts';
import { offsetAt } from '../../../support/domain/fake-log.ts';

const CHANNEL = 'chat/room1';
const MINUTE_MS = 60_000;

let host: StillHost;
let hub: Hub;
let seen: unknown[];
let errors: TidingsError[];
let transports: string[];
beforeEach(() => {
  host = stillHost();
  seen = [];
  errors = [];
  transports = [];
});
afterEach(() => closeWhole(host, hub));

function subscribe(channel = CHANNEL, offset = 'now', options: Partial<ConnectOptions> = {}) {
  hub = connectOver(host, { url: 'https://hub.example/', ...options });
  return hub.subscribe(channel, {
    offset,
    onMessages: ({ messages }) => void seen.push(...messages),
    onError: (error) => void errors.push(error),
    onTransport: (name) => void transports.push(name),
  });
}

const opened = (): Promise<FakeWire> => openNewest(host);

const frame = framesOf(CHANNEL);

const live = (): Promise<FakeWire> => confirmNewest(host);

const asked = (wire: FakeWire | undefined, action: string) =>
  wire?.said.filter((each) => each.action === action) ?? [];

describe('opening', () => {
  test('sends the token and the subscription, and nothing else', async () => {
    subscribe(CHANNEL, '-1', { token: async () => 'a.b.c' });
    const wire = await opened();
    expect([wire.url, wire.protocols]).toEqual(['wss://hub.example/ws', ['tidings.v1', 'bearer.a.b.c']]);
    expect(wire.said).toEqual([{ action: 'subscribe', channel: CHANNEL, offset: '-1', id: '1' }]);
  });

  test('without a token no bearer is offered, and without a front door three URLs are used', async () => {
    host.respond = (url) =>
      url.includes('/events')
        ? new Response('no', { status: 500 })
        : Response.json([], { headers: { 'Stream-Next-Offset': offsetAt(0), 'Stream-Up-To-Date': 'true' } });
    subscribe(CHANNEL, 'now', {
      socketUrl: 'wss://sockets.example/dev',
      streamUrl: 'https://streams.example',
    });
    await settled();
    expect(host.wires.map(({ url, protocols }) => [url, protocols])).toEqual([
      ['wss://sockets.example/dev', ['tidings.v1']],
    ]);
    host.wires[0]?.end();
    await host.pass(300);
    expect(host.requests.slice(0, 3)).toEqual([
      `https://hub.example/channels/${CHANNEL}?offset=now`,
      `https://streams.example/events?channel=${CHANNEL}&offset=${offsetAt(0)}`,
      `https://hub.example/channels/${CHANNEL}?offset=${offsetAt(0)}`,
    ]);
  });

  test('a socket that does not open within five seconds has failed', async () => {
    subscribe();
    await host.pass(4_900);
    expect([host.requests, host.open().length]).toEqual([[], 1]);
    await host.pass(200);
    expect(host.requests[0]).toContain(`${CHANNEL}?offset=now`);
    await host.pass(2 * MINUTE_MS);
    expect(host.wires.length).toBeGreaterThan(3);
    const wire = await opened();
    expect(asked(wire, 'subscribe')).toHaveLength(1);
    wire.answer('subscribe', { type: 'subscribed', offset: offsetAt(0) });
    await settled();
    expect(transports).toEqual(['websocket']);
  });

  test('a frame before "subscribed" is delivered', async () => {
    const subscription = subscribe();
    const wire = await opened();
    wire.say(frame(7, 8, 'early'));
    wire.answer('subscribe', { type: 'subscribed', offset: offsetAt(7) });
    await settled();
    wire.say(frame(7, 8, 'early'));
    wire.say(frame(8, 9, 'then'));
    expect([seen, subscription.offset, host.requests]).toEqual([['early', 'then'], offsetAt(9), []]);
  });
});

describe('a working socket', () => {
  test.each([0, 0.999])('is replaced within two hours, after the next one is open (%d)', async (random) => {
    host = stillHost(() => random);
    subscribe();
    const old = await live();
    old.say(frame(0, 1, 'a'));
    while (host.wires.length === 1 && host.now() < 120 * MINUTE_MS) await host.pass(2_000);
    expect(host.now() / MINUTE_MS).toBeGreaterThanOrEqual(100);
    expect(host.now() / MINUTE_MS).toBeLessThanOrEqual(116);
    const next = await opened();
    expect([asked(next, 'subscribe'), old.isClosed()]).toMatchObject([[{ offset: offsetAt(1) }], false]);
    old.say(frame(1, 2, 'b'));
    next.answer('subscribe', { type: 'subscribed', offset: offsetAt(1) });
    next.say(frame(1, 2, 'b'));
    next.say(frame(2, 3, 'c'));
    old.say(frame(2, 3, 'c'));
    await host.pass(15_000);
    expect([seen, old.isClosed(), next.isClosed(), host.wires.length]).toEqual([
      ['a', 'b', 'c'],
      true,
      false,
      2,
    ]);
    expect(host.requests).toEqual([]);
  });

  test('stays if its replacement fails, and the replacement is tried again', async () => {
    subscribe();
    const old = await live();
    for (let minutes = 0; minutes < 112; minutes++) await host.pass(MINUTE_MS);
    expect([host.wires.length > 2, old.isClosed()]).toEqual([true, false]);
    old.say(frame(0, 1, 'still'));
    expect(seen).toEqual(['still']);
  });

  test('a gap is read over HTTP, and later frames follow', async () => {
    host.respond = () =>
      Response.json(['b'], { headers: { 'Stream-Next-Offset': offsetAt(2), 'Stream-Up-To-Date': 'true' } });
    subscribe();
    const wire = await live();
    wire.say(frame(0, 1, 'a'));
    wire.say(frame(2, 3, 'c'));
    wire.say(frame(3, 4, 'd'));
    await settled();
    expect(seen).toEqual(['a', 'b', 'c', 'd']);
    expect(host.requests).toEqual([`https://hub.example/channels/${CHANNEL}?offset=${offsetAt(1)}`]);
  });
});

describe('two subscriptions to one channel', () => {
  const listen = (offset: string) => {
    const mine: unknown[] = [];
    hub.subscribe(CHANNEL, { offset, onMessages: ({ messages }) => void mine.push(...messages) });
    return mine;
  };
  const pageOf = (next: number, ...messages: unknown[]) =>
    Response.json(messages, {
      headers: { 'Stream-Next-Offset': offsetAt(next), 'Stream-Up-To-Date': 'true' },
    });

  test('each begins at its own offset', async () => {
    subscribe(CHANNEL, offsetAt(2));
    const wire = await opened();
    const fromStart = listen('-1');
    wire.say(frame(2, 3, 'c'));
    const later = Promise.withResolvers<Response>();
    host.respond = () => later.promise;
    wire.answer('subscribe', { type: 'subscribed', offset: offsetAt(2) });
    await settled();
    const fromNow = listen('now');
    wire.say(frame(3, 4, 'd'));
    host.respond = () => pageOf(4);
    later.resolve(pageOf(3, 'a', 'b', 'c'));
    await host.pass(5_000);
    wire.say(frame(4, 5, 'e'));
    expect([seen, fromStart, fromNow.at(-1)]).toEqual([['c', 'd', 'e'], ['a', 'b', 'c', 'd', 'e'], 'e']);
    expect(asked(wire, 'subscribe')).toHaveLength(1);
  });

  test('one that begins at now does not get the history of the other', async () => {
    host.respond = () => pageOf(1);
    subscribe(CHANNEL, '-1');
    const fromNow = listen('now');
    const wire = await opened();
    expect(asked(wire, 'subscribe')).toMatchObject([{ offset: '-1' }]);
    wire.say(frame(0, 1, 'old'));
    wire.answer('subscribe', { type: 'subscribed', offset: offsetAt(0) });
    await settled();
    wire.say(frame(1, 2, 'new'));
    expect([seen, fromNow]).toEqual([['old', 'new'], ['new']]);
  });

  test('one that comes while there is no socket uses the next transport at once', async () => {
    host.respond = () => new Response('no', { status: 500 });
    subscribe();
    await settled();
    host.wires[0]?.end();
    await settled();
    host.respond = () => new Promise<Response>(() => {});
    const before = host.requests.length;
    listen('-1');
    expect(host.requests.slice(before)).toEqual([]);
    await settled();
    expect(host.requests.slice(before)).toEqual([`https://hub.example/channels/${CHANNEL}?offset=-1`]);
  });
});

describe('refusals of the hub', () => {
  test('after a token has ended, a new one is requested once, for a new socket', async () => {
    let count = 0;
    subscribe(CHANNEL, 'now', { token: () => `t${count++}` });
    const wire = await live();
    wire.say({ type: 'error', code: 'unauthorized', message: 'it ended', channel: CHANNEL });
    const next = await opened();
    expect([next.protocols[1], asked(next, 'subscribe').length]).toEqual(['bearer.t1', 1]);
    next.answer('subscribe', { type: 'error', code: 'unauthorized', message: 'so did this' });
    await settled();
    expect([errors.map(({ code, status }) => [code, status]), seen]).toEqual([[['unauthorized', 401]], []]);
  });

  test('after a string token is refused, the subscription ends', async () => {
    subscribe(CHANNEL, 'now', { token: 't' });
    const wire = await live();
    wire.say({ type: 'error', code: 'unauthorized', message: 'it ended', channel: CHANNEL });
    await host.pass(1_000);
    expect(errors.map(({ code }) => code)).toEqual(['unauthorized']);
    expect(host.wires).toHaveLength(1);
  });

  test('a subscription above the limit uses the next transport', async () => {
    host.respond = () => new Promise<Response>(() => {});
    subscribe();
    const wire = await opened();
    wire.answer('subscribe', { type: 'error', code: 'too_many_subscriptions', message: '100' });
    await settled();
    expect([host.requests.length, errors]).toEqual([1, []]);
    await host.pass(61_000);
    expect(asked(wire, 'subscribe')).toHaveLength(2);
  });

  test('an unsubscribe that is refused is not repeated', async () => {
    const subscription = subscribe();
    const wire = await live();
    subscription.close();
    wire.answer('unsubscribe', { type: 'error', code: 'bad_request', message: 'no' });
    await host.pass(1_000);
    expect(asked(wire, 'unsubscribe')).toHaveLength(1);
  });

  test('a closed client refuses new subscriptions', async () => {
    const first = subscribe();
    hub.close();
    for (const channel of [CHANNEL, 'chat/*'])
      await expect(hub.messages(channel).next()).rejects.toThrow('closed');
    expect([first.offset, errors]).toEqual(['now', []]);
  });

  test('of two subscriptions at different offsets, only the one whose history is gone ends', async () => {
    const first = subscribe(CHANNEL, offsetAt(1));
    hub.subscribe(CHANNEL, {
      offset: offsetAt(5),
      onMessages: ({ messages }) => void seen.push(...messages),
    });
    const wire = await opened();
    expect(asked(wire, 'subscribe')).toMatchObject([{ offset: offsetAt(1) }]);
    wire.answer('subscribe', { type: 'error', code: 'offset_gone', message: 'gone' });
    await host.pass(0);
    expect(errors.map(({ code }) => code)).toEqual(['offset_gone']);
    expect(asked(wire, 'subscribe').at(-1)).toMatchObject({ offset: offsetAt(5) });
    wire.answer('subscribe', { type: 'subscribed', offset: offsetAt(5) });
    await settled();
    wire.say(frame(5, 6, 'x'));
    expect([seen, first.offset]).toEqual([['x'], offsetAt(1)]);
  });
});
