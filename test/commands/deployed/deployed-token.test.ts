/**
 * `npm run token -- --stage`, with an endpoint in place of AWS.
 * @module
 */
import { decodeJwt, jwtVerify } from 'jose';
import { describe, expect, onTestFinished, test } from 'vitest';
import { runIn, temporaryDirectory } from '../support.ts';
import { ACCOUNT, USUAL, xmlError } from './accounts.ts';
import { emptyEnv, startRecordedAws } from './aws.ts';
import { startDeployed } from './deployed.ts';

const KEY = 'k'.repeat(64);

test('npm run token finds the key by the outputs of the stack, and mints for its audience', async () => {
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

describe('one sentence is printed for', () => {
  const said = async (env: NodeJS.ProcessEnv, script: string) => {
    const { path, remove } = temporaryDirectory();
    onTestFinished(remove);
    const command = runIn({ cwd: path, env }, `scripts/${script}.ts`, '--stage', 'prod');
    return { code: await command.ended, output: command.output() };
  };

  test.each(['token', 'rotate', 'smoke'])('npm run %s without credentials', async (script) => {
    const none = 'tidings: no AWS credentials were found: set AWS_PROFILE';
    expect(await said({ ...emptyEnv(), AWS_REGION: 'eu-west-1' }, script)).toEqual({
      code: 1,
      output: expect.stringMatching(new RegExp(`^${none}.*\\n$`)),
    });
  });

  test('no Region', async () => {
    const env = { ...emptyEnv(), AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' };
    const output = 'tidings: no AWS Region is set: set AWS_REGION, such as eu-west-1\n';
    expect(await said(env, 'token')).toEqual({ code: 1, output });
  });

  test('a stage that is not deployed', async () => {
    const aws = await startRecordedAws('eu-west-1', {
      ...USUAL,
      'cloudformation:DescribeStacks': xmlError('ValidationError', 'Stack with id x does not exist'),
    });
    onTestFinished(aws.close);
    const { code, output } = await said(aws.env, 'token');
    expect([code, output]).toEqual([
      1,
      `tidings: account ${ACCOUNT} has no stack tidings-prod-log in eu-west-1: set --stage or AWS_REGION to another, or deploy it (npm run deploy)\n`,
    ]);
  });
});
