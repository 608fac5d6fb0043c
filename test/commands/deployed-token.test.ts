/**
 * `npm run token -- --stage`: the calls that it makes to AWS, held against a stand-in.
 * @module
 */
import { decodeJwt, jwtVerify } from 'jose';
import { expect, onTestFinished, test } from 'vitest';
import { startDeployed } from './deployed.ts';
import { runIn, temporaryDirectory } from './support.ts';

const KEY = 'k'.repeat(64);

test('finds the key by the outputs of the stack and mints for its audience', async () => {
  const { env, asked, close } = await startDeployed({ current: KEY, previous: '' });
  const directory = temporaryDirectory();
  onTestFinished(() => {
    close();
    directory.remove();
  });
  const args = ['--stage', 'prod', '--capability', '{"a":["publish"]}', '--ttl', '30d'];
  const command = runIn({ cwd: directory.path, env }, 'scripts/token.ts', ...args);
  expect(await command.ended, command.output()).toBe(0);
  expect(asked[0]).toContain('StackName=tidings-prod-log');
  expect(asked[1]).toContain('arn:secret');
  const token = command.output().trim();
  const { payload } = await jwtVerify(token, new TextEncoder().encode(KEY), { audience: 'tidings:prod' });
  expect(payload.capability).toEqual({ a: ['publish'] });
  expect(decodeJwt(token).exp).toBe((payload.iat ?? 0) + 30 * 86_400);
});
