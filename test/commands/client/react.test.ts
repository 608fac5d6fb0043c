/**
 * `tidings-client/react`, installed as a package: on a server, in a project of TypeScript, and in strict mode in a real browser.
 * @module
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { openBrowser } from '../../../scripts/console/real-browser.ts';
import { run, temporaryDirectory } from '../support.ts';
import { CONSUMERS } from './consumers.ts';
import { type Application, installPacked, ROOT } from './packed.ts';
import { ROOM } from './room.ts';

const directory = temporaryDirectory();
const { path: cwd } = directory;
afterAll(() => directory.remove());

let application: Application;
beforeAll(async () => {
  application = await installPacked(cwd, ['react', 'react-dom', '@types/react', 'vite']);
});

const installed = (file: string): string =>
  readFileSync(join(application.app, 'node_modules/tidings-client', file), 'utf8');

describe('the example of client/README.md', () => {
  const readme = readFileSync(join(ROOT, 'client/README.md'), 'utf8');
  const [, example = ''] = /\n## In React\n[\s\S]*?```tsx\n([\s\S]*?)```/.exec(readme) ?? [];
  const node16 = { module: 'node16', strict: true, jsx: 'react-jsx', lib: ['es2022', 'dom'], types: [] };
  const named = (name: string): object =>
    CONSUMERS.find((consumer) => consumer.name === name)?.configs ?? expect.fail(`no project is ${name}`);

  test.each([
    ['node16', { 'tsconfig.json': { compilerOptions: node16 } }],
    ['nodenext', named('nodenext')],
    ['bundler', named('Vite react-ts')],
  ])('compiles with %s', (name, configs) => {
    const place = join(application.app, `example-${name}`);
    mkdirSync(join(place, 'src'), { recursive: true });
    writeFileSync(join(place, 'package.json'), '{"private":true,"type":"module"}');
    writeFileSync(
      join(place, 'src/room.tsx'),
      `${example}\n// @ts-expect-error: a channel is a string\nuseChannel(hub, 1);\n`,
    );
    const [[file, config] = expect.fail('no configuration')] = Object.entries(configs);
    writeFileSync(join(place, file), JSON.stringify(config));
    application.compile(join(place, file), '--types', '');
  });
});

test('begins with "use client", and a page that does not use it has none of it', async () => {
  expect(installed('react.js')).toMatch(/^"use client";/);
  expect(installed('react.cjs')).toMatch(/^("use strict";\n)?"use client";/);
  const bundled = async (code: string): Promise<string> => {
    const stdin = { contents: code, resolveDir: application.app };
    const options = { bundle: true, write: false, platform: 'browser', format: 'esm' } as const;
    return (await build({ stdin, ...options, external: ['react'] })).outputFiles[0]?.text ?? '';
  };
  const used = await bundled(`import { useChannel } from 'tidings-client/react'; console.log(useChannel);`);
  expect(used).toContain('useSyncExternalStore');
  // Neither the client, which the page imports by itself, nor the other hook.
  expect(used).not.toContain('tidings.v1');
  expect(used).not.toContain('hub.presence');
  expect(await bundled(`import { useChannel } from 'tidings-client/react';`)).not.toContain(
    'useSyncExternalStore',
  );
});

describe('on a server', () => {
  /** After `connect`, which asks for the type of WebSocket, any use of these ends the program. */
  const TRAPS = `const hub = connect({ url: 'http://127.0.0.1:1', token: () => { throw new Error('no token is needed'); } });
    for (const name of ['window', 'document', 'navigator', 'location', 'localStorage', 'sessionStorage', 'fetch', 'WebSocket', 'EventSource'])
    Object.defineProperty(globalThis, name, { configurable: true, get() { throw new Error('a server has no ' + name); } });`;
  const RENDER = `function Room() {
      const { messages, connection } = useChannel(hub, 'room', { last: 5 });
      const { members } = usePresence(hub, 'room', { data: { name: 'Ada' } });
      return createElement('p', null, [connection.state, messages.length, members.length].join());
    }
    console.log(renderToString(createElement(Room)));`;

  test.each([
    [
      'import',
      'server.mjs',
      `import { createElement } from 'react';
      import { renderToString } from 'react-dom/server';
      import { connect } from 'tidings-client';
      ${TRAPS}
      const { useChannel, usePresence } = await import('tidings-client/react');
      ${RENDER}`,
    ],
    [
      'require',
      'server.cjs',
      `const { createElement } = require('react');
      const { renderToString } = require('react-dom/server');
      const { connect } = require('tidings-client');
      ${TRAPS}
      const { useChannel, usePresence } = require('tidings-client/react');
      ${RENDER}`,
    ],
  ])('renders by %s, without a request or a global of browsers', (_how, file, code) => {
    writeFileSync(join(application.app, file), code);
    expect(application.spawned(process.execPath, file)).toBe('<p>connecting,0,0</p>\n');
  });
});

/** Starts a hub. Returns its URL and a token. It ends with the test. */
async function startHub(): Promise<{ readonly url: string; readonly token: string }> {
  const command = run(cwd, 'scripts/start.ts', '--port', '0');
  onTestFinished(async () => {
    command.process.kill('SIGINT');
    await command.ended;
  });
  await expect.poll(() => command.output(), { timeout: 120_000, interval: 50 }).toContain('is ready');
  return JSON.parse(readFileSync(join(cwd, '.tidings/local.json'), 'utf8'));
}

/** Opens the page of the room at the address of the hub. Fails at the end of the test if the browser complained. */
async function openRoom(hub: { readonly url: string; readonly token: string }): Promise<Page> {
  const browser = await openBrowser();
  const complaints: string[] = [];
  onTestFinished(async () => {
    await browser.close();
    expect(complaints).toEqual([]);
  });
  const page = await browser.newPage();
  page.on('pageerror', ({ message }) => complaints.push(message));
  page.on('console', (line) => line.type() === 'error' && complaints.push(line.text()));
  const stdin = { contents: ROOM(hub), resolveDir: application.app };
  // React has strict mode only where it is developed with.
  const define = { 'process.env.NODE_ENV': '"development"' };
  const built = await build({
    stdin,
    bundle: true,
    write: false,
    platform: 'browser',
    define,
    format: 'esm',
  });
  const html =
    '<!doctype html><link rel="icon" href="data:,"><main></main><script type="module" src="page.js"></script>';
  await page.route(`${hub.url}/page`, (route) => route.fulfill({ contentType: 'text/html', body: html }));
  const contentType = 'text/javascript';
  const body = built.outputFiles[0]?.text ?? '';
  await page.route(`${hub.url}/page.js`, (route) => route.fulfill({ contentType, body }));
  await page.goto(`${hub.url}/page`);
  return page;
}

test('in strict mode each message comes once, the member never goes, and nothing is left', async () => {
  const hub = await startHub();
  async function publish(text: string): Promise<void> {
    const headers = { authorization: `Bearer ${hub.token}`, 'content-type': 'application/json' };
    const answer = await fetch(`${hub.url}/channels/demo/room`, {
      method: 'POST',
      headers,
      body: JSON.stringify([{ text }]),
    });
    expect(answer.ok, await answer.text()).toBe(true);
  }
  async function leaves(): Promise<number> {
    const headers = { authorization: `Bearer ${hub.token}` };
    const answer = await fetch(`${hub.url}/channels/tidings/presence/demo/lobby?offset=-1`, { headers });
    expect(answer.status).toBe(200);
    return (await answer.text()).split('"delete"').length - 1;
  }
  await publish('one');
  const page = await openRoom(hub);
  const shown = (name: string): Promise<string> => page.getByTestId(name).innerText();
  await expect.poll(() => shown('messages')).toBe('one');
  await expect.poll(() => shown('state')).toBe('connected');
  await expect.poll(() => shown('members')).toBe('Ada');
  // Strict mode began twice, and ended once.
  expect(await shown('subscriptions')).toBe('1 of 2');

  await publish('two');
  await expect.poll(() => shown('messages')).toBe('one two');

  const before = await leaves();
  await page.getByRole('button', { name: 'Rename' }).click();
  await expect.poll(() => shown('members')).toBe('Grace');
  // The others see other data, and no leave.
  expect(await leaves()).toBe(before);

  await page.getByRole('button', { name: 'Hide' }).click();
  await expect.poll(() => shown('subscriptions')).toMatch(/^0 of/);
  // Now it does leave.
  await expect.poll(leaves).toBeGreaterThan(before);
  await publish('three');
  await page.getByRole('button', { name: 'Show' }).click();
  await expect.poll(() => shown('messages')).toBe('one two three');
  await expect.poll(() => shown('members')).toBe('Grace');

  await page.getByRole('button', { name: 'Other' }).click();
  await expect.poll(() => shown('error')).toBe('bad_channel');
  expect(await shown('messages')).toBe('');

  await page.getByRole('button', { name: 'Leave' }).click();
  await expect.poll(() => shown('subscriptions')).toMatch(/^0 of/);
});
