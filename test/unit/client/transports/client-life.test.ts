/**
 * How long the client keeps its socket, with a clock that stands still: sockets that do not last, and sockets without
 * subscriptions.
 * @module
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { connectOver, type Hub } from '../../../../client/connect.ts';
import type { ConnectOptions } from '../../../../client/options.ts';
import { closeWhole, openNewest } from '../../../support/client/live-socket.ts';
import { type FakeWire, type StillHost, settled, stillHost } from '../../../support/client/still-host.ts';
import { fakeLog, offsetAt } from '../../../support/domain/fake-log.ts';

const CHANNEL = 'chat/room1';
const MINUTE_MS = 60_000;

/** How long a socket stays open without a subscription, in milliseconds. */
const IDLE_MS = 15_000;

let host: StillHost;
let hub: Hub;
beforeEach(() => {
  host = stillHost();
  connect();
});
afterEach(() => closeWhole(host, hub));

const connect = (options: Partial<ConnectOptions> = {}): Hub => {
  hub = connectOver(host, { url: 'https://hub.example', ...options });
  return hub;
};

const asked = (wire: FakeWire, action: string) => wire.said.filter((each) => each.action === action);

const opened = (): Promise<FakeWire> => openNewest(host);

async function answer(wire: FakeWire, action: 'subscribe' | 'unsubscribe'): Promise<void> {
  await settled();
  wire.answer(action, { type: `${action}d`, offset: offsetAt(0) });
  await settled();
}

describe('a socket that the hub ends with its token', () => {
  const GOODBYE = { type: 'error', code: 'unauthorized', message: 'the token of this connection has ended' };

  test('is replaced by one with a new token, at the same offset, and no callback reports an error', async () => {
    host.respond = () => new Promise<Response>(() => {});
    hub.close();
    let count = 0;
    const seen: unknown[] = [];
    connect({ token: () => `t${count++}` }).subscribe(CHANNEL, {
      onMessages: ({ messages }) => void seen.push(...messages),
      onError: (error) => void seen.push(error.code),
    });
    const wire = await opened();
    await answer(wire, 'subscribe');
    wire.say({ type: 'messages', channel: CHANNEL, from: offsetAt(0), next: offsetAt(1), messages: ['a'] });
    wire.say(GOODBYE);
    wire.end();
    await host.pass(5_000);
    const next = await opened();
    expect([next === wire, next.protocols.at(-1)]).toEqual([false, `bearer.t${count - 1}`]);
    expect(asked(next, 'subscribe')).toMatchObject([{ offset: offsetAt(1) }]);
    expect(seen).toEqual(['a']);
  });
});

describe('sockets that do not last', () => {
  /** The life of each socket, and the time between two messages, in milliseconds. */
  const LIFE_MS = 2_000;
  const STEP_MS = 1_000;
  /** The longest delay, in milliseconds: a poll every three seconds, or the first wait for another socket. */
  const WORST_MS = 5_000;

  test('the next transport delivers what comes between them', async () => {
    const born = new Map<FakeWire, number>();
    const log = fakeLog((name, from, to) => {
      for (const wire of host.open()) if (born.has(wire)) wire.say(log.frame(name, name, from, to));
    });
    /** Ends the sockets that are old enough, and opens the new ones. */
    const tend = async (): Promise<void> => {
      for (const wire of host.open()) {
        if (host.now() - (born.get(wire) ?? host.now()) >= LIFE_MS) wire.end();
        if (born.has(wire)) continue;
        wire.open();
        await settled();
        const from = String(asked(wire, 'subscribe')[0]?.offset);
        wire.answer('subscribe', { type: 'subscribed', offset: offsetAt(log.start(CHANNEL, from)) });
        const end = log.channel(CHANNEL).messages.length;
        wire.say(log.frame(CHANNEL, CHANNEL, log.start(CHANNEL, from), end));
        born.set(wire, host.now());
      }
      await settled();
    };
    host.respond = (url) => {
      const from = log.start(CHANNEL, new URL(url).searchParams.get('offset') ?? '');
      const { messages } = log.channel(CHANNEL);
      const headers = { 'Stream-Next-Offset': offsetAt(messages.length), 'Stream-Up-To-Date': 'true' };
      return Response.json(messages.slice(from), { headers });
    };
    const delays: number[] = [];
    const transports: string[] = [];
    connect({ transports: ['websocket', 'poll'] }).subscribe(CHANNEL, {
      offset: '-1',
      // Each message is the time at which it was published.
      onMessages: ({ messages }) => void delays.push(...messages.map((at) => host.now() - Number(at))),
      onTransport: (name) => void transports.push(name),
    });
    await settled();
    while (host.now() < 10 * MINUTE_MS) {
      await tend();
      log.append(CHANNEL, undefined, [host.now()]);
      await host.pass(STEP_MS);
    }
    await host.pass(WORST_MS);
    expect(delays.length).toBe(log.channel(CHANNEL).messages.length);
    expect(Math.max(...delays)).toBeLessThan(WORST_MS);
    expect([born.size > 4, transports.slice(0, 3)]).toEqual([true, ['websocket', 'poll', 'websocket']]);
  });
});

test('a socket that ends while its replacement opens is replaced once', async () => {
  connect().subscribe(CHANNEL, { onMessages() {} });
  const old = await opened();
  await answer(old, 'subscribe');
  while (host.wires.length === 1) {
    await host.pass(1_000);
  }
  // The replacement does not open in time.
  old.end();
  await host.pass(3_000);
  const next = await opened();
  await answer(next, 'subscribe');
  await host.pass(2 * MINUTE_MS);
  expect([host.wires.length, next.isClosed(), asked(next, 'subscribe').length]).toEqual([3, false, 1]);
});

describe('a socket without subscriptions', () => {
  const listen = (channel: string) => hub.subscribe(channel, { onMessages() {} });

  test('is closed, with all timers, so that a process can end', async () => {
    connect();
    const subscription = listen(CHANNEL);
    const wire = await opened();
    await answer(wire, 'subscribe');
    subscription.close();
    await answer(wire, 'unsubscribe');
    await host.pass(IDLE_MS - 1);
    expect(wire.isClosed()).toBe(false);
    await host.pass(1);
    expect([wire.isClosed(), host.timers(), host.wires.length]).toEqual([true, 0, 1]);
    listen(CHANNEL);
    await opened();
    expect([host.wires.length, host.requests]).toEqual([2, []]);
  });

  test('is closed after a loop has ended', async () => {
    const left = (async () => {
      for await (const batch of connect().messages(CHANNEL)) return batch.messages;
      return undefined;
    })();
    const wire = await opened();
    await answer(wire, 'subscribe');
    wire.say({ type: 'messages', channel: CHANNEL, from: offsetAt(0), next: offsetAt(1), messages: ['a'] });
    expect(await left).toEqual(['a']);
    await answer(wire, 'unsubscribe');
    await host.pass(IDLE_MS);
    expect([wire.isClosed(), host.timers()]).toEqual([true, 0]);
  });

  test('stays open for a page that changes channels often', async () => {
    connect();
    let subscription = listen(CHANNEL);
    const wire = await opened();
    await answer(wire, 'subscribe');
    for (let change = 1; change < 5; change++) {
      await host.pass(IDLE_MS / 3);
      subscription.close();
      await answer(wire, 'unsubscribe');
      await host.pass(IDLE_MS - 1);
      subscription = listen(`chat/${change}`);
      await answer(wire, 'subscribe');
    }
    await host.pass(2 * IDLE_MS);
    expect([wire.isClosed(), host.wires.length]).toEqual([false, 1]);
  });

  test('stays open for a subscription that comes at the last moment', async () => {
    connect();
    const first = listen(CHANNEL);
    const wire = await opened();
    await answer(wire, 'subscribe');
    first.close();
    await answer(wire, 'unsubscribe');
    await host.pass(1_000);
    const second = listen('chat/2');
    await answer(wire, 'subscribe');
    await host.pass(IDLE_MS - 1_500);
    second.close();
    await answer(wire, 'unsubscribe');
    await host.pass(1_000);
    expect(wire.isClosed()).toBe(false);
  });

  test('is closed if it opens after the last subscription has ended', async () => {
    const token = Promise.withResolvers<string>();
    connect({ token: () => token.promise });
    listen(CHANNEL).close();
    await host.pass(IDLE_MS + 1_000);
    token.resolve('t');
    const wire = await opened();
    await host.pass(IDLE_MS);
    expect([wire.isClosed(), host.timers()]).toEqual([true, 0]);
  });
});
