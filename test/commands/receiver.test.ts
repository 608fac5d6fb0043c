/**
 * `npm run receiver`: no request ends it, and mistakes get one sentence.
 * @module
 */
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type Command, runIn, temporaryDirectory } from './support.ts';

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const SCRIPT = 'examples/webhook-receiver/receiver.ts';
const directory = temporaryDirectory();
const { path: cwd } = directory;

const start = (env: NodeJS.ProcessEnv): Command =>
  runIn({ cwd, env: { ...process.env, WEBHOOK_SECRET: SECRET, PORT: '0', ...env } }, SCRIPT);

let receiver: Command;
let url = '';
beforeAll(async () => {
  receiver = start({});
  await vi.waitFor(() => expect(receiver.output()).toContain('receiving at'), { timeout: 120_000 });
  [url = ''] = /http:\S+/.exec(receiver.output()) ?? [];
});
afterAll(async () => {
  receiver.process.kill('SIGTERM');
  await receiver.ended;
  directory.remove();
});

let sent = 0;
/** Posts a signed body. Returns the status. */
async function deliver(body: string, more: Record<string, string> = {}): Promise<number> {
  const id = `msg_${++sent}`;
  const now = new Date();
  const headers = {
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(now.getTime() / 1_000)),
    'webhook-signature': new Webhook(SECRET).sign(id, now, body),
    ...more,
  };
  return (await fetch(url, { method: 'POST', body, headers })).status;
}

/** Sends the text on a new connection, and then ends or resets the connection. */
async function disconnect(text: string, how: 'reset' | 'end'): Promise<void> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  socket.resume().on('error', () => {});
  await once(socket, 'connect');
  await new Promise((written) => socket.write(text, written));
  if (how === 'reset') socket.resetAndDestroy();
  else socket.end();
  await once(socket, 'close');
}

const expectItContinues = async (): Promise<void> => {
  const note = `still here ${sent}`;
  expect(await deliver(JSON.stringify({ note }))).toBe(204);
  await expect.poll(() => receiver.output()).toContain(note);
};

describe('the receiver continues after', () => {
  const POST = 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n';

  test.each<[string, string, 'reset' | 'end']>([
    ['a sender that resets within its body', `${POST}{"a":`, 'reset'],
    ['a sender that closes within its body', `${POST}{"a":`, 'end'],
    [
      'a sender that resets within a chunk',
      'POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nff\r\nab',
      'reset',
    ],
    ['a sender that resets within its headers', 'POST / HTTP/1.1\r\nhost:', 'reset'],
    ['bytes that are not HTTP', '\u0016\u0003\u0001\u0002', 'end'],
  ])('%s', async (_what, text, how) => {
    await disconnect(text, how);
    await expectItContinues();
  });

  test('a forged signature, which is 401', async () => {
    expect(await deliver('{}', { 'webhook-signature': 'v1,AAAA' })).toBe(401);
    await expectItContinues();
  });

  test('a request without a signature, which is 401', async () => {
    expect((await fetch(url)).status).toBe(401);
    await expectItContinues();
  });

  test('a signed body that is not JSON, which is 500', async () => {
    expect(await deliver('not JSON')).toBe(500);
    await expectItContinues();
  });

  test('a body that is too large, which is 413', async () => {
    const response = await fetch(url, { method: 'POST', body: 'a'.repeat(2 * 1024 * 1024) }).catch(
      () => undefined,
    );
    expect([413, undefined]).toContain(response?.status);
    await expect.poll(() => receiver.output()).toContain('a body has more than 1048576 bytes');
    await expectItContinues();
  });
});

test('--help prints how to run it, without a secret', async () => {
  const command = runIn({ cwd, env: { ...process.env, WEBHOOK_SECRET: '' } }, SCRIPT, '--help');
  expect(await command.ended, command.output()).toBe(0);
  expect(command.output()).toMatch(/^usage: WEBHOOK_SECRET=/);
});

describe('mistakes get one sentence', () => {
  test.each([
    [{ WEBHOOK_SECRET: '' }, 'set WEBHOOK_SECRET to the secret'],
    [{ WEBHOOK_SECRET: '!' }, 'set WEBHOOK_SECRET to the secret'],
    [{ PORT: 'x' }, 'PORT is x, it must be a whole number up to 65535'],
    [{ PORT: '70000' }, 'PORT is 70000'],
  ])('%j', async (env, sentence) => {
    const command = start(env);
    expect(await command.ended).toBe(1);
    expect(command.output()).toContain(sentence);
    expect(command.output().trim().split('\n')).toHaveLength(1);
  });

  test('a port in use', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = Object(server.address());
    const command = start({ PORT: String(port) });
    expect(await command.ended).toBe(1);
    expect(command.output().trim()).toBe(`listen EADDRINUSE: address already in use 127.0.0.1:${port}`);
    server.close();
  });
});

test('it ends without an error when the reader of its output has ended', async () => {
  const command = start({});
  await expect.poll(() => command.output(), { timeout: 120_000 }).toContain('receiving at');
  const [at = ''] = /http:\S+/.exec(command.output()) ?? [];
  command.process.stdout?.destroy();
  const id = 'msg_last';
  const now = new Date();
  const headers = {
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(now.getTime() / 1_000)),
    'webhook-signature': new Webhook(SECRET).sign(id, now, '{}'),
  };
  await fetch(at, { method: 'POST', body: '{}', headers }).catch(() => {});
  expect(await command.ended).toBe(0);
  expect(command.output()).not.toContain('EPIPE');
});
