/**
 * `npm run rotate`: the keys of a local hub, over the wire, and of a deployed one, by its calls of AWS.
 * @module
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { callerAt } from '../../support/wire/wire.ts';
import { type Command, run, runIn, temporaryDirectory } from '../support.ts';
import { startDeployed } from './deployed.ts';

const directory = temporaryDirectory();
const { path: cwd } = directory;
let hub: Command | undefined;
afterAll(async () => {
  hub?.process.kill('SIGINT');
  await hub?.ended;
  directory.remove();
});

/**
 * Returns the status for each token: of a read on a function that has cached its keys, or of a request for webhooks.
 */
async function statusesOf(path: string, ...tokens: readonly string[]): Promise<number[]> {
  const { url } = local();
  const ask = async (token: string) =>
    (await callerAt(url, { Authorization: `Bearer ${token}` }).request(path)).status;
  const statuses: number[] = [];
  for (const token of tokens) statuses.push(await ask(token));
  return statuses;
}

const local = () => JSON.parse(readFileSync(join(cwd, '.tidings/local.json'), 'utf8'));

async function rotate(): Promise<string> {
  const command = run(cwd, 'scripts/rotate.ts');
  expect(await command.ended, command.output()).toBe(0);
  return command.output();
}

test('tokens of the new key and of the previous key are valid, and no others', async () => {
  const running = run(cwd, 'scripts/start.ts', '--port', '0');
  hub = running;
  await expect.poll(() => running.output(), { timeout: 120_000, interval: 50 }).toContain('is ready');
  const first = local().token;
  expect(await statusesOf('/channels/a', first)).toEqual([200]);

  const said = await rotate();
  for (const word of [
    'tidings:dev has a new key',
    'this is the first rotation',
    'npm run token',
    'Rotate the keys',
  ])
    expect(said).toContain(word);
  const minted = run(cwd, 'scripts/token.ts', '--capability', '{"a":["subscribe"]}');
  expect(await minted.ended).toBe(0);
  const second = local().token;
  expect(await statusesOf('/channels/a', second, minted.output().trim(), first)).toEqual([200, 200, 200]);

  expect(await rotate()).toContain('refused, within five minutes');
  // A function that has cached no keys yet reads the current ones.
  expect(await statusesOf('/webhooks', local().token, second, first)).toEqual([200, 200, 401]);
});

describe('a deployed hub', () => {
  async function rotateDeployed(secret: object, putStatus?: number) {
    const { env, asked, close } = await startDeployed(secret, putStatus);
    onTestFinished(close);
    const command = runIn({ cwd, env }, 'scripts/rotate.ts', '--stage', 'prod');
    return { code: await command.ended, output: command.output(), asked };
  }
  const KEY = 'k'.repeat(64);

  test('the current key becomes the previous one, by a write that can follow its version only once', async () => {
    const { code, output, asked } = await rotateDeployed({ current: KEY, previous: 'p'.repeat(64) });
    expect(code, output).toBe(0);
    expect(asked).toHaveLength(3);
    const put = JSON.parse(asked[2] ?? '');
    expect(put).toMatchObject({
      SecretId: 'arn:secret',
      ClientRequestToken: createHash('sha256').update('v1').digest('hex'),
    });
    const { current, previous, ...rest } = JSON.parse(put.SecretString);
    expect([previous, rest]).toEqual([KEY, {}]);
    expect(current).toMatch(/^[A-Za-z0-9]{64}$/);
    expect(output).toContain('since 2026-01-01T00:00:00.000Z');
    expect(output).toContain('npm run token -- --stage prod');
    for (const key of [current, KEY]) expect(output).not.toContain(key);
  });

  test('of two rotations at the same time one fails, and a foreign secret is not changed', async () => {
    const conflict = await rotateDeployed({ current: KEY, previous: '' }, 400);
    expect(conflict.code).toBe(1);
    expect(conflict.output.trim()).toMatch(
      /^tidings: another rotation of this hub runs at the same time[^\n]*$/,
    );
    const foreign = await rotateDeployed({ password: 'x' });
    expect([foreign.code, foreign.asked.length]).toEqual([1, 2]);
    expect(foreign.output.trim()).toBe('tidings: the token secret has no text "current"');
  });
});
