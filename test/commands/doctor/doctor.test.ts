/**
 * `npm run doctor` against recorded answers of several accounts: its findings, and that it only reads.
 * @module
 */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  apiGatewaySettings,
  cachePolicies,
  cloudFormation,
  denied,
  distributions,
  lambdaSettings,
  resourcesOf,
  snsQuota,
  type Template,
  templateIn,
  USUAL,
  xmlError,
} from '../deployed/accounts.ts';
import { type Answers, emptyEnv } from '../deployed/aws.ts';
import { runIn, temporaryDirectory } from '../support.ts';
import { askDoctor, examine, type Said, shown } from './doctor.ts';

/** All operations that the doctor may call. None of them changes anything. */
const READS = [
  'apigateway:GetAccount',
  'budgets:DescribeBudgets',
  'cloudformation:DescribeStackEvents',
  'cloudformation:DescribeStacks',
  'cloudformation:GetTemplate',
  'cloudfront:ListCachePolicies',
  'cloudfront:ListDistributions',
  'cloudfront:ListFunctions',
  'cloudfront:ListOriginAccessControls',
  'cloudfront:ListOriginRequestPolicies',
  'cloudfront:ListResponseHeadersPolicies',
  'lambda:GetAccountSettings',
  'monitoring:ListDashboards',
  'servicequotas:GetAWSDefaultServiceQuota',
  'servicequotas:GetServiceQuota',
  'ssm:GetParameter',
  'sts:GetCallerIdentity',
];

const { path: directory, remove } = temporaryDirectory();
const [defaults, everything] = [join(directory, 'defaults'), join(directory, 'everything')];
const asked = new Set<string>();

beforeAll(async () => {
  await synth(defaults);
  const all = ['tidings:maxHolds=100', 'tidings:maxStreams=100', 'tidings:socketLogs=true'];
  const budget = ['tidings:monthlyBudget=50', 'tidings:budgetEmail=ann@example.com'];
  await synth(everything, ...[...all, ...budget].flatMap((pair) => ['-c', pair]));
});
afterAll(remove);

async function synth(to: string, ...options: readonly string[]): Promise<void> {
  const args = ['synth', '--no-notices', '--output', to, ...options];
  const env = { ...emptyEnv(), CDK_VALIDATION: 'false' };
  const command = runIn({ cwd: directory, env }, 'scripts/cdk.ts', ...args);
  expect(await command.ended, command.output()).toBe(0);
}

/** Runs the command in an account. */
async function doctor(region: string, answers: Answers, ...args: readonly string[]): Promise<Said> {
  return noted(await askDoctor(directory, region, answers, ...args));
}

/** Runs the checks of the command, without a process. */
async function findings(region: string, answers: Answers, assembly: string): Promise<Said> {
  return noted(await examine(region, answers, assembly));
}

function noted(said: Said): Said {
  for (const operation of said.asked) asked.add(operation);
  return said;
}

const template = (stack: string, edit?: (template: Template) => void) => templateIn(defaults, stack, edit);

const hub = (edit?: (template: Template) => void): Answers =>
  cloudFormation({
    'tidings-dev-log': {
      status: 'CREATE_COMPLETE',
      template: template('tidings-dev-log', edit),
      isProtected: true,
    },
    'tidings-dev-hub': {
      status: 'UPDATE_COMPLETE',
      template: template('tidings-dev-hub', edit),
      outputs: {
        Url: 'https://d111.cloudfront.net',
        HttpUrl: 'https://a1.execute-api.eu-west-1.amazonaws.com/',
        SocketUrl: 'wss://a2.execute-api.eu-west-1.amazonaws.com/ws',
      },
    },
  });

const notFound = (type: string) => ({ status: 400, body: JSON.stringify({ __type: type, message: '' }) });

describe('the findings for', () => {
  test('a new account', async () => {
    const said = await doctor(
      'eu-west-3',
      {
        ...USUAL,
        'ssm:GetParameter': notFound('ParameterNotFound'),
        'lambda:GetAccountSettings': lambdaSettings(10, 10),
        'servicequotas:GetServiceQuota': notFound('NoSuchResourceException'),
        'servicequotas:GetAWSDefaultServiceQuota': snsQuota(300),
        'cloudfront:ListDistributions': distributions(0),
      },
      '--app',
      defaults,
    );
    await expect(said.output).toMatchFileSnapshot(shown('new-account'));
    expect(said.code).toBe(1);
  });

  test('a new account that is bootstrapped, in which the defaults deploy', async () => {
    const said = await findings(
      'eu-west-1',
      {
        ...USUAL,
        'lambda:GetAccountSettings': lambdaSettings(10, 10),
        'cloudfront:ListDistributions': distributions(0),
      },
      defaults,
    );
    expect(said.output).toContain('2 warnings, 0 failures');
    expect(said.code).toBe(0);
  });

  test('an account that is bootstrapped, and that CloudFront may not have verified', async () => {
    const said = await findings(
      'us-east-1',
      { ...USUAL, 'cloudfront:ListDistributions': distributions(0) },
      defaults,
    );
    await expect(said.output).toMatchFileSnapshot(shown('unverified-account'));
    expect(said.code).toBe(0);
  });

  test('an account that CloudFront refused at the last attempt', async () => {
    const reason =
      'Resource handler returned message: "Your account must be verified before you can add new CloudFront resources."';
    const stacks = {
      'tidings-dev-hub': { status: 'ROLLBACK_COMPLETE', template: template('tidings-dev-hub'), reason },
    };
    const said = await findings('us-east-1', { ...USUAL, ...cloudFormation(stacks) }, defaults);
    await expect(said.output).toMatchFileSnapshot(shown('refused-account'));
    expect(said.code).toBe(1);
  });

  test('a full account, with all options on', async () => {
    const reason =
      "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [100].";
    const said = await findings(
      'eu-west-1',
      {
        ...USUAL,
        'lambda:GetAccountSettings': lambdaSettings(1_000, 150),
        'apigateway:GetAccount': apiGatewaySettings(500, 500),
        'monitoring:ListDashboards': '{"DashboardEntries":[{"DashboardName":"tidings-dev-hub-eu-west-1"}]}',
        'budgets:DescribeBudgets':
          '{"Budgets":[{"BudgetName":"tidings-dev-hub-eu-west-1","TimeUnit":"MONTHLY","BudgetType":"COST"}]}',
        'cloudfront:ListCachePolicies': cachePolicies(
          'other',
          'tidingsdevhubEdgeCachePolicyCFDC1853-eu-west-1',
        ),
        ...cloudFormation({
          'tidings-dev-log': { status: 'UPDATE_ROLLBACK_FAILED', template: template('tidings-dev-log') },
          'tidings-dev-hub': { status: 'ROLLBACK_COMPLETE', template: template('tidings-dev-hub'), reason },
        }),
      },
      everything,
    );
    await expect(said.output).toMatchFileSnapshot(shown('full-account'));
    expect(said.code).toBe(1);
  });

  test('an account with room for everything, with all options on', async () => {
    const answers = {
      ...USUAL,
      'lambda:GetAccountSettings': lambdaSettings(1_000, 500),
      'apigateway:GetAccount': apiGatewaySettings(10_000, 5_000, 'arn:aws:iam::111122223333:role/logs'),
    };
    const said = await doctor('eu-west-1', answers, '--app', everything);
    expect(said.output).toContain("200 of the account's 1,000 are reserved, and 300 are left");
    expect(said.output).toContain('role/logs writes the logs of sockets');
    expect([said.code, said.output]).toEqual([0, expect.stringContaining(' 0 warnings, 0 failures')]);
  });

  test('an account with an old bootstrap stack', async () => {
    const old = '{"Parameter":{"Name":"/cdk-bootstrap/hnb659fds/version","Type":"String","Value":"5"}}';
    const said = await findings('eu-west-1', { ...USUAL, 'ssm:GetParameter': old }, defaults);
    expect(said.output).toMatch(
      /failure {2}bootstrap: the bootstrap stack has version 5 and the template needs 6/,
    );
    expect(said.code).toBe(1);
  });

  test('a Region without function URLs, refused by the template', async () => {
    const said = await doctor('ap-south-2', USUAL);
    await expect(said.output).toMatchFileSnapshot(shown('region-without-function-urls'));
    expect(said.code).toBe(1);
  });

  test('the same Region, with an assembly that was built for no Region', async () => {
    const said = await findings('ap-south-2', USUAL, everything);
    expect(said.output).toMatch(/failure {2}Region: ap-south-2 has no AWS::Lambda::Url/);
    expect(said.output).toMatch(/failure {2}Region: ap-south-2 has no AWS::Budgets::Budget/);
    expect(said.code).toBe(1);
  });

  test('a healthy update', async () => {
    const older = hub((old) => {
      for (const { Type, Properties } of resourcesOf(old)) {
        if (Type === 'AWS::Lambda::Function') Properties.MemorySize = 128;
        if (Type === 'AWS::ApiGatewayV2::Integration') Properties.IntegrationType = 'HTTP';
      }
    });
    const said = await findings('eu-west-1', { ...USUAL, ...older }, defaults);
    await expect(said.output).toMatchFileSnapshot(shown('healthy-update'));
    expect(said.code).toBe(0);
  });

  test('an update that replaces a table, a URL and a queue', async () => {
    const older = hub((old) => {
      for (const { Type, Properties } of resourcesOf(old)) {
        if (Type === 'AWS::DynamoDB::GlobalTable') Properties.KeySchema = [];
        if (Type === 'AWS::ApiGatewayV2::Api')
          Properties.ProtocolType = Properties.ProtocolType === 'HTTP' ? 'WEBSOCKET' : 'HTTP';
        if (Type === 'AWS::SQS::Queue') Properties.QueueName = 'old';
      }
    });
    const said = await findings('eu-west-1', { ...USUAL, ...older }, defaults);
    await expect(said.output).toMatchFileSnapshot(shown('update-that-replaces'));
    expect(said.code).toBe(1);
  });

  test('an identity with few permissions', async () => {
    const said = await findings(
      'eu-west-1',
      {
        ...USUAL,
        'lambda:GetAccountSettings': denied('lambda:GetAccountSettings'),
        'apigateway:GetAccount': denied('apigateway:GET'),
        'cloudfront:ListDistributions': xmlError('AccessDenied', 'not authorized', 403),
        'cloudformation:DescribeStacks': xmlError('AccessDenied', 'not authorized', 403),
      },
      defaults,
    );
    await expect(said.output).toMatchFileSnapshot(shown('little-permission'));
    expect(said.code).toBe(0);
  });
});

describe('states of a stack', () => {
  const states = (status: string, isProtected = false) =>
    cloudFormation({ 'tidings-dev-log': { status, template: template('tidings-dev-log'), isProtected } });

  test.each([
    ['CREATE_FAILED', 1, 'rollback-stack'],
    ['DELETE_FAILED', 1, 'delete-stack'],
    ['UPDATE_IN_PROGRESS', 1, 'another deployment is in progress'],
    ['REVIEW_IN_PROGRESS', 0, 'is new'],
    ['UPDATE_ROLLBACK_COMPLETE', 0, 'is UPDATE_ROLLBACK_COMPLETE'],
  ])('%s', async (status, code, words) => {
    const said = await findings('eu-west-1', { ...USUAL, ...states(status) }, defaults);
    expect(said.output).toContain(words);
    expect(said.code).toBe(code);
  });

  test('a failed creation is repeated, unless the stack is protected', async () => {
    const bare = await findings('eu-west-1', { ...USUAL, ...states('ROLLBACK_COMPLETE') }, defaults);
    expect([bare.code, bare.output]).toEqual([
      0,
      expect.stringContaining('The next deployment deletes the failed stack first'),
    ]);
    const kept = await findings('eu-west-1', { ...USUAL, ...states('ROLLBACK_COMPLETE', true) }, defaults);
    expect([kept.code, kept.output]).toEqual([
      1,
      expect.stringContaining('--no-enable-termination-protection'),
    ]);
  });
});

test('it only reads, and docs/deploy.md lists the permissions', () => {
  expect([...asked].sort()).toEqual(READS);
  const document = readFileSync(resolve(import.meta.dirname, '../../../docs/deploy.md'), 'utf8');
  const listed = /```json policy\n([\s\S]*?)```/.exec(document)?.[1] ?? '{}';
  const policy: { Statement: { Action: string[] }[] } = JSON.parse(listed);
  const permissions: Readonly<Record<string, string>> = {
    'apigateway:GetAccount': 'apigateway:GET',
    'budgets:DescribeBudgets': 'budgets:ViewBudget',
    'monitoring:ListDashboards': 'cloudwatch:ListDashboards',
  };
  // Every identity may call sts:GetCallerIdentity.
  const needed = READS.filter((operation) => operation !== 'sts:GetCallerIdentity');
  expect(policy.Statement[0]?.Action).toEqual(
    needed.map((operation) => permissions[operation] ?? operation).sort(),
  );
});
