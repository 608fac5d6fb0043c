/**
 * The hub in an app of a team, on this machine: two hubs in one stack, and a function that publishes by the intake queue.
 * @module
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type LocalStack, startLocalStack } from '../../../local/stack.ts';
import { synth } from '../../../local/synth.ts';
import { callerAt, newChannel } from '../../support/wire/wire.ts';

const ROOT = resolve(import.meta.dirname, '../../..');
const STATE = join(ROOT, '.tidings');

let outdir: string;
let stack: LocalStack;
beforeAll(async () => {
  // Below the folder of the project: the functions of the team find their packages there, as those of Lambda find the SDK.
  mkdirSync(STATE, { recursive: true });
  outdir = mkdtempSync(join(STATE, 'own-app-'));
  await synth({ projectDir: join(ROOT, 'test/support/own-app'), outdir });
  stack = await startLocalStack({ assembly: outdir });
});
afterAll(async () => {
  await stack.close();
  rmSync(outdir, { recursive: true, force: true });
});

/** Returns an output whose id begins with the ids of its constructs. */
function output(of: string): string {
  const [, value = ''] = Object.entries(stack.outputs).find(([id]) => id.startsWith(of)) ?? [];
  return value.replace(/\/$/, '');
}

test('a function with the grant publishes to its hub, in the order of its calls, and to no other', async () => {
  const [first, second] = [callerAt(stack.url, {}), callerAt(output('SecondHttpUrl'), {})];
  const channel = newChannel();
  expect((await fetch(`${output('GrantedUrl')}/?${channel}`)).status).toBe(204);
  await expect.poll(async () => (await first.readAll(channel)).messages).toEqual([{ n: 1 }, { n: 2 }]);
  await second.publish(channel, { n: 3 });
  expect((await second.readAll(channel)).messages).toEqual([{ n: 3 }]);
  expect((await first.readAll(channel)).messages).toEqual([{ n: 1 }, { n: 2 }]);
});

test('a function without the grant is refused by IAM', async () => {
  const answer = await fetch(`${output('RefusedUrl')}/?${newChannel()}`);
  expect([answer.status, await answer.text()]).toEqual([500, expect.stringMatching(/AccessDenied/)]);
});
