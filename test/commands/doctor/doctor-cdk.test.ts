/**
 * `npm run bootstrap`, `diff`, `deploy` and `destroy`: their output, and how they call the CDK CLI. A program that
 * records its arguments replaces the CLI. AWS returns recorded answers.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  ACCOUNT,
  cloudFormation,
  lambdaSettings,
  resourcesOf,
  type Template,
  templateIn,
  USUAL,
} from '../deployed/accounts.ts';
import { type Answers, emptyEnv, startRecordedAws } from '../deployed/aws.ts';
import { runIn, temporaryDirectory } from '../support.ts';

const ROOT = resolve(import.meta.dirname, '../../..');
const { path: directory, remove } = temporaryDirectory();
const [kept, thrownAway] = [join(directory, 'kept'), join(directory, 'thrown-away')];
const calls = join(directory, 'calls');

beforeAll(async () => {
  await synth(kept);
  await synth(thrownAway, '-c', 'tidings:throwAway=true');
});
afterAll(remove);
beforeEach(() => recordCdk(0));

async function synth(to: string, ...options: readonly string[]): Promise<void> {
  const env = { ...emptyEnv(), CDK_VALIDATION: 'false' };
  const command = runIn(
    { cwd: directory, env },
    'scripts/cdk.ts',
    'synth',
    '--no-notices',
    '--output',
    to,
    ...options,
  );
  expect(await command.ended, command.output()).toBe(0);
}

/** Installs a program with the name of the CLI that records its arguments, and ends with that code. */
function recordCdk(code: number): void {
  writeFileSync(calls, '');
  const file = join(directory, 'cdk');
  writeFileSync(
    file,
    `#!/bin/sh\ntest -f cdk.json && app=' (with the app)'\necho "$*$app" >> '${calls}'\nexit ${code}\n`,
  );
  chmodSync(file, 0o755);
}

/** Returns the recorded calls of the CLI, without the directory of the assemblies. */
const called = (): readonly string[] =>
  readFileSync(calls, 'utf8')
    .trim()
    .split('\n')
    .filter(Boolean)
    .map((line) => line.replaceAll(`${directory}/`, ''));

interface Ran {
  readonly code: number;
  readonly output: string;
  readonly asked: ReadonlySet<string>;
}

async function cdk(answers: Answers, ...args: readonly string[]): Promise<Ran> {
  const aws = await startRecordedAws('eu-west-1', answers);
  const ran = await runWith({ ...aws.env }, args);
  aws.close();
  return { ...ran, asked: aws.asked };
}

async function runWith(env: NodeJS.ProcessEnv, args: readonly string[]) {
  const child = spawn(process.execPath, [join(ROOT, 'scripts/cdk.ts'), ...args], {
    cwd: directory,
    env: { ...env, PATH: `${directory}:${env.PATH}` },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      output += String(chunk);
    });
  }
  const [code] = await once(child, 'close');
  return { code: Number(code), output };
}

const deployed = (from: string, edit?: (template: Template) => void): Answers =>
  cloudFormation({
    'tidings-dev-log': {
      status: 'CREATE_COMPLETE',
      template: templateIn(from, 'tidings-dev-log', edit),
      isProtected: from === kept,
    },
    'tidings-dev-hub': {
      status: 'CREATE_COMPLETE',
      template: templateIn(from, 'tidings-dev-hub', edit),
      outputs: { Url: 'https://d111.cloudfront.net' },
    },
  });

describe('deploy', () => {
  test('deploys the assembly that the doctor has checked, with all other options', async () => {
    const { code, output } = await cdk(USUAL, 'deploy', '--app', kept, '--require-approval', 'never');
    expect(output).toContain('0 failures');
    expect(called()).toEqual(['deploy --all --app kept --require-approval never (with the app)']);
    expect(code).toBe(0);
  });

  test('deploys nothing if a check fails', async () => {
    const answers = { ...USUAL, 'ssm:GetParameter': { status: 400, body: '{"__type":"ParameterNotFound"}' } };
    const { code, output } = await cdk(answers, 'deploy', '--app', kept);
    expect(output).toMatch(/failure {2}bootstrap: .*\n.*npm run bootstrap/);
    expect(output).toContain('nothing was deployed');
    expect([code, called()]).toEqual([1, []]);
    const all = await cdk(answers, 'deploy', '--app', kept, '--no-doctor');
    expect([all.code, called()]).toEqual([0, ['deploy --all --app kept (with the app)']]);
  });

  test('tells how to find the reason if the deployment fails', async () => {
    recordCdk(1);
    const { code, output } = await cdk(USUAL, 'deploy', '--app', kept);
    expect([code, output]).toEqual([1, expect.stringContaining('run npm run doctor to see why')]);
  });

  test('builds nothing without credentials', async () => {
    const { code, output } = await runWith(emptyEnv(), ['deploy', '--stage', 'prod']);
    expect(output).toMatch(/^tidings: no AWS credentials were found: .*\n$/);
    expect([code, called()]).toEqual([1, []]);
  });
});

test('bootstrap passes account and Region, and needs no template', async () => {
  const { code } = await cdk(USUAL, 'bootstrap', '--trust', '444455556666');
  expect(called()).toEqual([`bootstrap aws://${ACCOUNT}/eu-west-1 --trust 444455556666`]);
  expect(code).toBe(0);
});

test('synth passes the stage, and needs no credentials', async () => {
  const { code } = await runWith(emptyEnv(), [
    'synth',
    '--stage=prod',
    '--context',
    'tidings:edge=false',
    '--region',
    'eu-west-3',
  ]);
  expect([code, called()]).toEqual([
    0,
    ['synth --quiet -c tidings:edge=false -c tidings:stage=prod --region eu-west-3 (with the app)'],
  ]);
});

test('diff prints after the changes which data and URLs they end', async () => {
  const older = deployed(kept, (old) => {
    for (const { Type, Properties } of resourcesOf(old)) {
      if (Type === 'AWS::SecretsManager::Secret') Properties.Name = 'old';
    }
  });
  const { output } = await cdk({ ...USUAL, ...older }, 'diff', '--app', kept);
  expect(called()).toEqual(['diff --app kept (with the app)']);
  expect(output).toMatch(
    /failure {2}update: AWS::SecretsManager::Secret TokenKeysSecret\w+ of tidings-dev-log is replaced/,
  );
});

describe('destroy', () => {
  test('prints the tables and keys that stay, and the command that deletes them', async () => {
    const { code, output } = await cdk({ ...USUAL, ...deployed(kept) }, 'destroy', '--app', kept, '--force');
    expect(called()).toEqual(['destroy *-hub --app kept --force (with the app)']);
    expect(output).toMatch(/these tables and keys stay.*\n( {2}(table |secret) \w+-PHYSICAL \(\w+\)\n){9}/);
    expect(output).toContain('npm run deploy -- -c tidings:throwAway=true and then npm run destroy');
    expect(code).toBe(0);
  });

  test('refuses to delete the data of a hub that was deployed without throwAway', async () => {
    const { code, output } = await cdk({ ...USUAL, ...deployed(kept) }, 'destroy', '--app', thrownAway);
    expect(output).toMatch(
      /^tidings: tidings-dev-log was deployed without tidings:throwAway.*deploy once with the flag first.*\n$/,
    );
    expect([code, called()]).toEqual([1, []]);
  });

  test('deletes both stacks of a hub that was deployed with throwAway', async () => {
    const { code, output } = await cdk({ ...USUAL, ...deployed(thrownAway) }, 'destroy', '--app', thrownAway);
    expect([code, called()]).toEqual([0, ['destroy --all --app thrown-away (with the app)']]);
    expect(output).toContain('the hub and all of its data are deleted');
  });

  test('keeps the data of such a hub without the flag', async () => {
    const { output } = await cdk({ ...USUAL, ...deployed(thrownAway) }, 'destroy', '--app', kept);
    expect(called()).toEqual(['destroy *-hub --app kept (with the app)']);
    expect(output).toMatch(/\nnpm run destroy -- -c tidings:throwAway=true deletes them too\n/);
  });

  test('prints that no data is deployed', async () => {
    const { output } = await cdk(USUAL, 'destroy', '--app', kept);
    expect(output).toBe(
      'the hub is deleted; none of its data is deployed\ndeleting, which takes minutes …\n',
    );
  });
});

test('the doctor warns of throwAway on a hub that was deployed without it', async () => {
  const { output } = await cdk({ ...USUAL, ...deployed(kept) }, 'deploy', '--app', thrownAway);
  expect(output).toMatch(/warning {2}update: 8 tables and keys of tidings-dev-log lose their protection/);
});

test('lists its commands in the help, and after an unknown command', async () => {
  const [wrong, help] = [
    await runWith(emptyEnv(), ['destory']),
    await runWith(emptyEnv(), ['deploy', '--help']),
  ];
  expect(wrong).toEqual({
    code: 2,
    output: expect.stringContaining('"destory" must be one of bootstrap, synth, diff'),
  });
  expect(help).toEqual({ code: 0, output: expect.stringContaining('--no-doctor') });
  expect(existsSync(join(directory, 'cdk.out'))).toBe(false);
});

test('the concurrency check counts what an update adds, not what is reserved already', async () => {
  const reserving = deployed(kept, (old) => {
    for (const { Type, Properties } of resourcesOf(old)) {
      if (Type === 'AWS::Lambda::Function') Properties.ReservedConcurrentExecutions = 20;
    }
  });
  const answers = { ...USUAL, 'lambda:GetAccountSettings': lambdaSettings(300, 100), ...reserving };
  const { output } = await cdk(answers, 'deploy', '--app', kept);
  expect(output).toContain(
    'fine     Lambda concurrency: nothing is reserved, and the account has 300 for all',
  );
});
