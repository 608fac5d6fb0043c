/**
 * The wake socket: opened for the first held request, checked after a freeze, replaced if it is dead.
 * @module
 */
import { jwtVerify } from 'jose';
import { expect, onTestFinished, test } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import { wakeSocketTo } from '../../../lambda/aws/sockets/wake-socket.ts';
import { ephemeralText } from '../../../lambda/hub/ephemeral/post-ephemeral.ts';
import { newsText } from '../../../lambda/hub/hold/news.ts';

const KEY = Buffer.alloc(64, 'k');

interface Hub {
  readonly url: string;
  readonly sockets: WebSocket[];
  readonly pings: () => number;
  readonly tokens: string[];
  /** False: the server does not answer any more, as if it had forgotten the connection. */
  answers: boolean;
}

async function hubOf(): Promise<Hub> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await new Promise((resolve) => server.on('listening', resolve));
  let pings = 0;
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  const hub: Hub = {
    url: `ws://127.0.0.1:${port}/ws`,
    sockets: [],
    pings: () => pings,
    tokens: [],
    answers: true,
  };
  server.on('connection', (socket, request) => {
    const id = `connection-${hub.sockets.push(socket)}=`;
    hub.tokens.push(/bearer\.([^,]+)/.exec(request.headers['sec-websocket-protocol'] ?? '')?.[1] ?? '');
    socket.on('message', () => {
      pings++;
      if (hub.answers) socket.send(JSON.stringify({ type: 'pong', connection: id }));
    });
  });
  onTestFinished(() => {
    for (const socket of hub.sockets) socket.terminate();
    server.close();
  });
  return hub;
}

function earOf(url: string) {
  const time = { now: Date.now() };
  const defects: unknown[] = [];
  const ear = wakeSocketTo({
    url,
    headers: {},
    keys: async () => [KEY],
    audience: 'tidings:dev',
    clock: () => time.now,
    logDefect: (error) => defects.push(error),
  });
  return { ear, time, defects };
}

test('opens for a held request, with a token without rights, and passes news on, but no other frame', async () => {
  const hub = await hubOf();
  const { ear } = earOf(hub.url);
  const heard: unknown[] = [];
  ear.listen((news) => heard.push(news));
  ear.listenEphemeral((news) => heard.push(news));
  expect([ear.connection(), hub.sockets.length]).toEqual([undefined, 0]);
  await expect.poll(() => ear.connection()).toBe('connection-1=');
  const { payload } = await jwtVerify(hub.tokens[0] ?? '', KEY, { audience: 'tidings:dev' });
  expect(payload).toMatchObject({ capability: {}, sub: 'tidings:hold' });
  const entry = { streamId: 's', slot: 6, time: 1, messages: ['{"n":1.0}', new Uint8Array([0, 255])] };
  const news = { channel: 'a/b', next: 7, isClosing: false, entry };
  hub.sockets[0]?.send('{"message":"Internal server error"}');
  hub.sockets[0]?.send(newsText(news));
  hub.sockets[0]?.send(ephemeralText('a/b', 'a/b', '{"n":1.0},[2]'));
  await expect.poll(() => heard).toEqual([news, { channel: 'a/b', messages: ['{"n":1.0}', '[2]'] }]);
  expect([hub.sockets.length, hub.pings()]).toEqual([1, 1]);
});

test('needs no ping while requests are held all the time', async () => {
  const hub = await hubOf();
  const { ear, time } = earOf(hub.url);
  await expect.poll(() => ear.connection()).toBe('connection-1=');
  for (let n = 0; n < 100; n++) {
    time.now += 4_000;
    expect(ear.connection()).toBe('connection-1=');
  }
  expect(hub.pings()).toBe(1);
});

test('says once that it is alive, to all that wait for it, unless they have stopped', async () => {
  const hub = await hubOf();
  const { ear } = earOf(hub.url);
  const alive: string[] = [];
  ear.onAlive(() => alive.push(`a ${ear.connection()}`));
  ear.onAlive(() => alive.push(`b ${ear.connection()}`));
  ear.onAlive(() => alive.push('c'))();
  expect([ear.connection(), alive]).toEqual([undefined, []]);
  await expect.poll(() => alive).toEqual(['a connection-1=', 'b connection-1=']);
});

test('is not used after a freeze until it has answered', async () => {
  const hub = await hubOf();
  const { ear, time } = earOf(hub.url);
  await expect.poll(() => ear.connection()).toBe('connection-1=');
  time.now += 60_000;
  expect(ear.connection()).toBeUndefined();
  const alive = new Promise<void>((resolve) => ear.onAlive(resolve));
  await alive;
  await expect.poll(() => ear.connection()).toBe('connection-1=');
  expect(hub.pings()).toBe(2);
});

test('is replaced if it does not answer after a freeze', async () => {
  const hub = await hubOf();
  const { ear, time } = earOf(hub.url);
  await expect.poll(() => ear.connection()).toBe('connection-1=');
  hub.answers = false;
  time.now += 60_000;
  expect(ear.connection()).toBeUndefined();
  time.now += 3_000;
  expect(ear.connection()).toBeUndefined();
  hub.answers = true;
  const next = () => {
    // Time passes until there is a new socket, which then has all the time that it needs.
    if (hub.sockets.length < 2) time.now += 500;
    return ear.connection();
  };
  await expect.poll(next).toBe('connection-2=');
});

test('is opened again after a pause if it is cut', async () => {
  const hub = await hubOf();
  const { ear, time } = earOf(hub.url);
  await expect.poll(() => ear.connection()).toBe('connection-1=');
  hub.sockets[0]?.terminate();
  await expect.poll(() => ear.connection()).toBeUndefined();
  expect(hub.sockets).toHaveLength(1);
  time.now += 1_000;
  await expect.poll(() => ear.connection()).toBe('connection-2=');
});
