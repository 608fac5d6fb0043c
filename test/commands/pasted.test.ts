/**
 * The shell blocks of the documents, each pasted into a new terminal without any variables.
 * @module
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { delimiter, join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type Command, run, temporaryDirectory } from './support.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const WAIT = { timeout: 120_000, interval: 50 };
const directory = temporaryDirectory();
const { path: cwd } = directory;
const terminals: ChildProcess[] = [];
let hub: Command;
let url = '';

/** The part of curl that the documents use, because a machine may not have curl. */
const CURL = `#!/usr/bin/env node
const [flags, headers] = [process.argv.slice(2), new Headers()];
let [url, method, body, isVerbose] = ['', 'GET', undefined, false];
while (flags.length > 0) {
  const flag = flags.shift();
  if (flag === '-X') method = flags.shift();
  else if (flag === '-H') headers.set(...flags.shift().split(': '));
  else if (flag === '-d') body = flags.shift();
  else if (flag === '-i') isVerbose = true;
  else if (!flag.startsWith('-')) url = flag;
}
if (body !== undefined && !headers.has('content-type'))
  headers.set('content-type', 'application/x-www-form-urlencoded');
fetch(url, { method, headers, body })
  .then(async (response) => {
    if (isVerbose) console.log('HTTP/1.1 ' + response.status + '\\n');
    for await (const chunk of response.body ?? []) process.stdout.write(chunk);
  })
  .catch(console.error);
`;

beforeAll(async () => {
  hub = run(cwd, 'scripts/start.ts', '--port', '0');
  writeFileSync(join(cwd, 'curl'), CURL, { mode: 0o755 });
  const scripts = Object.entries(JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).scripts).map(
    ([name, command]) => [name, String(command).replace('scripts/run.mjs', join(ROOT, 'scripts/run.mjs'))],
  );
  writeFileSync(
    join(cwd, 'package.json'),
    JSON.stringify({ type: 'commonjs', scripts: Object.fromEntries(scripts) }),
  );
  await vi.waitFor(() => expect(hub.output()).toContain('is ready'), WAIT);
  ({ url } = JSON.parse(readFileSync(join(cwd, '.tidings/local.json'), 'utf8')));
});

afterAll(async () => {
  for (const { pid = 0, exitCode } of terminals) {
    // Ends the shell with all its children. A shell that has ended has none.
    if (exitCode === null) process.kill(-pid, 'SIGKILL');
  }
  hub.process.kill('SIGINT');
  await hub.ended;
  directory.remove();
});

/** Returns the shell blocks of a document. */
const blocksOf = (file: string): string[] => {
  const [, ...blocks] = readFileSync(join(ROOT, file), 'utf8').split(/^```sh\n/m);
  return blocks.map((block) => block.split('\n```')[0] ?? '');
};

/** Pastes the block into a new terminal. `said` returns the output so far. */
function paste(block: string, port = ''): { readonly said: () => string } {
  const lines = block
    .replaceAll('http://127.0.0.1:8787', url)
    .replaceAll('127.0.0.1:4000', `127.0.0.1:${port}`);
  const { TOKEN: _token, HUB: _hub, WEBHOOK_SECRET: _secret, ...env } = process.env;
  const terminal = spawn('bash', ['-u'], {
    cwd,
    env: { ...env, PATH: cwd + delimiter + env.PATH, PORT: port },
    detached: true,
  });
  terminals.push(terminal);
  let printed = '';
  for (const stream of [terminal.stdout, terminal.stderr]) {
    stream.on('data', (chunk) => {
      printed += String(chunk);
    });
  }
  terminal.stdin.end(`${lines}\n`);
  return { said: () => printed };
}

test('README.md: a message is published and followed, and the second terminal shows it', async () => {
  const [start, listen = '', publish = ''] = blocksOf('README.md');
  expect(start).toBe('npm start');
  const listener = paste(listen);
  await expect.poll(listener.said, WAIT).toContain('by websocket');
  expect(publish.split('\n')).toHaveLength(3);
  const publisher = paste(publish);
  await expect.poll(publisher.said, WAIT).toContain('data:{"text":"hello"}');
  expect(publisher.said()).toContain('HTTP/1.1 204');
  await expect.poll(listener.said, WAIT).toContain('chat/room1 {"text":"hello"}');
});

test('docs/getting-started.md: a message is published, read and followed', async () => {
  const [start, publish = '', listen = ''] = blocksOf('docs/getting-started.md');
  expect(start).toBe('npm start');
  const publisher = paste(publish);
  await expect.poll(publisher.said, WAIT).toContain('data:{"text":"hello"}');
  expect(publisher.said()).toContain('HTTP/1.1 204');
  // The other documents publish to the same channel.
  expect(publisher.said()).toMatch(/^\[(\{"text":"hello"\},?)+\]/m);
  await expect.poll(paste(listen).said, WAIT).toContain('chat/room1 {"text":"hello"}');
});

test('examples/webhook-receiver/README.md: a published message comes to the receiver, and nothing is refused', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((listening) => server.once('listening', listening));
  const port = String(Object(server.address()).port);
  await new Promise((closed) => server.close(closed));
  const [receive = '', publish = ''] = blocksOf('examples/webhook-receiver/README.md');
  const receiver = paste(receive, port);
  await expect.poll(receiver.said, WAIT).toContain('receiving at');
  const publisher = paste(publish);
  await expect.poll(receiver.said, WAIT).toContain('"data":{"type":"order.paid","sum":3}');
  await expect.poll(publisher.said, WAIT).toContain('1 message published on orders/7');
  await expect.poll(publisher.said, WAIT).toMatch(/ep_\w+ +enabled/);
  expect(receiver.said()).not.toMatch(/refused|failed/);
});
