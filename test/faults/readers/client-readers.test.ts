/**
 * The client reads a real hub behind proxies that answer instead of the hub, on slow lines, and behind proxies that buffer answers.
 * @module
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectOver } from '../../../client/connect.ts';
import { connect, type Hub, type Transport } from '../../../client/index.ts';
import { keysOfLocalHub } from '../../../scripts/hub/hub-keys.ts';
import { type RunningHub, startHub } from '../../../scripts/hub/local-hub.ts';
import { mint } from '../../../scripts/mint.ts';
import { type FrontAnswer, startProxy, type TestProxy } from '../../support/client/proxy.ts';
import { scaledHost } from '../../support/client/scaled-host.ts';
import { saveGrants } from '../../support/wire/grants.ts';
import { type Caller, callerAt, newChannel } from '../../support/wire/wire.ts';

let running: RunningHub;
let hub: Caller;
beforeAll(async () => {
  running = await startHub();
  hub = callerAt(running.stack.url, { Authorization: `Bearer ${running.token}` });
});
afterAll(async () => {
  await saveGrants('client-readers', running.stack.control);
  await running.close();
});

const READERS = ['poll', 'long-poll', 'sse'] as const;

interface Seen {
  readonly messages: unknown[];
  readonly errors: string[];
  readonly transports: string[];
}

function see(client: Hub, channel: string, onEnd?: () => void): Seen {
  const seen: Seen = { messages: [], errors: [], transports: [] };
  client.subscribe(channel, {
    offset: '-1',
    onMessages: ({ messages }) => void seen.messages.push(...messages),
    onError: ({ code }) => void seen.errors.push(code),
    onTransport: (name) => void seen.transports.push(name),
    onEnd,
  });
  return seen;
}

const clientAt = (proxy: TestProxy, transports: readonly Transport[]): Hub =>
  connect({ url: proxy.url, token: running.token, transports });

const HTML = { 'Content-Type': 'text/html' };
const json = (body: unknown) => ({
  headers: { 'Content-Type': 'application/json' },
  body: JSON.stringify(body),
});
const FRONTS: Readonly<Record<string, (path: string) => FrontAnswer>> = {
  '403 of a firewall': () => ({ status: 403, headers: HTML, body: '<h1>Blocked</h1>' }),
  '401 of a captive portal': () => ({ status: 401, headers: HTML, body: '<h1>Sign in</h1>' }),
  '404 of a proxy': () => ({ status: 404, headers: HTML, body: '<h1>Not found</h1>' }),
  '200 html': () => ({ status: 200, headers: HTML, body: '<h1>Welcome</h1>' }),
  '200 JSON without an offset': () => ({ status: 200, ...json([]) }),
  '404 JSON of another form': () => ({ status: 404, ...json({ message: 'Not Found' }) }),
  'a redirect to a login page': (path) =>
    path.startsWith('/login')
      ? { status: 200, headers: HTML, body: '<form>Name</form>' }
      : { status: 302, headers: { Location: '/login' } },
  'an event stream that is not the hub’s': () => ({
    status: 200,
    headers: { 'Content-Type': 'text/event-stream' },
    body: 'data: maintenance\n\n',
  }),
};

test('an answer of a proxy ends no subscription, on any transport', async () => {
  const readings = await Promise.all(
    Object.entries(FRONTS).flatMap(([name, front]) =>
      READERS.map(async (transport) => {
        const channel = newChannel();
        const proxy = await startProxy(running.stack.url);
        const client = clientAt(proxy, [transport]);
        return { name: `${transport}, ${name}`, front, channel, proxy, client, seen: see(client, channel) };
      }),
    ),
  );
  const publish = (message: string) =>
    Promise.all(readings.map(({ channel }) => hub.publish(channel, message)));
  const state = () => readings.map(({ name, seen: { messages, errors } }) => [name, messages, errors]);
  const all = (...messages: readonly string[]) => readings.map(({ name }) => [name, messages, []]);
  await publish('before');
  await expect.poll(state).toEqual(all('before'));
  const fronted = readings.map(({ proxy, front }) => {
    proxy.front = (_method, path) => front(path);
    proxy.cut();
    return proxy.came.length;
  });
  await publish('meanwhile');
  // Each gets such an answer a few times, which takes about ten seconds, and does not retry without pause.
  const met = () => readings.map(({ proxy }, at) => proxy.came.length - (fronted[at] ?? 0));
  const began = performance.now();
  await expect.poll(() => Math.min(...met()), { timeout: 40_000 }).toBeGreaterThanOrEqual(3);
  const seconds = (performance.now() - began) / 1_000;
  expect(Math.max(...met())).toBeLessThan(10 + 3 * seconds);
  for (const { proxy } of readings) proxy.front = undefined;
  expect(state()).toEqual(all('before'));
  await publish('after');
  await expect.poll(state, { timeout: 40_000 }).toEqual(all('before', 'meanwhile', 'after'));
  for (const { client } of readings) client.close();
  await Promise.all(readings.map(({ proxy }) => proxy.close()));
});

test.each(READERS)('by %s, 60 messages of 20 KB on a line of 15 KB/s arrive', async (transport) => {
  const channel = newChannel();
  const messages = Array.from({ length: 60 }, (_, at) => `${at}:${'x'.repeat(20_000)}`);
  for (const message of messages) await hub.publish(channel, message);
  const host = scaledHost();
  const proxy = await startProxy(running.stack.url, host);
  proxy.bytesPerSecond = 15_000;
  const client = connectOver(host, { url: proxy.url, token: running.token, transports: [transport] });
  const began = host.now();
  const seen = see(client, channel);
  await expect.poll(() => seen.messages.length, { interval: 20 }).toBe(60);
  const seconds = (host.now() - began) / 1_000;
  expect(seen).toMatchObject({ messages, errors: [] });
  // The line needs 80 s for them, so they did not take another way.
  expect(seconds).toBeGreaterThan(75);
  client.close();
  await proxy.close();
});

test('by one socket, which stays open although a publish waits behind them', async () => {
  const channel = newChannel();
  const messages = Array.from({ length: 60 }, (_, at) => `${at}:${'x'.repeat(20_000)}`);
  for (const message of messages) await hub.publish(channel, message);
  const host = scaledHost();
  const proxy = await startProxy(running.stack.url, host);
  proxy.bytesPerSecond = 15_000;
  const client = connectOver(host, { url: proxy.url, token: running.token, transports: ['websocket'] });
  const seen = see(client, channel);
  await expect.poll(() => seen.messages.length, { interval: 20 }).toBeGreaterThan(0);
  // Its answer, and the pong of the ping that follows, come after 80 s.
  await client.publish(newChannel(), ['x']);
  await expect.poll(() => seen.messages.length, { interval: 20 }).toBe(60);
  expect(seen).toMatchObject({ messages, errors: [] });
  expect(proxy.came.filter((request) => request.startsWith('UPGRADE'))).toHaveLength(1);
  client.close();
  await proxy.close();
});

describe('eight channels', () => {
  test('by one stream, which is cut several times', async () => {
    const channels = Array.from({ length: 8 }, () => newChannel());
    const proxy = await startProxy(running.stack.url);
    const client = clientAt(proxy, ['sse']);
    const all = channels.map((channel) => see(client, channel));
    const rounds = [0, 1, 2, 3, 4, 5];
    for (const round of rounds) {
      await Promise.all(channels.map((channel) => hub.publish(channel, round)));
      if (round % 2 === 1) proxy.cut();
      await expect.poll(() => all.map(({ messages }) => messages.at(-1))).toEqual(channels.map(() => round));
    }
    expect(all.map(({ messages, errors }) => [messages, errors])).toEqual(channels.map(() => [rounds, []]));
    // Three streams were cut, and one or two more begin before all messages have arrived.
    expect(proxy.came.filter((request) => request.startsWith('GET /events')).length).toBeLessThan(8);
    client.close();
    await proxy.close();
  });

  test('of which one is forbidden, one is deleted and one is closed: the others continue', async () => {
    const channels = Array.from({ length: 8 }, () => newChannel());
    const [forbidden = '', deleted = '', closed = '', ...others] = channels;
    const keys = await keysOfLocalHub(running.stack);
    const capability = Object.fromEntries(
      channels.filter((name) => name !== forbidden).map((name) => [name, ['subscribe'] as const]),
    );
    const token = await mint({ ...keys, capability, ttlSeconds: 600 });
    const client = connect({ url: running.stack.url, token, transports: ['sse'] });
    const ends: string[] = [];
    const all = new Map(channels.map((channel) => [channel, see(client, channel, () => ends.push(channel))]));
    const state = (name: string) => [all.get(name)?.messages, all.get(name)?.errors];
    await expect.poll(() => state(forbidden)).toEqual([[], ['forbidden']]);
    for (const channel of [deleted, closed, ...others]) await hub.publish(channel, 1);
    for (const channel of [deleted, closed, ...others])
      await expect.poll(() => state(channel)).toEqual([[1], []]);
    await hub.request(`/channels/${deleted}`, { method: 'DELETE' });
    await expect.poll(() => state(deleted)).toEqual([[1], ['offset_gone']]);
    await hub.request(`/channels/${closed}`, { method: 'POST', headers: { 'Stream-Closed': 'true' } });
    await expect.poll(() => ends).toEqual([closed]);
    await hub.publish(deleted, 'of the next channel of that name');
    for (const channel of others) await hub.publish(channel, 2);
    for (const channel of others) await expect.poll(() => state(channel)).toEqual([[1, 2], []]);
    expect([state(forbidden), state(deleted), state(closed)]).toEqual([
      [[], ['forbidden']],
      [[1], ['offset_gone']],
      [[1], []],
    ]);
    client.close();
  });

  test('text, bytes and JSON on one stream arrive as they were published', async () => {
    const [text, bytes, json] = [newChannel(), newChannel(), newChannel()];
    const create = (channel: string, type: string) =>
      hub.request(`/channels/${channel}`, { method: 'PUT', headers: { 'Content-Type': type } });
    const publish = (channel: string, type: string, body: string | Uint8Array<ArrayBuffer>) =>
      hub.request(`/channels/${channel}`, { method: 'POST', headers: { 'Content-Type': type }, body });
    await create(text, 'text/plain');
    await create(bytes, 'application/octet-stream');
    const client = connect({ url: running.stack.url, token: running.token, transports: ['sse'] });
    const all = [text, bytes, json].map((channel) => see(client, channel));
    await expect.poll(() => all.map(({ transports }) => transports)).toEqual([['sse'], ['sse'], ['sse']]);
    const lines = '\ufeffone\r\ntwo\rthree\n\nfour';
    for (const body of [lines, 'next']) await publish(text, 'text/plain', body);
    for (const body of [[0, 255, 13, 10], [7]])
      await publish(bytes, 'application/octet-stream', new Uint8Array(body));
    await hub.publish(json, { a: lines }, null);
    await expect
      .poll(() => all.map(({ messages, errors }) => [messages, errors]))
      .toEqual([
        [[lines, 'next'], []],
        [['AP8NCg==', 'Bw=='], []],
        [[{ a: lines }, null], []],
      ]);
    client.close();
  });

  test('behind a proxy that buffers streams: by long polling and short polling', async () => {
    const channels = Array.from({ length: 8 }, () => newChannel());
    const proxy = await startProxy(running.stack.url);
    proxy.isBuffering = true;
    const client = clientAt(proxy, ['sse', 'long-poll']);
    const all = channels.map((channel) => see(client, channel));
    await expect
      .poll(() => all.map(({ transports }) => transports))
      .toEqual(channels.map(() => ['long-poll']));
    await Promise.all(channels.map((channel) => hub.publish(channel, 'heard')));
    await expect
      .poll(() => all.map(({ messages, errors }) => [messages, errors]))
      .toEqual(channels.map(() => [['heard'], []]));
    client.close();
    await proxy.close();
  });
});
