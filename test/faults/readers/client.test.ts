/**
 * The client against a hub in chaos mode, whose sockets are cut now and then: from Node, and in a real browser.
 * @module
 */
import chromium from '@sparticuz/chromium';
import { build } from 'esbuild';
import { type Browser, chromium as playwright } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect } from '../../../client/index.ts';
import { chaosMode } from '../../../local/faults/chaos.ts';
import { type RunningHub, startHub } from '../../../scripts/hub/local-hub.ts';
import { type FrontAnswer, startProxy } from '../../support/client/proxy.ts';
import { saveGrants } from '../../support/wire/grants.ts';
import { type Caller, callerAt, newChannel } from '../../support/wire/wire.ts';

const SEED = Number(process.env.FUZZ_SEED ?? Date.now() % 1_000_000);
const numbers = (to: number) => Array.from({ length: to }, (_, at) => at);

let running: RunningHub;
let hub: Caller;
beforeAll(async () => {
  running = await startHub({ chaos: chaosMode(SEED) });
  hub = callerAt(running.stack.url, { Authorization: `Bearer ${running.token}` });
});
afterAll(async () => {
  await saveGrants('client', running.stack.control);
  await running.close();
});

const cutSockets = () => fetch(`${running.stack.control}/connections`, { method: 'DELETE' });

test('in Node gets every message once and in order, while its sockets are cut', async () => {
  const channel = newChannel();
  const client = connect({ url: running.stack.url, token: running.token });
  const taken: unknown[] = [];
  const errors: unknown[] = [];
  client.subscribe(channel, {
    offset: '-1',
    onMessages: ({ messages }) => taken.push(...messages),
    onError: (error) => errors.push(error),
  });
  for (const n of numbers(120)) {
    if (n % 30 === 10) await cutSockets();
    await client.publish(channel, [n]);
  }
  await expect.poll(() => taken.length).toBe(120);
  expect([taken, errors], `seed ${SEED}`).toEqual([numbers(120), []]);
  expect((await hub.readAll(channel)).messages).toEqual(numbers(120));
  client.close();
});

test.each(['websocket', 'sse', 'long-poll', 'poll'] as const)('in Node by %s alone', async (transport) => {
  const channel = newChannel();
  const client = connect({ url: running.stack.url, token: running.token, transports: [transport] });
  const taken: unknown[] = [];
  const by: string[] = [];
  client.subscribe(channel, {
    offset: '-1',
    onMessages: ({ messages }) => taken.push(...messages),
    onTransport: (name) => by.push(name),
  });
  for (const n of numbers(10)) await hub.publish(channel, n);
  await expect.poll(() => taken).toEqual(numbers(10));
  expect(new Set(by)).toEqual(new Set([transport]));
  client.close();
});

/** Makes a client that publishes on its socket, and one that has no socket. */
async function bothWays(channel: string) {
  const [socket, http] = [[], ['poll'] as const].map((transports) =>
    connect({
      url: running.stack.url,
      token: running.token,
      ...(transports.length > 0 ? { transports } : {}),
    }),
  );
  if (!socket || !http) throw new Error('there are two');
  await new Promise<void>((resolve) => {
    socket.subscribe(channel, { onMessages() {}, onSubscribed: resolve });
  });
  return { socket, http, close: () => [socket, http].map((client) => client.close()) };
}

test('in Node stores the same on a socket and over HTTP, once for one key', async () => {
  const channel = newChannel();
  const { socket, http, close } = await bothWays(channel);
  const messages = ['a\ufffdb', { 'k\ufffd': ['ü', '\ud83d\ude00', '\ud800', 1e21, null] }];
  const first = await socket.publish(channel, messages, { key: 'one' });
  expect(await http.publish(channel, messages, { key: 'one' })).toEqual(first);
  await http.publish(channel, messages);
  expect((await hub.readAll(channel)).messages).toEqual([...messages, ...messages]);
  for (const client of [socket, http])
    await expect(client.publish(channel, [])).rejects.toMatchObject({ code: 'empty_body', status: 400 });
  const many = Array.from({ length: 1_001 }, () => 1);
  for (const client of [socket, http])
    await expect(client.publish(channel, many)).rejects.toMatchObject({ code: 'too_large', status: 413 });
  close();
});

test('in Node stores what is published without waiting in the order of the calls', async () => {
  const { socket, http, close } = await bothWays(newChannel());
  for (const client of [socket, http]) {
    const channel = newChannel();
    await Promise.all(numbers(12).map((n) => client.publish(channel, [n])));
    expect((await hub.readAll(channel)).messages).toEqual(numbers(12));
  }
  close();
});

test.each(['chat/*', 'chat/room1'])(
  'in Node reports a bad token, on %s, as unauthorized',
  async (channel) => {
    const client = connect({ url: running.stack.url, token: `${running.token}x` });
    const error = await new Promise<{ readonly code: string }>((resolve) => {
      client.subscribe(channel, {
        onMessages() {},
        onError: (each) => each.code !== 'unavailable' && resolve(each),
      });
    });
    expect(error.code).toBe('unauthorized');
    client.close();
  },
);

describe('in a real browser', () => {
  let browser: Browser;
  let bundle: string;
  beforeAll(async () => {
    const options = {
      bundle: true,
      write: false,
      format: 'iife',
      globalName: 'tidings',
      platform: 'browser',
    } as const;
    const { outputFiles } = await build({ entryPoints: ['client/index.ts'], ...options });
    bundle = outputFiles[0]?.text ?? '';
    browser = await playwright.launch({
      executablePath: await chromium.executablePath(),
      args: chromium.args,
      headless: true,
    });
  });
  afterAll(async () => await browser?.close());

  /** Opens a page with the client, and returns a function that runs a script in it. */
  async function pageWithClient() {
    const page = await browser.newPage();
    await page.setContent('<html><body></body></html>');
    await page.addScriptTag({ content: bundle });
    return <T>(script: string): Promise<T> => page.evaluate<T>(`(async () => { ${script} })()`);
  }
  const options = (more = {}) => JSON.stringify({ url: running.stack.url, token: running.token, ...more });

  test('a proxy that answers instead of the hub acknowledges no publish, with or without CORS', async () => {
    const proxy = await startProxy(running.stack.url);
    const cors = { 'Access-Control-Allow-Origin': '*', 'Access-Control-Expose-Headers': '*' };
    const answers: FrontAnswer[] = [
      { status: 302, headers: { ...cors, Location: 'https://login.example/' } },
      { status: 200, headers: { ...cors, 'Content-Type': 'text/html', 'Stream-Next-Offset': '99' } },
      { status: 200, headers: { 'Content-Type': 'text/html' } },
    ];
    const channel = newChannel();
    let posts = 0;
    proxy.front = (method) => (method === 'POST' ? answers[posts++] : undefined);
    const run = await pageWithClient();
    const published = await run<unknown[]>(`
      const hub = tidings.connect(${options({ url: proxy.url, transports: ['poll'] })});
      const offsets = await Promise.all([0, 1, 2, 3].map((n) => hub.publish('${channel}', [n])));
      hub.close();
      return offsets;
    `);
    expect(published).toHaveLength(4);
    expect(posts).toBeGreaterThanOrEqual(answers.length + 4);
    expect((await hub.readAll(channel)).messages).toEqual([0, 1, 2, 3]);
    await proxy.close();
  });

  test('closes and connects again at once, and reports a bad token on a pattern as unauthorized', async () => {
    const channel = newChannel();
    const run = await pageWithClient();
    await run(`
      window.taken = [];
      window.states = [];
      const effect = () => {
        const hub = tidings.connect(${options()});
        return new Promise((subscribed) => {
          hub.subscribe('${channel}', {
            onMessages: ({ messages }) => taken.push(...messages),
            onState: ({ state }) => states.push(state),
            onSubscribed: () => subscribed(hub),
          });
          if (states.length === 0) hub.close();
          states.push('begun');
        });
      };
      effect();
      window.hub = await effect();
    `);
    await hub.publish(channel, 'once');
    await expect.poll(() => run('return taken;')).toEqual(['once']);
    expect(await run('hub.close(); return states;')).toEqual(['begun', 'begun', 'connecting', 'connected']);
    const code = await run(`
      const bad = tidings.connect(${options({ token: 'a.b.c' })});
      const code = await new Promise((resolve) => {
        bad.subscribe('*', { onMessages() {}, onError: ({ code }) => code !== 'unavailable' && resolve(code) });
      });
      bad.close();
      return code;
    `);
    expect(code).toBe('unauthorized');
  });

  test.each([
    ['by WebSocket, cut twice', '', 'websocket'],
    [
      'by streams, behind a proxy that blocks sockets',
      'window.WebSocket = class { constructor() { throw new Error() } };',
      'sse',
    ],
  ])('%s', async (_name, before, transport) => {
    const channel = newChannel();
    const page = await browser.newPage();
    await page.setContent('<html><body></body></html>');
    const run = <T>(script: string): Promise<T> => page.evaluate<T>(`(async () => { ${script} })()`);
    await run(before);
    await page.addScriptTag({ content: bundle });
    await run(`
      window.taken = []; window.by = []; window.errors = [];
      window.hub = tidings.connect(${JSON.stringify({ url: running.stack.url, token: running.token })});
      hub.subscribe(${JSON.stringify(channel)}, {
        offset: '-1',
        onMessages: ({ messages }) => taken.push(...messages),
        onTransport: (name) => by.push(name),
        onError: ({ code }) => errors.push(code),
      });
      await hub.publish(${JSON.stringify(channel)}, [0]);
    `);
    for (const n of numbers(60).slice(1)) {
      if (n % 20 === 10) await cutSockets();
      await hub.publish(channel, n);
    }
    const taken = () => run<unknown[]>('return taken;');
    await expect.poll(async () => (await taken()).length).toBe(60);
    expect([await taken(), await run('return errors;')], `seed ${SEED}`).toEqual([numbers(60), []]);
    expect(await run<string[]>('return by;')).toContain(transport);
    await run('hub.close();');
  });
});
