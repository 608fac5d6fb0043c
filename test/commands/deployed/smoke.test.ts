/**
 * `npm run smoke` against local hubs. On a healthy hub every check passes or is unseen. A hub with a wrong answer
 * fails.
 * @module
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { keysOfLocalHub } from '../../../scripts/hub/hub-keys.ts';
import { type RunningHub, startHub } from '../../../scripts/hub/local-hub.ts';
import { type FrontAnswer, startProxy, type TestProxy } from '../../support/client/proxy.ts';
import { clearFaults, inject } from '../../support/wire/faults.ts';
import { callerAt } from '../../support/wire/wire.ts';
import { run, runIn, temporaryDirectory } from '../support.ts';
import { startDeployed } from './deployed.ts';

const directory = temporaryDirectory();
const { path: cwd } = directory;
let well: RunningHub;
let bare: RunningHub;
/** Stands between the checks and the hub, and answers in place of the hub if a test says so. */
let proxy: TestProxy;
beforeAll(async () => {
  const context = {
    'tidings:stage': 'prod',
    'tidings:anonymous': { 'public/*': ['subscribe'] },
    'tidings:streamSeconds': 8,
  };
  [well, bare] = await Promise.all([
    startHub({ context }),
    startHub({ context: { ...context, 'tidings:edge': false, 'tidings:maxHolds': 1 } }),
  ]);
  proxy = await startProxy(well.stack.url);
  mkdirSync(join(cwd, '.tidings'));
});
afterEach(async () => {
  proxy.front = undefined;
  await clearFaults(well.stack.control);
});
afterAll(async () => {
  await proxy.close();
  await Promise.all([well.close(), bare.close()]);
  directory.remove();
});

/** Writes the file by which commands find the local hub, with the URL of its front door. */
function announce(
  { stack, token }: RunningHub,
  url: string,
  outputs: Readonly<Record<string, string>> = {},
): void {
  const { control, aws } = stack;
  const hub = { url, token, pid: process.pid, control, aws, outputs: { ...stack.outputs, ...outputs } };
  writeFileSync(join(cwd, '.tidings/local.json'), JSON.stringify(hub));
}

/** Runs the command. Returns its exit code, and the result of each check by number. */
async function smoke(...args: readonly string[]) {
  const command = run(cwd, 'scripts/smoke.ts', ...args);
  const code = await command.ended;
  const output = command.output();
  const lines = output.matchAll(/^(pass|FAIL|unseen) +(\d+) /gm);
  return { code, output, results: Object.fromEntries([...lines].map(([, result, n]) => [n, result])) };
}

/** Checks that all channels and endpoints are deleted. Returns the channels that were created. */
async function madeAndGone(): Promise<readonly string[]> {
  const hub = callerAt(well.stack.url, { Authorization: `Bearer ${well.token}` });
  expect(await (await hub.request('/webhooks')).json()).toEqual({ endpoints: [] });
  const made = proxy.came.filter((asked) => asked.startsWith('PUT ')).map((asked) => asked.slice(4));
  for (const path of made) {
    const { headers } = await hub.request(path, { method: 'HEAD' });
    expect([path, headers.get('Stream-Next-Offset')]).toEqual([path, '0000000000000000']);
  }
  proxy.came.splice(0);
  return made;
}

const ALL = Array.from({ length: 17 }, (_, at) => String(at + 1));

test('a healthy hub passes, and all channels and endpoints are removed', async () => {
  announce(well, proxy.url);
  const { code, output, results } = await smoke('--only', ALL.join(','), '--pause', '1', '--rate', '5');
  const passed = Object.fromEntries(ALL.map((number) => [number, 'pass']));
  expect(results, output).toEqual({ ...passed, 3: 'unseen', 10: 'unseen' });
  expect([code, output]).toEqual([0, expect.stringContaining('15 passed, 0 failed, 2 cannot be seen')]);
  expect((await madeAndGone()).length).toBeGreaterThan(10);
});

test('check 11 passes on a hub with a web ACL, which nobody can walk around', async () => {
  const webAcl =
    'arn:aws:wafv2:us-east-1:123456789012:global/webacl/team/11111111-2222-3333-4444-555555555555';
  const closed = await startHub({ context: { 'tidings:webAcl': webAcl } });
  try {
    announce(closed, closed.stack.url);
    const { code, output, results } = await smoke('--only', '11');
    expect([results, code], output).toEqual([{ 11: 'pass' }, 0]);
    expect(output).toContain('403 at HttpUrl, SocketUrl and StreamUrl');
  } finally {
    await closed.close();
  }
});

test('Ctrl-C ends the run, and all channels and endpoints are removed', async () => {
  announce(well, proxy.url);
  const command = run(cwd, 'scripts/smoke.ts', '--only', '7');
  await expect.poll(command.output).toContain('waiting until');
  command.process.kill('SIGINT');
  expect(await command.ended, command.output()).toBe(1);
  expect((await madeAndGone()).length).toBeGreaterThan(0);
});

test('Ctrl-C while a long poll is held also removes all channels and endpoints', async () => {
  announce(well, proxy.url);
  const command = run(cwd, 'scripts/smoke.ts', '--only', '3');
  await expect.poll(() => proxy.came.some((asked) => asked.includes('live=long-poll'))).toBe(true);
  command.process.kill('SIGINT');
  expect(await command.ended, command.output()).toBe(1);
  expect(command.output()).toContain('0 passed, 0 failed');
  expect((await madeAndGone()).length).toBeGreaterThan(0);
});

test('without a front door, and with room for one long poll', async () => {
  announce(bare, bare.stack.url);
  const { code, output, results } = await smoke('--only', '1,2,3,6,11,13');
  expect(results, output).toEqual({ 1: 'pass', 2: 'pass', 3: 'pass', 6: 'pass', 11: 'pass', 13: 'unseen' });
  expect([code, output]).toEqual([0, expect.stringContaining('without a front door')]);
});

test('a deployed hub is found by its stacks', async () => {
  const { key } = await keysOfLocalHub(well.stack);
  const outputs = { ...well.stack.outputs, Url: well.stack.url };
  const { env, asked, close } = await startDeployed({ current: key, previous: '' }, 200, outputs);
  const command = runIn({ cwd, env }, 'scripts/smoke.ts', '--stage', 'prod', '--only', '1,14');
  expect(await command.ended, command.output()).toBe(0);
  expect(command.output()).toContain('2 passed, 0 failed');
  expect(asked.join()).toContain('StackName=tidings-prod-hub');
  close();
});

type Front = (method: string, path: string) => FrontAnswer | undefined;

const JSON_TYPE = { 'Content-Type': 'application/json' };
const FORBIDDEN = { status: 403, headers: JSON_TYPE, body: '{"message":"The request signature is another"}' };
/** Answers only these requests. */
const to =
  (isMeant: (method: string, path: string) => boolean, answer: FrontAnswer): Front =>
  (method, path) =>
    isMeant(method, path) ? answer : undefined;
/** Answers only the first of these requests. */
function toFirst(isMeant: (method: string, path: string) => boolean, answer: FrontAnswer): Front {
  let left = 1;
  return (method, path) => (isMeant(method, path) && left-- > 0 ? answer : undefined);
}
const isPoll = (_method: string, path: string) => path.includes('live=long-poll');

const WRONG: readonly (readonly [number, string, string, () => Front])[] = [
  [
    1,
    'a broken signature',
    '403 application/json',
    () => to((_, path) => path.startsWith('/events'), FORBIDDEN),
  ],
  [
    2,
    'a refused upgrade',
    'by the Authorization header: Unexpected server response: 403',
    () => to((m) => m === 'UPGRADE', FORBIDDEN),
  ],
  [3, 'an answer that is not a refusal', 'came: 404', () => to(isPoll, { status: 404, body: 'gone' })],
  [
    4,
    'no challenge',
    '401 without a challenge from the function URL',
    () =>
      to((_, path) => path.includes('live=sse'), {
        status: 401,
        headers: JSON_TYPE,
        body: '{"error":{"code":"unauthorized"}}',
      }),
  ],
  [5, 'the 304 of another caller', 'came: 304', () => to((_, path) => path.includes('_=3'), { status: 304 })],
  [
    6,
    'a path encoded twice',
    'came: 403',
    () => to((m, path) => m === 'GET' && path.includes('%2F'), FORBIDDEN),
  ],
  [
    7,
    'an interrupted invocation',
    'it ended when its reader left',
    () => to((m) => m === 'HEAD', { status: 200 }),
  ],
  [8, 'a throttled publish', 'times 503', () => toFirst((m) => m === 'POST', { status: 503 })],
  [9, 'a message that does not arrive', 'the long poll was answered 204', () => to(isPoll, { status: 204 })],
  [12, 'a preflight without CORS', '204 with origin ,', () => to((m) => m === 'OPTIONS', { status: 204 })],
  [
    13,
    'a refusal without CORS',
    'Access-Control-Allow-Origin: null',
    () => toFirst((m) => m === 'GET', { status: 431 }),
  ],
  [
    14,
    'a cached HEAD',
    'Cache-Control null',
    () => to((m) => m === 'HEAD', { status: 200, headers: JSON_TYPE }),
  ],
  [15, 'a lower limit', '413 for the publish', () => toFirst((m) => m === 'POST', { status: 413 })],
  [
    17,
    'a stale page',
    'came: 200 [1,2] after publish 1',
    () => to((_, path) => path.startsWith('/channels/public'), { status: 200, body: '[1,2]' }),
  ],
];

describe('a hub with a defect fails', () => {
  test.each(WRONG)('check %i: %s', async (number, _what, came, front) => {
    announce(well, proxy.url);
    const isWrong = front();
    // The hub itself answers PUT and DELETE, which create and delete channels.
    proxy.front = (method, path) =>
      method === 'PUT' || method === 'DELETE' ? undefined : isWrong(method, path);
    const { code, output, results } = await smoke('--only', String(number), '--pause', '1', '--rate', '5');
    expect([results, code], output).toEqual([{ [number]: 'FAIL' }, 1]);
    expect(output).toContain(came);
  });

  test('check 11: a function URL that is open to every caller', async () => {
    announce(well, proxy.url, { StreamUrl: well.stack.url });
    const { code, output, results } = await smoke('--only', '11');
    expect([results, code], output).toEqual([{ 11: 'FAIL' }, 1]);
    expect(output).toContain('it can be called without the front door');
  });

  test('check 10: an unreachable receiver', async () => {
    announce(well, proxy.url);
    const { code, output, results } = await smoke('--only', '10', '--receiver', 'http://localhost:1/');
    expect([results, code], output).toEqual([{ 10: 'FAIL' }, 1]);
    expect(output).toContain('connection_refused');
  });

  test('check 16: a publish whose process is killed', async () => {
    announce(well, proxy.url);
    await inject(well.stack.control, {
      function: 'Publish',
      at: 'before',
      action: 'dynamodb:PutItem',
      resource: 'Entries',
      effect: 'kill',
    });
    const { code, output, results } = await smoke('--only', '16');
    expect([results, code], output).toEqual([{ 16: 'FAIL' }, 1]);
    expect(output).toMatch(/came: 50\d for a publish/);
  });

  test('no hub at all: each check tells the reason', async () => {
    const closed = await startProxy(well.stack.url);
    await closed.close();
    announce(well, closed.url);
    const { code, output } = await smoke('--only', '14');
    expect([code, output]).toEqual([1, expect.stringContaining('ECONNREFUSED')]);
  });
});

test('docs/first-hour.md explains each check', async () => {
  const { output } = await smoke('--help');
  const checks = [...output.matchAll(/^ {2,3}(\d+) {2}(.+)$/gm)].map(
    ([, number, title]) => `${number} ${title}`,
  );
  const page = readFileSync(resolve(import.meta.dirname, '../../../docs/first-hour.md'), 'utf8');
  const rows = [...page.matchAll(/^\| (\d+ [^|]+) \| [^|]+ \| [^|]+ \|$/gm)].map(([, check]) => check);
  expect(checks).toHaveLength(ALL.length);
  expect(rows).toEqual(checks);
});

describe('mistakes get one sentence', () => {
  test.each([
    [['--only', '99'], '--only is 99, it must be numbers from 1 to 17'],
    [['--rate', '0'], '--rate is 0, it must be a whole number from 1 to 1000'],
    [['--pause', 'x'], '--pause is x, it must be a whole number from 1 to 1800'],
    [['--receiver', 'here'], '--receiver is here, it must be a URL'],
    [['--origin', 'https://a.example/'], '--origin is https://a.example/, it must be an origin'],
    [['--public', 'a//b'], '--public is a//b, it must be the beginning of a channel name'],
  ])('%j', async (args, sentence) => {
    const { code, output } = await smoke(...args);
    expect([code, output]).toEqual([2, expect.stringContaining(`tidings: ${sentence}`)]);
  });

  test('no hub', async () => {
    const empty = temporaryDirectory();
    const command = run(empty.path, 'scripts/smoke.ts');
    expect([await command.ended, command.output()]).toEqual([2, expect.stringContaining('no hub runs here')]);
    empty.remove();
  });
});
