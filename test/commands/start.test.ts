/**
 * `npm start` and `npm run token` as a newcomer meets them.
 * @module
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, globSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { accountOf } from '../support/webhooks/foreign-queue.ts';
import { callerAt } from '../support/wire/wire.ts';
import { type Command, isAlive, run, temporaryDirectory } from './support.ts';

const READY = { timeout: 120_000, interval: 50 };
const RUN = resolve(import.meta.dirname, '../../scripts/run.mjs');
const directory = temporaryDirectory();
const { path: cwd } = directory;
const localFile = join(cwd, '.tidings/local.json');
const running = new Set<Command>();

afterAll(async () => {
  for (const command of running) command.process.kill('SIGKILL');
  await Promise.all([...running].map(({ ended }) => ended));
  directory.remove();
});

async function start(...args: readonly string[]): Promise<Command> {
  const command = run(cwd, 'scripts/start.ts', ...args);
  running.add(command);
  await expect
    .poll(() => command.output().includes('is ready') || command.process.exitCode !== null, READY)
    .toBe(true);
  if (!command.output().includes('is ready')) throw new Error(command.output());
  return command;
}

/** `npm run listen`, once it listens. */
async function listenTo(...args: readonly string[]): Promise<Command> {
  const command = run(cwd, 'scripts/remote/listen.ts', ...args);
  running.add(command);
  await expect.poll(() => command.output().includes('listening to'), READY).toBe(true);
  return command;
}

async function stop(command: Command, signal: NodeJS.Signals = 'SIGINT'): Promise<number | null> {
  command.process.kill(signal);
  const code = await command.ended;
  running.delete(command);
  return code;
}

const local = () => JSON.parse(readFileSync(localFile, 'utf8'));

/** What a shell would make of one of the printed lines, after the lines that set variables. */
function requestIn(curl: string, printed: string): [string, RequestInit] {
  const set = (name: string): string => new RegExp(`^${name}=(.*)$`, 'm').exec(printed)?.[1] ?? '';
  const line = curl.replaceAll('$HUB', set('HUB')).replaceAll('$TOKEN', set('TOKEN'));
  const words = [...line.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map(
    ([, single, double, bare]) => single ?? double ?? bare ?? '',
  );
  const after = (flag: string) => words.flatMap((word, at) => (words[at - 1] === flag ? [word] : []));
  const headers = Object.fromEntries(after('-H').map((header) => header.split(': ', 2)));
  const [body] = after('-d');
  const [method = 'GET'] = after('-X');
  return [words.at(-1) ?? '', { method, headers, ...(body === undefined ? {} : { body }) }];
}

test('starts, says what it does, and its lines work when pasted; Ctrl-C leaves nothing behind', async () => {
  const hub = await start();
  for (const word of ['synthesizing', 'starting', 'Ctrl-C', local().url])
    expect(hub.output()).toContain(word);
  expect(statSync(localFile).mode & 0o777).toBe(0o600);
  expect(local()).toMatchObject({
    url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
    token: expect.any(String),
  });
  expect(isAlive(local().pid)).toBe(true);

  const lines = hub.output().match(/^curl .*$/gm) ?? [];
  expect(lines).toHaveLength(3);
  const answers = [];
  for (const line of lines) answers.push(await fetch(...requestIn(line, hub.output())));
  expect(answers.map(({ status }) => status)).toEqual([204, 204, 200]);
  expect(await answers[2]?.json()).toEqual([
    { text: 'hello' },
    { text: 'how' },
    { text: 'are' },
    { text: 'you?' },
  ]);

  const { pid, url } = local();
  expect(await stop(hub)).toBe(0);
  expect([existsSync(localFile), isAlive(pid)]).toEqual([false, false]);
  expect(left()).toEqual([]);
  await expect(fetch(url)).rejects.toThrow();
});

test('a second hub does not take the place of the first; Ctrl-C before it is ready leaves nothing either', async () => {
  const first = await start();
  const { pid } = local();
  const second = await start();
  expect(second.output()).toContain('Another hub runs here already');
  await stop(second);
  expect(local().pid).toBe(pid);
  await stop(first);

  const early = run(cwd, 'scripts/start.ts');
  running.add(early);
  await expect.poll(() => early.output(), READY).toContain('synthesizing');
  expect(await stop(early)).toBe(0);
  expect(left()).toEqual([]);
});

/** What a hub leaves behind, beside complete assemblies for the next start. */
const left = (): string[] =>
  globSync('.tidings/{*,assemblies/*}', { cwd }).filter((path) => !/assemblies(\/\w+)?$/.test(path));

test('Ctrl-C in a terminal, which all of its processes get, ends it without an error while it starts', async () => {
  // No other test uses this context. So there is no assembly of it yet.
  const flags = ['--anonymous', '{"stopped":["subscribe"]}'];
  const child = spawn(process.execPath, [RUN, 'scripts/start.ts', ...flags], { cwd, detached: true });
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      printed += String(chunk);
    });
  }
  const ended = once(child, 'close');
  // The program that synthesizes writes there.
  const written = () => globSync('.tidings/assemblies/*-*/*', { cwd });
  await expect.poll(written, READY).not.toEqual([]);
  if (child.pid === undefined) throw new Error('it was not started');
  process.kill(-child.pid, 'SIGINT');
  expect(await ended).toEqual([0, null]);
  expect(printed).toContain('stopping …');
  expect(printed).not.toMatch(/^tidings:|Bundling/m);
  expect(left()).toEqual([]);
});

test('--data keeps channels and keys; --concurrency 1, --channel-creation and --anonymous take effect', async () => {
  const flags = ['--data', 'kept', '--concurrency', '1', '--anonymous', '{"open":["subscribe"]}'];
  const first = await start(...flags);
  expect(first.output()).toContain('One request at a time in each process, as deployed.\n');
  const { url, token } = local();
  const published = await callerAt(url, { Authorization: `Bearer ${token}` }).publish('open', 'kept');
  expect(published.status).toBe(204);
  await stop(first, 'SIGTERM');

  const second = await start(...flags, '--channel-creation', 'explicit');
  expect((await callerAt(local().url).readAll('open')).messages).toEqual(['kept']);
  const owner = callerAt(local().url, { Authorization: `Bearer ${token}` });
  expect((await owner.publish('new', 1)).status).toBe(404);
  await stop(second);
});

test('--region has the publish quota of SNS there', async () => {
  const hub = await start('--region', 'eu-west-3');
  const account = await accountOf(local().aws);
  // Ends when some was refused: 30,000 messages a second, as without the flag, are out of reach.
  const elsewhere = await account.useUpQuota();
  await elsewhere.end();
  await stop(hub);
});

test('a token does what it was minted for, and nothing else', async () => {
  const hub = await start();
  expect(hub.output()).toContain(
    'Up to 64 requests at a time in each process; --concurrency 1 is as deployed.\n',
  );
  const minted = run(cwd, 'scripts/token.ts', '--capability', '{"chat/*":["publish"]}', '--ttl', '15m');
  expect(await minted.ended, minted.output()).toBe(0);
  const caller = callerAt(local().url, { Authorization: `Bearer ${minted.output().trim()}` });
  expect((await caller.publish('chat/1', 1)).status).toBe(204);
  expect((await caller.read('chat/1')).status).toBe(403);
  expect((await caller.publish('other', 1)).status).toBe(403);
  await stop(hub);
});

test('npm run listen shows what is published, by any transport, also in chaos mode', async () => {
  const hub = await start('--chaos', '--seed', '7');
  expect(hub.output()).toContain('--chaos --seed 7 repeats this run');
  const caller = callerAt(local().url, { Authorization: `Bearer ${local().token}` });
  await caller.publish('chat/1', 'early');
  const listeners = await Promise.all([
    listenTo('--channel', 'chat/*'),
    listenTo('--channel', 'chat/1', '--offset', '-1', '--via', 'sse'),
  ]);
  await caller.publish('chat/1', { n: 1 });
  // A pattern may begin up to two seconds early (PROTOCOL.md §12.4).
  const printed = () =>
    listeners.map((one) =>
      one
        .output()
        .split('\n')
        .filter((line) => line.startsWith('chat/1 ')),
    );
  const last = async () => printed().map((lines) => lines.at(-1));
  await expect.poll(last).toEqual(['chat/1 {"n":1}', 'chat/1 {"n":1}']);
  expect(printed()[1]).toEqual(['chat/1 "early"', 'chat/1 {"n":1}']);
  for (const listener of listeners) expect(await stop(listener)).toBe(0);
  const refused = run(cwd, 'scripts/remote/listen.ts', '--channel', 'chat/1', '--token', 'x');
  expect(await refused.ended, refused.output()).toBe(1);
  expect(refused.output()).toContain('unauthorized');
  await stop(hub);
});

describe('a command whose output nobody reads any more ends quietly', () => {
  test('npm run listen, with its next message', async () => {
    const hub = await start();
    const caller = callerAt(local().url, { Authorization: `Bearer ${local().token}` });
    const listener = await listenTo('--channel', 'piped');
    listener.process.stdout?.destroy();
    await caller.publish('piped', 1);
    expect(await listener.ended).toBe(0);
    expect(listener.output()).not.toMatch(/EPIPE|at .*\.ts/);
    running.delete(listener);
    await stop(hub);
  });

  test('npm start, and it leaves nothing behind', async () => {
    const hub = run(cwd, 'scripts/start.ts');
    running.add(hub);
    hub.process.stdout?.destroy();
    expect(await hub.ended).toBe(0);
    expect(hub.output()).toBe('');
    running.delete(hub);
    expect(left()).toEqual([]);
  });

  test('npm run bench', async () => {
    const bench = run(cwd, 'scripts/bench.ts');
    bench.process.stdout?.destroy();
    expect([await bench.ended, bench.output()]).toEqual([expect.toBeOneOf([0, 2]), '']);
  });
});

describe('mistakes get one sentence', () => {
  test.each([
    [['--port', 'eighty'], '--port is eighty, it must be a whole number from 0 to 65535'],
    [['--concurrency', '0'], '--concurrency is 0, it must be a whole number from 1 to 128'],
    [['--channel-creation', 'auto'], '--channel-creation is auto, it must be implicit or explicit'],
    [['--anonymous', '{"a":"b"}'], '--anonymous is {"a":"b"}: the operations of "a" must be a list of'],
    [['--prot', '1'], "Unknown option '--prot'"],
    [['--region', 'Paris'], '--region is Paris, it must be one such as eu-west-3'],
    [['--seed', '1'], '--seed goes with --chaos'],
    [['--data', ''], '--data is empty, it must be a directory'],
    [['--data', 'file'], '--data is file, it must be a directory or not be there yet'],
    [['--data', 'file/x'], '--data is file/x, where nothing can be stored: ENOTDIR'],
    [['--data', '/dev/null/x'], '--data is /dev/null/x, where nothing can be stored: ENOTDIR'],
    [['--data', '/proc/x'], '--data is /proc/x, where nothing can be stored: E'],
    [['--chaos', '--seed', 'x'], '--seed is x, it must be a whole number from 0 to 999999'],
    [['--harsh', '--seed', 'y'], '--seed is y, it must be a whole number from 0 to 999999'],
  ])('npm start -- %j', async (args, sentence) => {
    writeFileSync(join(cwd, 'file'), '');
    const command = run(cwd, 'scripts/start.ts', ...args);
    expect(await command.ended).toBe(2);
    expect(command.output()).toContain(`tidings: ${sentence}`);
    expect(command.output().trim().split('\n')).toHaveLength(1);
  });

  test.each([
    [['--sub', ''], '--sub has 0 characters, it must have 1 to 255'],
    [['--tenant', 'a/b'], '--tenant is a/b, it must be one segment of a channel name and not "tidings"'],
    [['--tenant', 'tidings'], '--tenant is tidings'],
    [['--key', '--sub', 'ada'], '--capability, --sub and --tenant do not go with it'],
    [[], 'no hub runs here'],
    [['--capability', '{"a":["fly"]}'], 'publish, subscribe, webhook, manage'],
    [['--capability', '{'], '--capability is {'],
    [['--capability', '{}', '--ttl', 'soon'], '--ttl is soon, it must be like 90s, 15m, 1h or 30d'],
    [['--capability', '{}'], 'no hub runs here'],
  ])('npm run token -- %j', async (args, sentence) => {
    const command = run(cwd, 'scripts/token.ts', ...args);
    expect(await command.ended).toBe(2);
    expect(command.output()).toContain(sentence);
  });

  test.each([
    [[], 'no hub runs here: start one with npm start, or name a deployed one with --stage'],
    [['--now'], "Unknown option '--now'"],
  ])('npm run rotate -- %j', async (args, sentence) => {
    const command = run(cwd, 'scripts/rotate.ts', ...args);
    expect(await command.ended).toBe(2);
    expect(command.output()).toContain(`tidings: ${sentence}`);
  });

  test.each([
    [[], '--channel is missing'],
    [
      ['--channel', 'a', '--via', 'pigeon'],
      '--via has pigeon, it must be of websocket, sse, long-poll, poll',
    ],
    [['--channel', 'a'], 'no hub runs here: start one with npm start, or name one with --url'],
    [['--channel', 'a', '--url', 'http://'], '--url is http://, it must be a URL'],
    [
      ['--channel', 'a', '--url', 'http://127.0.0.1:99999'],
      '--url is http://127.0.0.1:99999, it must be a URL',
    ],
  ])('npm run listen -- %j', async (args, sentence) => {
    const command = run(cwd, 'scripts/remote/listen.ts', ...args);
    expect(await command.ended).toBe(2);
    expect(command.output()).toContain(`tidings: ${sentence}`);
  });

  test('a port that is taken', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const address = server.address();
    const port = typeof address === 'object' ? String(address?.port) : '';
    const command = run(cwd, 'scripts/start.ts', '--port', port);
    expect(await command.ended).toBe(2);
    expect(command.output()).toMatch(
      new RegExp(`^tidings: --port is ${port}, and no program can listen there now`),
    );
    await new Promise((resolve) => server.close(resolve));
  });

  test.each(['start', 'token', 'rotate', 'remote/listen', 'smoke', 'build', 'bench', 'test', 'cdk'])(
    '%s has --help',
    async (script) => {
      const command = run(cwd, `scripts/${script}.ts`, '--help');
      expect([await command.ended, command.output()]).toEqual([0, expect.stringContaining('usage: npm ')]);
    },
  );
});

test('a hub that cannot say where it is ends with an error, and does not stay', async () => {
  const elsewhere = temporaryDirectory();
  mkdirSync(join(elsewhere.path, '.tidings/local.json'), { recursive: true });
  const command = run(elsewhere.path, 'scripts/start.ts', '--port', '0');
  running.add(command);
  try {
    expect(await command.ended).toBe(1);
    expect(command.output()).toMatch(/tidings: EISDIR/);
    // The assembly stays for the next start.
    expect(readdirSync(join(elsewhere.path, '.tidings')).sort()).toEqual(['assemblies', 'local.json']);
  } finally {
    running.delete(command);
    elsewhere.remove();
  }
});

test('listen says that a hub cannot be reached, and goes on trying', async () => {
  const command = run(cwd, 'scripts/remote/listen.ts', '--channel', 'a', '--url', 'http://127.0.0.1:1');
  running.add(command);
  await expect.poll(() => command.output(), READY).toContain('http://127.0.0.1:1 cannot be reached');
  expect(command.process.exitCode).toBeNull();
  expect(await stop(command)).toBe(0);
});
