/**
 * `npm run example`: lists, refuses mistakes in one sentence, and starts and stops a hub and a backend together.
 * @module
 */
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { callerAt } from '../support/wire/wire.ts';
import { type Command, isAlive, run, runIn, temporaryDirectory } from './support.ts';

const READY = { timeout: 120_000, interval: 50 };
const SCRIPT = 'scripts/example.ts';
const EXAMPLES = ['chat', 'stocks', 'game', 'assistant', 'webhook-receiver'];
const directory = temporaryDirectory();
const { path: cwd } = directory;
const running = new Set<Command>();
afterAll(async () => {
  for (const command of running) command.process.kill('SIGKILL');
  await Promise.all([...running].map(({ ended }) => ended));
  directory.remove();
});

const localFile = join(cwd, '.tidings/local.json');

/** Starts an example, and returns the address that it prints. */
async function start(
  name: string,
  port: string,
  ready: RegExp,
): Promise<{ command: Command; address: string }> {
  const command = runIn({ cwd, env: { ...process.env, PORT: port } }, SCRIPT, name);
  running.add(command);
  await expect
    .poll(() => ready.test(command.output()) || command.process.exitCode !== null, READY)
    .toBe(true);
  const [, address = ''] = ready.exec(command.output()) ?? [];
  if (address === '') throw new Error(command.output());
  return { command, address };
}

async function freePort(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = Object(server.address());
  server.close();
  await once(server, 'close');
  return String(port);
}

async function stop(command: Command): Promise<number | null> {
  command.process.kill('SIGINT');
  const code = await command.ended;
  running.delete(command);
  return code;
}

test('lists the examples, each of which has a README and a line in examples/README.md', async () => {
  const command = run(cwd, SCRIPT);
  expect(await command.ended).toBe(0);
  const listed = command.output().match(/^[a-z-]+(?= {2,}\S)/gm);
  expect(listed).toEqual(EXAMPLES);
  const index = readFileSync(resolve('examples/README.md'), 'utf8');
  for (const name of EXAMPLES) {
    expect(existsSync(resolve('examples', name, 'README.md'))).toBe(true);
    expect(index).toContain(`| [${name}](${name}) |`);
  }
});

test('--help says what it does', async () => {
  const command = run(cwd, SCRIPT, '--help');
  expect(await command.ended).toBe(0);
  expect(command.output()).toMatch(/^usage: npm run example/);
});

describe('a mistake is one sentence', () => {
  test.each([
    [['tetris'], `the example is tetris, it must be one of ${EXAMPLES.join(', ')}`],
    [['constructor'], 'the example is constructor, it must be'],
    [['chat', 'now'], "Unexpected argument 'now'"],
    [['chat', '--url', 'hub'], '--url is hub, it must be a URL'],
    [['chat', '--url', 'http://127.0.0.1:1'], '--url needs TIDINGS_KEY and TIDINGS_AUDIENCE'],
    [['chat', '--url', 'http://127.0.0.1:1', '--stage', 'dev'], 'give one of them'],
  ])('%j', async (args, sentence) => {
    const command = run(cwd, SCRIPT, ...args);
    expect([await command.ended, command.output().trim().split('\n').length]).toEqual([2, 1]);
    expect(command.output()).toContain(sentence);
  });
});

test('a hub without the stamps and the presence that a chat needs is refused in one sentence', async () => {
  const server = createServer((_request, response) => response.writeHead(202).end()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${Object(server.address()).port}`;
  const env = { ...process.env, TIDINGS_KEY: 'key', TIDINGS_AUDIENCE: 'tidings:dev' };
  const command = runIn({ cwd, env }, SCRIPT, 'chat', '--url', url);
  expect(await command.ended).toBe(1);
  expect(command.output().trim().split('\n')).toEqual([
    expect.stringMatching(/^tidings: the hub has no stamps or no presence for demo\/\*: examples\/README.md/),
  ]);
  server.close();
});

test('starts a hub and a backend, a second example uses that hub, and Ctrl-C ends what it has started', async () => {
  const chat = await start('chat', '0', /is ready at (http:\S+)/);
  expect((await fetch(chat.address)).headers.get('content-security-policy')).toContain("default-src 'none'");
  const { url, pid, token } = JSON.parse(readFileSync(localFile, 'utf8'));
  expect(chat.command.output()).toContain(`The hub is ${url}, and its console is ${url}/console#code=`);

  const receiver = await start('webhook-receiver', await freePort(), /receiving at (http:\S+)/);
  expect(receiver.command.output()).toContain(`The hub is the one that runs here: ${url}`);
  const hub = callerAt(url, { Authorization: `Bearer ${token}` });
  await hub.publish('orders/7', { type: 'order.paid' });
  await expect.poll(() => receiver.command.output(), READY).toContain('"data":{"type":"order.paid"}');
  const endpoints = async (): Promise<unknown> => await (await hub.request('/webhooks')).json();
  expect(await endpoints()).toMatchObject({ endpoints: [{ url: receiver.address }] });
  expect(await stop(receiver.command)).toBe(0);
  expect(await endpoints()).toEqual({ endpoints: [] });
  expect((await fetch(chat.address)).status).toBe(200);

  expect(await stop(chat.command)).toBe(0);
  expect([existsSync(localFile), isAlive(pid)]).toEqual([false, false]);
  for (const gone of [chat.address, url]) await expect(fetch(gone)).rejects.toThrow();
});
