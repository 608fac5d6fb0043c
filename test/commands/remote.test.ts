/**
 * `npm run publish | listen | tail | channels | endpoints`: what they do, what they print, how they fail.
 * @module
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { callerAt } from '../support/wire/wire.ts';
import { startDeployed } from './deployed/deployed.ts';
import { type Command, run, runIn, temporaryDirectory } from './support.ts';

const RUN = resolve(import.meta.dirname, '../../scripts/run.mjs');
const directory = temporaryDirectory();
const { path: cwd } = directory;
let hub: Command;
let url = '';
let token = '';

beforeAll(async () => {
  hub = run(cwd, 'scripts/start.ts', '--port', '0');
  await vi.waitFor(() => expect(hub.output()).toContain('is ready'), { timeout: 120_000, interval: 50 });
  ({ url, token } = JSON.parse(readFileSync(join(cwd, '.tidings/local.json'), 'utf8')));
});

afterAll(async () => {
  hub.process.kill('SIGINT');
  await hub.ended;
  directory.remove();
});

type Ended = Readonly<Record<'out' | 'err', string>> & { readonly code: number | null };

/** Runs a command to its end, with a text as standard input. */
async function ended(name: string, args: readonly string[], input = '', env = process.env): Promise<Ended> {
  const child = spawn(process.execPath, [RUN, `scripts/remote/${name}.ts`, ...args], { cwd, env });
  child.stdin.end(input);
  const [out, err, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ]);
  return { code, out, err };
}

/** Returns the lines of a command that succeeds. */
async function linesOf(name: string, ...args: readonly string[]): Promise<string[]> {
  const { code, out, err } = await ended(name, args);
  expect(code, err).toBe(0);
  return out.trim().split('\n');
}

/** Returns the JSON values of a command that succeeds, one in each line. */
const valuesOf = async (name: string, ...args: readonly string[]) =>
  (await linesOf(name, ...args, '--json')).map((line) => JSON.parse(line));

const caller = () => callerAt(url, { Authorization: `Bearer ${token}` });

/** Starts a server in place of a hub. */
async function serverOf(answer: RequestListener): Promise<string> {
  const server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${Object(server.address()).port}`;
}

describe('npm run publish', () => {
  test('publishes its arguments in one request, exactly as they are, and says the offset', async () => {
    const big = '12345678901234567890';
    const [line = ''] = await linesOf('publish', 'pub/args', '{"b":1,"a":2}', '[1,2]', big);
    const { body, next } = await textOf('pub/args');
    expect(body).toBe(`[{"b":1,"a":2},[1,2],${big}]`);
    expect(line).toBe(`3 messages published on pub/args, the offset after them is ${next}`);
  });

  test('publishes the lines of standard input and of a file in batches, and the same key stores nothing twice', async () => {
    const lines = Array.from({ length: 1_500 }, (_, n) => JSON.stringify({ n }));
    writeFileSync(join(cwd, 'lines.jsonl'), `${lines.join('\r\n')}\n\n`);
    const file = ['pub/file', '--file', 'lines.jsonl', '--key', 'once'];
    const first = await valuesOf('publish', ...file);
    expect(first.map(({ messages }) => messages)).toEqual([1_000, 500]);
    expect(await valuesOf('publish', ...file)).toEqual(first);
    expect((await caller().readAll('pub/file')).messages).toEqual(lines.map((line) => JSON.parse(line)));
    const piped = await ended('publish', ['pub/pipe', '--json'], '1\n"two"\n');
    expect([piped.code, JSON.parse(piped.out).channel]).toEqual([0, 'pub/pipe']);
    expect((await caller().readAll('pub/pipe')).messages).toEqual([1, 'two']);
  });

  test('publishes text of another type as it is', async () => {
    await linesOf('publish', 'pub/text', '--type', 'text/plain', '{not json', '--', '-1');
    expect((await textOf('pub/text')).body).toBe('{not json-1');
  });

  test('a wrong line fails, after the lines before it are published', async () => {
    const { code, err } = await ended('publish', ['pub/wrong'], '1\n2\nnope\u001b[2J\n4\n');
    expect(code).toBe(1);
    expect(err).toBe(
      'tidings: line 3 is nope\\u001b[2J, it must be JSON such as {"text":"hello"} or "hello" (the 2 messages before are published)\n',
    );
    expect((await caller().readAll('pub/wrong')).messages).toEqual([1, 2]);
  });

  async function textOf(channel: string): Promise<{ readonly body: string; readonly next: string | null }> {
    const response = await caller().request(`/channels/${channel}?offset=-1`);
    return { body: await response.text(), next: response.headers.get('stream-next-offset') };
  }
});

describe('npm run listen and npm run tail', () => {
  test('begin with the last messages; tail has times and offsets, --json one value for each message', async () => {
    await linesOf('publish', 'tail/1', '{"n":1}', '{"n":2}', '{"n":3}');
    await linesOf('channels', 'close', 'tail/1', '--yes');
    const [tail, json] = await Promise.all([
      linesOf('listen', 'tail/1', '--times', '--last', '2'),
      valuesOf('listen', '--channel', 'tail/1', '--last', '2'),
    ]);
    expect(tail).toEqual([
      expect.stringMatching(/^\d\d:\d\d:\d\d\.\d{3} {20}tail\/1 \{"n":2\}$/),
      expect.stringMatching(/^\d\d:\d\d:\d\d\.\d{3} {2}\d{16} {2}tail\/1 \{"n":3\}$/),
    ]);
    const at = expect.stringMatching(/^\d{4}-.*Z$/);
    expect(json).toEqual([
      { at, channel: 'tail/1', offset: null, message: { n: 2 } },
      { at, channel: 'tail/1', offset: expect.stringMatching(/^\d{16}$/), message: { n: 3 } },
    ]);
  });

  test('hostile messages are shown as text', async () => {
    const message = { text: '\u001b[2J\u202e\u009b' };
    await linesOf('publish', 'tail/2', JSON.stringify(message));
    await linesOf('channels', 'close', 'tail/2', '--yes');
    expect(await linesOf('listen', 'tail/2', '--last', '1')).toEqual([
      'tail/2 {"text":"\\u001b[2J\\u202e\\u009b"}',
    ]);
  });
});

describe('npm run channels', () => {
  test('lists all pages, describes, closes and deletes', async () => {
    await linesOf('publish', 'list/a', '1');
    await linesOf('publish', 'list/b', '--type', 'text/plain', 'x');
    const listed = () => valuesOf('channels', '--prefix', 'list/');
    // A list may miss what was made within the last second (PROTOCOL.md §6.1).
    await expect.poll(async () => (await listed()).length).toBe(2);
    const [head, ...rows] = await linesOf('channels', 'list', '--prefix', 'list/');
    expect(head).toMatch(/^CHANNEL +TYPE +END +STATE$/);
    expect(rows).toEqual([
      expect.stringMatching(/^list\/a +application\/json +\d{16} +open$/),
      expect.stringMatching(/^list\/b +text\/plain +\d{16} +open$/),
    ]);
    expect(await linesOf('channels', 'close', 'list/b', '--yes')).toEqual(['list/b is closed']);
    expect(await valuesOf('channels', 'describe', 'list/b')).toEqual([
      { channel: 'list/b', contentType: 'text/plain', offset: expect.any(String), closed: true },
    ]);
    expect(await linesOf('channels', 'describe', 'list/b')).toContain('state    closed');
    expect(await linesOf('channels', 'delete', 'list/a', '--yes')).toEqual(['list/a is deleted']);
    await expect.poll(async () => (await listed()).map(({ channel }) => channel)).toEqual(['list/b']);
  });

  test.each(['close', 'delete'])('%s needs --yes if nobody can answer', async (verb) => {
    const { code, err } = await ended('channels', [verb, 'kept']);
    expect([code, err]).toEqual([2, expect.stringContaining('--yes does it without the question')]);
  });
});

describe('npm run endpoints', () => {
  test('adds, tests, lists, stops, enables, rotates, replays and removes an endpoint, and shows deliveries', async () => {
    let status = 200;
    const at = await serverOf((_, response) => response.writeHead(status).end('\u202egot it'));
    const [added] = await valuesOf('endpoints', 'add', `${at}/`, 'hooks/*');
    const { id, secret } = added;
    expect(secret).toMatch(/^whsec_/);
    const tested = await linesOf('endpoints', 'test', id);
    expect(tested.join('\n')).toMatch(/^status +delivered$/m);
    expect(tested.at(-1)).toMatch(/200 in \d+ ms +\\u202egot it$/);
    status = 500;
    const failed = await ended('endpoints', ['test', id, '--json']);
    expect([failed.code, JSON.parse(failed.out)]).toMatchObject([
      1,
      { status: 'failed', attempts: [{ status: 500 }] },
    ]);
    status = 200;
    await linesOf('publish', 'hooks/1', '{"n":1}');
    const delivered = () => valuesOf('endpoints', 'deliveries', id, '--status', 'delivered', '--last', '100');
    await expect.poll(async () => (await delivered()).map(({ channel }) => channel)).toContain('hooks/1');
    const [delivery] = (await delivered()).filter(({ channel }) => channel === 'hooks/1');
    const retried = await valuesOf('endpoints', 'retry', id, delivery.id);
    expect(retried).toMatchObject([
      { id: delivery.id, status: 'delivered', attempts: [{ number: 1 }, { number: 2 }] },
    ]);
    const rows = await linesOf('endpoints', 'list');
    expect(rows[0]).toMatch(/^ENDPOINT +STATUS +HEALTH +RATE$/);
    expect(rows.join('\n')).toMatch(new RegExp(`${id} +enabled.*\n +${at}/ +← +hooks/\\*`));
    expect(rows.every((row) => row.length <= 100)).toBe(true);
    const shown = await linesOf('endpoints', 'deliveries', id);
    expect(shown.join('\n')).toMatch(
      new RegExp(`^${delivery.id} +delivered\n.*2 attempts, the last: 200`, 'm'),
    );
    const [rotated] = await valuesOf('endpoints', 'rotate', id);
    expect(rotated.secret).not.toBe(secret);
    expect(await valuesOf('endpoints', 'disable', id)).toMatchObject([
      { status: 'disabled', reason: 'asked' },
    ]);
    expect(await valuesOf('endpoints', 'enable', id)).toMatchObject([{ status: 'enabled' }]);
    const replay = ['replay', id, '--channel', 'hooks/1', '--offset', '-1'];
    expect(await valuesOf('endpoints', ...replay)).toEqual([{ id, accepted: 'replay' }]);
    expect(await valuesOf('endpoints', 'recover', id, '--since', '1h')).toEqual([
      { id, accepted: 'recover' },
    ]);
    const attempts = async () =>
      (await valuesOf('endpoints', 'delivery', id, delivery.id))[0].attempts.length;
    await expect.poll(attempts).toBe(3);
    expect((await ended('endpoints', ['remove', id])).code).toBe(2);
    expect(await linesOf('endpoints', 'remove', id, '--yes')).toEqual([`${id} is removed`]);
    expect((await ended('endpoints', ['show', id])).code).toBe(1);
  });
});

describe('problems get one sentence', () => {
  test.each([
    ['publish', [], 'the channel is missing, such as chat/room1'],
    ['publish', ['a b', '1'], 'the channel is a b, it must be 1 to 8 segments'],
    ['publish', ['a', 'hello'], 'message 1 is hello, it must be JSON'],
    ['publish', ['a', '1', '--key', ' x'], '--key has 2 characters'],
    ['publish', ['a', '--file', 'none'], '--file is none, which does not exist'],
    ['publish', ['a', '1', '--url', 'ftp://x'], '--url is ftp://x, it must be a URL that begins with http'],
    [
      'publish',
      ['a', '1', '--url', 'http://x', '--stage', 'dev'],
      '--url is http://x and --stage is dev: give one of them',
    ],
    ['listen', ['a', '--last', '0'], '--last is 0, it must be a whole number from 1 to 1000'],
    ['listen', ['a/*', '--last', '3'], '--last is for one channel'],
    ['listen', ['a\u001b[2J'], 'the channel is a\\u001b[2J, it must be like chat/room1'],
    ['channels', ['fly'], '"fly" must be one of list, describe, close, delete'],
    ['channels', ['describe'], 'the channel is missing, it must be a name such as chat/room1'],
    ['channels', ['list', 'a/'], 'list takes --prefix, such as --prefix a/'],
    ['endpoints', ['fly'], '"fly" must be one of list, show, add'],
    ['endpoints', ['retry', 'ep_1'], 'retry needs ENDPOINT and ID: ID is missing'],
    ['endpoints', ['replay', 'ep_1', '--channel', 'a'], 'replay needs --offset or --since, and not both'],
    [
      'endpoints',
      ['recover', 'ep_1', '--since', 'then'],
      '--since is then, it must be like 2026-01-31T12:00:00Z',
    ],
    [
      'endpoints',
      ['deliveries', 'ep_1', '--status', 'x'],
      '--status is x, it must be one of sending, waiting',
    ],
    ['endpoints', ['list', '--since', '1h'], '--since does not go with list'],
    ['endpoints', ['add', 'x', 'a'], 'the URL is x, it must begin with https://'],
  ])('npm run %s -- %j', async (name, args, sentence) => {
    const { code, out, err } = await ended(name, args);
    expect([code, out, err]).toEqual([2, '', expect.stringContaining(`tidings: ${sentence}`)]);
    expect(err.trim().split('\n')).toHaveLength(1);
  });

  test.each([
    ['publish', ['a', '1']],
    ['listen', ['a']],
    ['channels', []],
    ['endpoints', []],
  ])('npm run %s without a hub here', async (name, args) => {
    const elsewhere = temporaryDirectory();
    onTestFinished(elsewhere.remove);
    const command = run(elsewhere.path, `scripts/remote/${name}.ts`, ...args);
    expect(await command.ended).toBe(2);
    expect(command.output()).toContain('no hub runs here: start one with npm start');
  });

  test('a hub that is not there, and the key that makes a repetition safe', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const gone = `http://127.0.0.1:${Object(server.address()).port}`;
    await new Promise((closed) => server.close(closed));
    const { code, err } = await ended('publish', ['a', '1', '--url', gone, '--key', 'k']);
    expect([code, err]).toEqual([
      1,
      `tidings: ${gone} cannot be reached (ECONNREFUSED): check --url, or start a hub here with npm start; --key 'k' repeats this publish without storing it twice\n`,
    ]);
  });

  test('a token that lacks a right, and one that is no token', async () => {
    const minted = run(cwd, 'scripts/token.ts', '--capability', '{"b":["publish"]}');
    await minted.ended;
    const lacking = await ended('publish', ['a', '1', '--token', minted.output().trim()]);
    expect([lacking.code, lacking.err]).toEqual([
      1,
      expect.stringMatching(/403 forbidden: .*npm run -s token -- --capability '\{"a":\["publish"\]\}'\n$/),
    ]);
    const wrong = await ended('channels', ['--token', 'x']);
    expect([wrong.code, wrong.err]).toEqual([1, expect.stringContaining('401 unauthorized')]);
  });

  test.each([
    [429, 'too_many_requests'],
    [503, 'unavailable'],
  ])('a hub that is busy (%i) is asked again, and the command says so', async (status, code) => {
    let asked = 0;
    const busy = await serverOf((_, response) => {
      asked += 1;
      if (asked > 1) return response.end('{"channels":[]}');
      response.writeHead(status, { 'Content-Type': 'application/json', 'Retry-After': '1' });
      return response.end(JSON.stringify({ error: { code, message: 'busy' } }));
    });
    const answered = await ended('channels', ['--url', busy]);
    expect([answered.code, asked]).toEqual([0, 2]);
    expect(answered.err).toContain(`the hub is busy (${status} ${code}): listing channels again in 1 s\n`);
  });

  test('an answer that is not of a hub, with hostile names', async () => {
    const page = await serverOf((_, response) => {
      response.end(
        JSON.stringify({ channels: [{ channel: '\u001b[2J\u202e', contentType: 'a', offset: '1' }] }),
      );
    });
    const listed = await ended('channels', ['--url', page]);
    expect([listed.code, listed.out]).toEqual([0, expect.stringContaining('\\u001b[2J\\u202e')]);
    const html = await serverOf((_, response) => void response.end('<html>'));
    const foreign = await ended('channels', ['--url', html]);
    expect([foreign.code, foreign.err]).toEqual([
      1,
      expect.stringContaining('but not by a hub: check --url'),
    ]);
  });

  test.each(['publish', 'listen', 'channels', 'endpoints'])('%s has --help', async (name) => {
    const { code, out } = await ended(name, ['--help']);
    expect([code, out]).toEqual([0, expect.stringContaining(`usage: npm run ${name}`)]);
    expect(out.split('\n').every((line) => line.length <= 130)).toBe(true);
  });
});

test('--stage finds a deployed hub by its outputs, and mints a token for it', async () => {
  const deployed = await startDeployed({ current: 'k'.repeat(64), previous: '' }, 200, {
    HttpUrl: `${url}/`,
    StreamUrl: url,
    SocketUrl: url.replace('http', 'ws'),
  });
  onTestFinished(deployed.close);
  const command = runIn({ cwd, env: deployed.env }, 'scripts/remote/publish.ts', 'a', '1', '--stage', 'prod');
  expect(await command.ended).toBe(1);
  // The local hub has another key, so it shows that the token was minted and sent.
  expect(command.output()).toMatch(/401 unauthorized.*npm run -s token -- --stage prod --capability/);
  expect(deployed.asked.some((body) => body.includes('StackName=tidings-prod-hub'))).toBe(true);
});
