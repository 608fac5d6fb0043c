/**
 * The client through a proxy that stalls, cuts, slows down, answers in place of the hub and sleeps. Connections are
 * real, and time passes faster. The exact times are tested in client-link and client-life, where the clock stands
 * still.
 * @module
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { connectOver, type Hub } from '../../../../client/connect.ts';
import type { ConnectOptions } from '../../../../client/options.ts';
import { type FakeHub, fakeHub } from '../../../support/client/fake-hub.ts';
import { type FrontAnswer, startProxy, type TestProxy } from '../../../support/client/proxy.ts';
import { eventually, type ScaledHost, scaledHost } from '../../../support/client/scaled-host.ts';

const CHANNEL = 'chat/room1';

let fake: FakeHub;
let proxy: TestProxy;
let host: ScaledHost;
let hub: Hub;
beforeEach(async () => {
  fake = await fakeHub();
  host = scaledHost();
  proxy = await startProxy(fake.url, host);
});
afterEach(async () => {
  hub.close();
  await expect.poll(() => host.timers()).toBe(0);
  await proxy.close();
  await fake.close();
});

const open = (options: Partial<ConnectOptions> = {}): Hub => {
  hub = connectOver(host, { url: proxy.url, ...options });
  return hub;
};

function see(channel = CHANNEL) {
  const seen: { readonly messages: unknown[]; readonly errors: string[]; readonly states: string[] } = {
    messages: [],
    errors: [],
    states: [],
  };
  hub.subscribe(channel, {
    onMessages: ({ messages }) => void seen.messages.push(...messages),
    onError: ({ code }) => void seen.errors.push(code),
    onState: (now) => void seen.states.push(now.state === 'connected' ? now.transport : now.state),
  });
  return seen;
}

const numbers = Array.from({ length: 12 }, (_, at) => at);

/** Subscribes, and waits until a message comes by the first transport. */
async function live(options: Partial<ConnectOptions> = {}) {
  open(options);
  const seen = see();
  await eventually(() => expect(seen.states).toContain(options.transports?.[0] ?? 'websocket'));
  fake.append(CHANNEL, 'first');
  await eventually(() => expect(seen.messages).toEqual(['first']));
  return seen;
}

/** Waits until the check passes. Returns how long it took by the clock of the host, in milliseconds. */
async function timeUntil(check: () => void): Promise<number> {
  const began = host.now();
  await eventually(check);
  return host.now() - began;
}

describe('a message arrives', () => {
  /**
   * Twice the promised time, in milliseconds: the machine of the test may be busy, and a second here is a fortieth of a
   * real one.
   */
  const SOON_MS = 120_000;

  test('through a proxy that stops all bytes and closes no connection', async () => {
    const seen = await live();
    proxy.forget();
    fake.append(CHANNEL, 'second');
    expect(await timeUntil(() => expect(seen.messages).toEqual(['first', 'second']))).toBeLessThan(SOON_MS);
    expect([seen.errors, seen.states.includes('reconnecting')]).toEqual([[], true]);
  });

  test('after a stall that also stopped new connections', async () => {
    const seen = await live();
    proxy.stall();
    fake.append(CHANNEL, 'second');
    await eventually(() => expect(seen.states).toContain('offline'));
    proxy.resume();
    await eventually(() => expect(seen.messages).toEqual(['first', 'second']));
    expect(seen.errors).toEqual([]);
  });

  test.each([60_000, 85_000])('soon after the machine has slept for %d ms', async (ms) => {
    const seen = await live();
    proxy.forget();
    host.sleep(ms);
    fake.append(CHANNEL, 'second');
    const took = await timeUntil(() => expect(seen.messages).toEqual(['first', 'second']));
    // Without the test of the socket after waking it would take as long as through the proxy above.
    expect(took).toBeLessThan(35_000);
  });

  test.each<[string, FrontAnswer]>([
    ['403 html', { status: 403, headers: { 'Content-Type': 'text/html' }, body: '<p>no</p>' }],
    ['401 of its own', { status: 401, headers: { 'WWW-Authenticate': 'Basic' } }],
    ['404 JSON', { status: 404, headers: { 'Content-Type': 'application/json' }, body: '{"message":"no"}' }],
    ['503', { status: 503, headers: { 'Content-Type': 'text/html' }, body: 'maintenance' }],
  ])('after a proxy answered %s for ten seconds', async (_name, answer) => {
    const seen = await live();
    proxy.front = () => answer;
    proxy.cut();
    fake.append(CHANNEL, 'second');
    const until = host.now() + 10_000;
    await eventually(() => expect(host.now()).toBeGreaterThan(until));
    proxy.front = undefined;
    await eventually(() => expect(seen.messages).toEqual(['first', 'second']));
    expect(seen.errors).toEqual([]);
  });
});

describe('a publish', () => {
  test.each<[string, FrontAnswer]>([
    ['200 html', { status: 200, headers: { 'Content-Type': 'text/html' }, body: '<p>sign in</p>' }],
    ['204', { status: 204 }],
    ['200 with an offset of its own', { status: 200, headers: { 'Stream-Next-Offset': '99' }, body: 'ok' }],
    ['a redirect to a login page', { status: 302, headers: { Location: '/login' } }],
    ['a redirect that keeps the method', { status: 307, headers: { Location: '/login' } }],
    ['403 html', { status: 403, headers: { 'Content-Type': 'text/html' }, body: '<p>no</p>' }],
  ])('is stored after a proxy answered %s', async (_name, answer) => {
    open();
    let count = 0;
    proxy.front = () => (count++ < 3 ? answer : undefined);
    expect(await hub.publish(CHANNEL, ['x'])).toEqual({ offset: '0000000000010000' });
    expect([fake.log(CHANNEL), count]).toEqual([['x'], 4]);
    expect(new Set(proxy.came)).toEqual(new Set([`POST /channels/${CHANNEL}`]));
  });

  test('that only a proxy answers is not acknowledged', async () => {
    open();
    proxy.front = () => ({ status: 200, headers: { 'Content-Type': 'text/html' }, body: 'sign in' });
    await expect(hub.publish(CHANNEL, ['x'])).rejects.toThrow(/unknown whether the messages were stored/);
    expect(fake.log(CHANNEL)).toEqual([]);
  });

  test('is stored once when the answer is lost, on a socket and over HTTP', async () => {
    const seen = await live();
    proxy.stall('down');
    const published = hub.publish(CHANNEL, ['x']);
    await eventually(() => expect(fake.asked).toContain('say publish'));
    await eventually(() => expect(fake.asked).toContain('post'));
    proxy.resume();
    await published;
    expect(fake.log(CHANNEL)).toEqual(['first', 'x']);
    await eventually(() => expect(seen.messages).toEqual(['first', 'x']));
  });

  test.each<[string, Partial<ConnectOptions>]>([
    ['sockets', {}],
    ['HTTP', { transports: ['poll'] }],
  ])('keeps its order while connections are cut, over %s', async (_name, options) => {
    const seen = await live(options);
    const published = numbers.map((at) => hub.publish(CHANNEL, [at]));
    for (const at of [2, 5, 8]) {
      await published[at];
      proxy.cut();
    }
    await Promise.all(published);
    expect(fake.log(CHANNEL)).toEqual(['first', ...numbers]);
    await eventually(() => expect(seen.messages).toEqual(['first', ...numbers]));
  });

  test('keeps its order when the socket ends between publishes', async () => {
    const seen = await live();
    await hub.publish(CHANNEL, [0]);
    const published = numbers.slice(1).map((at) => hub.publish(CHANNEL, [at]));
    proxy.forget();
    await Promise.all(published);
    expect(fake.log(CHANNEL)).toEqual(['first', ...numbers]);
    await eventually(() => expect(seen.messages).toEqual(['first', ...numbers]));
  });
});

test('a pattern gets unauthorized when its token has expired, though a handshake does not show it', async () => {
  fake.tokens = ['good'];
  open({ token: 'expired' });
  const seen = see('chat/*');
  await eventually(() => expect(seen.errors.at(-1)).toBe('unauthorized'));
  expect(proxy.came).toContain('UPGRADE /ws');
});
