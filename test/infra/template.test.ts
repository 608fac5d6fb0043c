/**
 * What the template must say, whoever changes it: intent, not a copy of the output.
 * @module
 */
import { App, CfnResource, type Stack, Validations } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { AwsSolutionsChecks } from 'cdk-nag';
import { beforeAll, describe, expect, test } from 'vitest';
import { doorNames } from '../../lambda/env.ts';
import { parseConfig } from '../../lib/config.ts';
import { addHub } from '../../lib/hub.ts';

const STRICT = {
  '@aws-cdk/core:validateAgainstDefaultRules': true,
  '@aws-cdk/core:strictCfnValidateErrors': true,
  '@aws-cdk/core:failSynthOnValidationErrors': true,
};

function templatesOf(context: Record<string, unknown> = {}) {
  const app = new App({ context, analyticsReporting: false });
  const { log, hub } = addHub(app, parseConfig(context));
  return { log: Template.fromStack(log), hub: Template.fromStack(hub) };
}

let log: Template;
let hub: Template;
beforeAll(() => {
  ({ log, hub } = templatesOf());
});

const propertiesOf = (template: Template, type: string): Record<string, unknown>[] =>
  Object.values(template.findResources(type)).map((resource) => resource.Properties ?? {});

describe('the template', () => {
  test('passes strict validation and AwsSolutions', () => {
    const app = new App({ context: STRICT, analyticsReporting: false });
    Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
    addHub(app, parseConfig({}));
    expect(() => app.synth()).not.toThrow();
  });

  test.each([
    ['AwsSolutions', 'require publishers to use SSL', (scope: Stack) => new Topic(scope, 'WithoutTls')],
    [
      'validation',
      'Additional properties are not allowed',
      (scope: Stack) =>
        new CfnResource(scope, 'Misspelt', { type: 'AWS::SQS::Queue', properties: { Delay: 1 } }),
    ],
  ])('would fail %s if there were something to find', (_name, finding, addFault) => {
    const app = new App({ context: STRICT, analyticsReporting: false });
    Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
    addFault(addHub(app, parseConfig({})).hub);
    expect(() => app.synth()).toThrow(finding);
  });

  test('gives every function Node 24 on arm64, its own role and its own log group with an end', () => {
    const functions = propertiesOf(hub, 'AWS::Lambda::Function');
    expect(functions).toHaveLength(2);
    for (const one of functions) {
      expect(one).toMatchObject({
        Runtime: 'nodejs24.x',
        Architectures: ['arm64'],
        LoggingConfig: { LogGroup: {} },
      });
    }
    expect(new Set(functions.map(({ Role }) => JSON.stringify(Role))).size).toBe(functions.length);
    hub.allResourcesProperties('AWS::Logs::LogGroup', { RetentionInDays: 30 });
    expect(propertiesOf(hub, 'AWS::IAM::Role').filter((role) => 'ManagedPolicyArns' in role)).toEqual([]);
  });

  test('gives every function the environment of its contract and nothing else', () => {
    for (const { Environment } of propertiesOf(hub, 'AWS::Lambda::Function')) {
      expect(Environment).toEqual({ Variables: expect.any(Object) });
      const { Variables } = { Variables: {}, ...(typeof Environment === 'object' ? Environment : {}) };
      expect(Object.keys(Variables).sort()).toEqual([...doorNames].sort());
    }
  });

  test('allows each function its exact actions on exact resources', () => {
    const statements = propertiesOf(hub, 'AWS::IAM::Policy').flatMap(({ PolicyDocument }) =>
      statementsOf(PolicyDocument),
    );
    const actions = statements.flatMap(({ Action }) => Action);
    expect([...new Set(actions)].sort()).toEqual([
      'dynamodb:DeleteItem',
      'dynamodb:GetItem',
      'dynamodb:PutItem',
      'dynamodb:Query',
      'dynamodb:UpdateItem',
      'logs:CreateLogStream',
      'logs:PutLogEvents',
      'secretsmanager:GetSecretValue',
    ]);
    expect(JSON.stringify(statements.map(({ Resource }) => Resource))).not.toContain('*');
  });

  test('sends reads to one function and everything else to the other', () => {
    const keys = propertiesOf(hub, 'AWS::ApiGatewayV2::Route').map(({ RouteKey }) => RouteKey);
    expect(keys.sort()).toEqual([
      '$default',
      'ANY /channels/{channel+}',
      'ANY /v1/stream/{channel+}',
      'GET /channels/{channel+}',
      'GET /v1/stream/{channel+}',
      'HEAD /channels/{channel+}',
      'HEAD /v1/stream/{channel+}',
    ]);
  });

  test('logs requests without what is secret in them', () => {
    const [stage] = propertiesOf(hub, 'AWS::ApiGatewayV2::Stage');
    expect(stage).toMatchObject({ AccessLogSettings: { Format: expect.stringContaining('requestId') } });
    expect(JSON.stringify(stage)).not.toMatch(/querystring|authorization|header/i);
  });

  test('outputs every URL, and what mints tokens', () => {
    expect(Object.keys(hub.findOutputs('*', {}))).toContain('HttpUrl');
    expect(Object.keys(log.findOutputs('*', {}))).toEqual(
      expect.arrayContaining(['TokenSecretArn', 'TokenAudience']),
    );
  });
});

describe('what holds data', () => {
  const tables = (template: Template) => Object.values(template.findResources('AWS::DynamoDB::GlobalTable'));

  test('is encrypted, restorable, protected, and stays when its stack goes', () => {
    expect(tables(log)).toHaveLength(3);
    for (const table of tables(log)) {
      expect(table).toMatchObject({
        DeletionPolicy: 'Retain',
        Properties: {
          BillingMode: 'PAY_PER_REQUEST',
          SSESpecification: { SSEEnabled: false }, // false is the key that AWS owns: always encrypted, never billed
          TimeToLiveSpecification: { AttributeName: 'expiry', Enabled: true },
          Replicas: [
            {
              DeletionProtectionEnabled: true,
              PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
            },
          ],
        },
      });
    }
    log.hasResource('AWS::SecretsManager::Secret', { DeletionPolicy: 'Retain' });
    expect(Object.keys(hub.findResources('AWS::DynamoDB::GlobalTable'))).toEqual([]);
  });

  test('goes with a throw-away hub', () => {
    const throwAway = templatesOf({ 'tidings:throwAway': 'true' }).log;
    for (const table of tables(throwAway)) {
      expect(table).toMatchObject({
        DeletionPolicy: 'Delete',
        Properties: { Replicas: [{ DeletionProtectionEnabled: false }] },
      });
    }
    throwAway.hasResource('AWS::SecretsManager::Secret', { DeletionPolicy: 'Delete' });
  });

  test('has a generated key of at least 256 bits', () => {
    log.hasResourceProperties('AWS::SecretsManager::Secret', {
      GenerateSecretString: Match.objectLike({
        GenerateStringKey: 'current',
        PasswordLength: 64,
        ExcludePunctuation: true,
      }),
    });
  });
});

describe('the configuration', () => {
  test('reaches the functions', () => {
    const context = {
      'tidings:stage': 'prod',
      'tidings:channelCreation': 'explicit',
      'tidings:retentionDays': '30',
      'tidings:anonymous': '{"public/*":["subscribe"]}',
    };
    const stage = templatesOf(context);
    for (const one of propertiesOf(stage.hub, 'AWS::Lambda::Function')) {
      expect(one).toMatchObject({
        Environment: {
          Variables: {
            CHANNEL_CREATION: 'explicit',
            RETENTION_DAYS: '30',
            ANONYMOUS: '{"public/*":["subscribe"]}',
            TOKEN_AUDIENCE: 'tidings:prod',
          },
        },
      });
    }
  });

  test.each([
    ['tidings:stage', 'Prod', '1 to 20 of a-z'],
    ['tidings:stage', 7, '1 to 20 of a-z'],
    ['tidings:channelCreation', 'maybe', '"implicit" or "explicit"'],
    ['tidings:retentionDays', 0, 'from 1 to 365'],
    ['tidings:retentionDays', '7 days', 'from 1 to 365'],
    ['tidings:logRetentionDays', 2, 'a step that CloudWatch knows'],
    ['tidings:throwAway', 'yes', 'true or false'],
    ['tidings:anonymous', '{"a*":["publish"]}', '"a*" is not a channel name'],
    ['tidings:anonymous', 'everyone', 'JSON'],
    ['tidings:retention', 7, 'known are tidings:stage'],
  ])('refuses %s = %j with a sentence that names it', (key, value, allowed) => {
    expect(() => parseConfig({ [key]: value })).toThrow(key);
    expect(() => parseConfig({ [key]: value })).toThrow(allowed);
  });
});

function statementsOf(document: unknown): { Action: string[]; Resource: unknown }[] {
  const { Statement } = { Statement: [], ...(typeof document === 'object' ? document : {}) };
  return Array.isArray(Statement)
    ? Statement.map(({ Action, Resource }) => ({ Action: [Action].flat().map(String), Resource }))
    : [];
}
