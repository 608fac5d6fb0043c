/**
 * docs/tokens.md: its code mints tokens with the key that the command prints, and the hub accepts them.
 * @module
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { Capability } from '../../protocol/capability.ts';
import { mint } from '../../scripts/mint.ts';
import { callerAt } from '../support/wire/wire.ts';
import { type Command, run, temporaryDirectory } from './support.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const directory = temporaryDirectory();
const { path: cwd } = directory;
let hub: Command;
let url = '';
let env: NodeJS.ProcessEnv = {};

beforeAll(async () => {
  hub = run(cwd, 'scripts/start.ts', '--port', '0');
  await vi.waitFor(() => expect(hub.output()).toContain('is ready'), { timeout: 120_000, interval: 50 });
  ({ url } = JSON.parse(readFileSync(join(cwd, '.tidings/local.json'), 'utf8')));
  const lines = (await printed('--key')).split('\n').map((line) => line.split('='));
  env = { ...process.env, ...Object.fromEntries(lines) };
});

afterAll(async () => {
  hub.process.kill('SIGINT');
  await hub.ended;
  directory.remove();
});

/** Returns the output of `npm run token` with these flags. */
async function printed(...flags: readonly string[]): Promise<string> {
  const command = run(cwd, 'scripts/token.ts', ...flags);
  expect(await command.ended, command.output()).toBe(0);
  return command.output().trim();
}

/** Returns the status of a publish with the token, for each channel. */
async function statusesOf(token: string, ...channels: readonly string[]): Promise<number[]> {
  const caller = callerAt(url, { Authorization: `Bearer ${token}` });
  const statuses: number[] = [];
  for (const channel of channels) statuses.push((await caller.publish(channel, 1)).status);
  return statuses;
}

describe('docs/tokens.md', () => {
  const page = readFileSync(join(ROOT, 'docs/tokens.md'), 'utf8');
  const [, ...blocks] = page.split(/^```js\n/m);
  const sources = blocks
    .map((block) => block.split('\n```')[0] ?? '')
    .filter((code) => code.includes('tokenFor ='));

  test.each([
    ['tidings-client/mint', sources[0]],
    ['jose', sources[1]],
  ])('has code with %s that mints tokens that the hub accepts', async (library, code = '') => {
    expect(code).toContain(`from '${library}'`);
    const places: Readonly<Record<string, string>> = {
      'tidings-client/mint': join(ROOT, 'scripts/mint.ts'),
      jose: join(ROOT, 'node_modules/jose/dist/webapi/index.js'),
    };
    const file = join(cwd, 'backend.mjs');
    const call = `process.stdout.write(await tokenFor({ id: 'ada', team: 'red' }));`;
    writeFileSync(file, `${code.replace(`'${library}'`, `'${places[library]}'`)}\n${call}\n`);
    const { stdout, stderr } = spawnSync(process.execPath, [file], { env, encoding: 'utf8' });
    expect(decodeJwt(stdout).sub, stderr).toBe('ada');
    expect(await statusesOf(stdout, 'chat/red/1', 'chat/blue/1')).toEqual([204, 403]);
  });
});

test('npm run token -- --sub --tenant sets both, and channels outside the tenant are denied', async () => {
  const token = await printed('--sub', 'ada', '--tenant', 'acme');
  expect(decodeJwt(token)).toMatchObject({ sub: 'ada', tenant: 'acme', aud: 'tidings:dev' });
  expect(await statusesOf(token, 'acme/1', 'other/1')).toEqual([204, 403]);
  const wide = await printed('--tenant', 'acme', '--capability', '{"*":["publish"],"acme/a":["publish"]}');
  expect(await statusesOf(wide, 'acme/a', 'acme/b', 'other/1')).toEqual([204, 403, 403]);
  expect(decodeJwt(await printed()).capability).toEqual({ '*': ['publish', 'subscribe'] });
});

describe('mint() refuses what the hub would refuse', () => {
  const capability: Capability = { a: ['publish'] };
  const request = { key: 'k', audience: 'tidings:dev', capability, ttlSeconds: 60 };
  test.each([
    [{ key: '' }, 'the key is empty'],
    [{ capability: JSON.parse('{"a":["fly"]}') }, 'the operations of "a" must be'],
    [{ capability: JSON.parse('null') }, 'a capability is a JSON object'],
    [{ ttlSeconds: Number.NaN }, 'ttlSeconds is NaN'],
    [{ ttlSeconds: 1.5 }, 'ttlSeconds is 1.5'],
    [{ sub: '' }, 'sub has 0 characters'],
    [{ sub: 'x'.repeat(256) }, 'sub has 256 characters'],
    [{ tenant: 'a/b' }, 'tenant is "a/b"'],
    [{ tenant: 'tidings' }, 'tenant is "tidings"'],
  ])('%j', async (wrong, sentence) => {
    await expect(mint({ ...request, ...wrong })).rejects.toThrow(sentence);
    expect(decodeJwt(await mint(request))).not.toHaveProperty('sub');
  });
});
