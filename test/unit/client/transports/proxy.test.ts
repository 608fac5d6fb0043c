/**
 * The proxy of the client's tests works, so that a test through it can fail.
 * @module
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { connect, type Hub } from '../../../../client/index.ts';
import { type FakeHub, fakeHub } from '../../../support/client/fake-hub.ts';
import { startProxy, type TestProxy } from '../../../support/client/proxy.ts';
import { eventually } from '../../../support/client/scaled-host.ts';

const CHANNEL = 'chat/room1';

let fake: FakeHub;
let proxy: TestProxy;
let hub: Hub;
beforeEach(async () => {
  fake = await fakeHub();
  proxy = await startProxy(fake.url);
  hub = connect({ url: proxy.url });
});
afterEach(async () => {
  hub.close();
  await proxy.close();
  await fake.close();
});

/** Subscribes, and waits until the socket works. */
async function live() {
  const seen: { readonly messages: unknown[] } = { messages: [] };
  hub.subscribe(CHANNEL, { onMessages: ({ messages }) => void seen.messages.push(...messages) });
  await eventually(() => expect(fake.asked).toContain('say subscribe'));
  fake.append(CHANNEL, 'first');
  await eventually(() => expect(seen.messages).toEqual(['first']));
  return seen;
}

/** Returns the body of a read through the proxy. */
const body = async (signal?: AbortSignal) =>
  await (await fetch(`${proxy.url}/channels/${CHANNEL}?offset=-1`, { signal: signal ?? null })).text();
const direct = () => fetch(`${fake.url}/channels/${CHANNEL}?offset=-1`);

test('passes requests and sockets, and records them', async () => {
  await live();
  expect(await body()).toBe('["first"]');
  await hub.publish(CHANNEL, ['x'.repeat(100_000)]);
  const at = `/channels/${CHANNEL}`;
  expect(proxy.came).toEqual(['UPGRADE /ws', `GET ${at}?offset=-1`, `POST ${at}`]);
  expect(fake.log(CHANNEL)).toEqual(['first', 'x'.repeat(100_000)]);
});

test.each([
  ['up', ['poll']],
  ['down', ['poll', 'poll']],
] as const)('stalls %s, and closes no connection', async (direction, asked) => {
  proxy.stall(direction);
  const answered: string[] = [];
  const waiting = body().then((text) => answered.push(text));
  await eventually(() => expect(proxy.came).toHaveLength(1));
  if (direction === 'down') await eventually(() => expect(fake.asked).toHaveLength(1));
  await direct();
  expect([answered, fake.asked, proxy.connections()]).toEqual([[], [...asked], 1]);
  proxy.resume();
  await waiting;
  expect(answered).toEqual(['[]']);
});

test('passes no more bytes of open connections, and passes new ones', async () => {
  const seen = await live();
  proxy.forget();
  fake.append(CHANNEL, 'second');
  expect(await body()).toBe('["first","second"]');
  expect([seen.messages, fake.sockets(), proxy.connections() > 0]).toEqual([['first'], 1, true]);
});

test('cuts all connections', async () => {
  proxy.stall('down');
  const failed = expect(body()).rejects.toThrow('fetch failed');
  await eventually(() => expect(fake.asked).toEqual(['poll']));
  proxy.cut();
  await failed;
});

test('buffers a stream until its end', async () => {
  const begun: (() => void)[] = [];
  const server = createServer((_request, response) => {
    response.write('begun, ');
    begun.push(() => void response.end('ended'));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  const buffering = await startProxy(`http://127.0.0.1:${port}`);
  buffering.isBuffering = true;
  let hasAnswered = false;
  const answer = fetch(buffering.url).finally(() => {
    hasAnswered = true;
  });
  await eventually(() => expect(begun).toHaveLength(1));
  await body();
  expect(hasAnswered).toBe(false);
  begun[0]?.();
  expect(await (await answer).text()).toBe('begun, ended');
  await buffering.close();
  server.close();
});

test('limits the rate of all answers together', async () => {
  fake.append(CHANNEL, 'x'.repeat(20_000));
  proxy.bytesPerSecond = 200_000;
  const began = performance.now();
  const bodies = await Promise.all([body(), body()]);
  expect(bodies.map(({ length }) => length)).toEqual([20_004, 20_004]);
  expect(performance.now() - began).toBeGreaterThanOrEqual(195);
});

test('answers in place of the hub, also upgrades', async () => {
  proxy.front = () => ({ status: 403, headers: { 'Content-Type': 'text/html' }, body: '<p>no</p>' });
  expect(await body()).toBe('<p>no</p>');
  const upgraded = await fetch(`${proxy.url}/ws`);
  expect([upgraded.status, fake.asked]).toEqual([403, []]);
  const socket = new WebSocket(`${proxy.url.replace('http', 'ws')}/ws`);
  await new Promise((resolve) => socket.addEventListener('error', resolve));
  expect([proxy.came.at(-1), fake.asked]).toEqual(['UPGRADE /ws', []]);
});
