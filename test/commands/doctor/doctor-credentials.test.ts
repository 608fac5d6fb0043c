/**
 * `npm run doctor` without valid credentials or without a Region: one sentence tells what to do.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { afterAll, describe, expect, test } from 'vitest';
import { xmlError } from '../deployed/accounts.ts';
import { emptyEnv } from '../deployed/aws.ts';
import { runIn, temporaryDirectory } from '../support.ts';
import { askDoctor, type Said, shown } from './doctor.ts';

const { path: directory, remove } = temporaryDirectory();
afterAll(remove);

describe('one sentence is printed, and nothing is built, for', () => {
  const without = async (
    env: NodeJS.ProcessEnv,
    ...args: readonly string[]
  ): Promise<Pick<Said, 'code' | 'output'>> => {
    const command = runIn({ cwd: directory, env: { ...emptyEnv(), ...env } }, 'scripts/doctor.ts', ...args);
    return { code: await command.ended, output: command.output() };
  };

  test('an environment without credentials', async () => {
    const said = await without({});
    await expect(said.output).toMatchFileSnapshot(shown('no-credentials'));
    expect(said.code).toBe(1);
  });

  test('an environment without credentials, with a metadata service that never answers', async () => {
    const silent = createServer(() => undefined).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const address = silent.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    const started = Date.now();
    const said = await without({
      AWS_EC2_METADATA_DISABLED: 'false',
      AWS_EC2_METADATA_SERVICE_ENDPOINT: `http://127.0.0.1:${port}`,
    });
    silent.closeAllConnections();
    silent.close();
    expect(said).toEqual({
      code: 1,
      output: expect.stringMatching(/^tidings: no AWS credentials were found.*\n$/),
    });
    expect(Date.now() - started).toBeLessThan(20_000);
  });

  test('a profile that does not exist', async () => {
    const said = await without({ AWS_REGION: 'eu-west-1' }, '--profile', 'nobody');
    expect(said.output).toMatch(/^tidings: no AWS credentials were found for the profile "nobody".*\n$/);
    expect(said.code).toBe(1);
  });

  test('no Region', async () => {
    const said = await without({ AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' });
    expect(said).toEqual({
      code: 1,
      output: 'tidings: no AWS Region is set: set AWS_REGION, such as eu-west-1\n',
    });
  });

  test.each([
    ['ExpiredToken', /^tidings: the AWS credentials have expired: .*\n$/],
    ['InvalidClientTokenId', /^tidings: AWS rejects these credentials \(InvalidClientTokenId\): .*\n$/],
  ])('credentials that AWS answers with %s', async (code, words) => {
    const answers = { 'sts:GetCallerIdentity': xmlError(code, 'The security token is not good', 403) };
    const said = await askDoctor(directory, 'eu-west-1', answers);
    expect(said.output).toMatch(words);
    expect(said.code).toBe(1);
  });

  test('an endpoint without the service, such as the local stack', async () => {
    const body = '{"__type":"UnknownOperationException","message":"the local stack has no service sts"}';
    const said = await askDoctor(directory, 'eu-west-1', { 'sts:GetCallerIdentity': { status: 501, body } });
    expect(said.output).toMatch(/^tidings: AWS does not return your identity \(.*\): .*\n$/);
    expect(said.code).toBe(1);
  });

  test('an unknown option', async () => {
    const said = await without({}, '--force');
    expect([said.code, said.output]).toEqual([2, expect.stringContaining('unknown option --force (--help')]);
    const half = await without({}, '-c');
    expect(half).toEqual({ code: 2, output: 'tidings: -c needs a value (--help lists the options)\n' });
  });
});
