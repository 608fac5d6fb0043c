/**
 * What the template must say, whoever changes it: intent, not a copy of the output.
 * @module
 */
import { CfnResource, type Stack } from 'aws-cdk-lib';
import { Match, type Template } from 'aws-cdk-lib/assertions';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { beforeAll, describe, expect, test } from 'vitest';
import { handlerNames } from '../../lambda/env.ts';
import { parseConfig } from '../../lib/config/config.ts';
import { strictHubOf, templatesOf } from './synthesized.ts';

let log: Template;
let hub: Template;
beforeAll(() => {
  ({ log, hub } = templatesOf());
});

/** The routes of the API of that protocol. */
function routesOf(protocol: string): Record<string, unknown>[] {
  const apis = Object.entries(hub.findResources('AWS::ApiGatewayV2::Api'));
  const [id] = apis.find(([, { Properties }]) => Properties?.ProtocolType === protocol) ?? [];
  return propertiesOf(hub, 'AWS::ApiGatewayV2::Route').filter(
    ({ ApiId }) => JSON.stringify(ApiId) === `{"Ref":"${id}"}`,
  );
}

const propertiesOf = (template: Template, type: string): Record<string, unknown>[] =>
  Object.values(template.findResources(type)).map((resource) => resource.Properties ?? {});

describe('the template', () => {
  test.each([
    ['AwsSolutions', 'require publishers to use SSL', (scope: Stack) => new Topic(scope, 'WithoutTls')],
    [
      'validation',
      'Additional properties are not allowed',
      (scope: Stack) =>
        new CfnResource(scope, 'Misspelt', { type: 'AWS::SQS::Queue', properties: { Delay: 1 } }),
    ],
  ])('would fail %s if there were something to find', (_name, finding, addFault) => {
    const { app, hub } = strictHubOf();
    addFault(hub);
    expect(() => app.synth()).toThrow(finding);
  });

  test('gives every function Node 24 on arm64, its own role, its own log group with an end, and traces', () => {
    const functions = propertiesOf(hub, 'AWS::Lambda::Function');
    expect(functions).toHaveLength(9);
    for (const one of functions) {
      expect(one).toMatchObject({
        Runtime: 'nodejs24.x',
        Architectures: ['arm64'],
        LoggingConfig: { LogGroup: {}, LogFormat: 'JSON' },
        TracingConfig: { Mode: 'Active' },
      });
    }
    expect(new Set(functions.map(({ Role }) => JSON.stringify(Role))).size).toBe(functions.length);
    hub.allResourcesProperties('AWS::Logs::LogGroup', { RetentionInDays: 30 });
    expect(propertiesOf(hub, 'AWS::IAM::Role').filter((role) => 'ManagedPolicyArns' in role)).toEqual([]);
  });

  test('gives every function the environment of its contract and nothing else', () => {
    const environments = Object.fromEntries(
      Object.entries(hub.findResources('AWS::Lambda::Function')).map(([id, { Properties }]) => [
        id.replace(/Door.*/, ''),
        Object.keys(Properties?.Environment?.Variables ?? {}).sort(),
      ]),
    );
    const sorted = Object.entries(handlerNames).map(([door, names]) => [door, [...names].sort()]);
    expect(environments).toEqual(Object.fromEntries(sorted));
  });

  test('allows each function its exact actions on exact resources', () => {
    const grants = Object.fromEntries(
      Object.entries(hub.findResources('AWS::IAM::Policy')).map(([id, policy]) => {
        const statements = statementsOf(policy.Properties?.PolicyDocument);
        // Ids of connections are not known at synthesis, and traces are of no resource; nothing else may be open.
        const traces = statements.filter(({ Resource }) => Resource === '*').map(({ Action }) => Action);
        expect(traces).toEqual([['xray:PutTraceSegments', 'xray:PutTelemetryRecords']]);
        const named = statements.filter(({ Resource }) => Resource !== '*');
        const resources = JSON.stringify(named.map(({ Resource }) => Resource));
        expect(resources.replace(/\/ws\/(POST|DELETE)\/@connections\/\*/g, '')).not.toContain('*');
        const lines = named.map(({ Action, Resource }) => `${nameIn(Resource)}: ${Action.join(' ')}`);
        return [id.replace(/Door.*/, ''), lines.sort()];
      }),
    );
    const logs = 'Logs: logs:CreateLogStream logs:PutLogEvents';
    const common = [logs, 'Secret: secretsmanager:GetSecretValue'];
    const hinting = [
      'Topic: sns:Publish',
      'HintsPushQueue: sqs:SendMessage',
      'DispatchQueue: sqs:SendMessage',
    ];
    const telling = [
      'Channels: dynamodb:GetItem dynamodb:UpdateItem',
      'Entries: dynamodb:Query dynamodb:PutItem dynamodb:GetItem',
      ...hinting,
    ];
    const taking = (queue: string) => `${queue}: sqs:ReceiveMessage sqs:DeleteMessage sqs:GetQueueAttributes`;
    const finding = ['Channels: dynamodb:GetItem', 'Entries: dynamodb:Query'];
    const key = 'WebhookKey: secretsmanager:GetSecretValue';
    const waiting = [
      'Channels: dynamodb:GetItem dynamodb:UpdateItem',
      'Entries: dynamodb:Query dynamodb:PutItem dynamodb:GetItem',
      ...common,
      'Subscribers: dynamodb:PutItem dynamodb:Query dynamodb:UpdateItem',
    ];
    expect(grants).toEqual({
      Publish: [
        'Channels: dynamodb:GetItem dynamodb:PutItem dynamodb:UpdateItem dynamodb:DeleteItem',
        'Entries: dynamodb:PutItem dynamodb:GetItem dynamodb:Query',
        'Keys: dynamodb:GetItem dynamodb:PutItem dynamodb:UpdateItem',
        ...common,
        ...hinting,
        'Subscribers: dynamodb:Query',
      ].sort(),
      Read: [
        'Channels: dynamodb:GetItem dynamodb:UpdateItem',
        'Entries: dynamodb:Query dynamodb:PutItem dynamodb:GetItem',
        ...common,
      ],
      Hold: waiting,
      // It remembers the tickets that it has taken.
      Stream: [...waiting, 'Keys: dynamodb:PutItem'].sort(),
      Socket: [
        'Channels: dynamodb:GetItem dynamodb:PutItem dynamodb:UpdateItem',
        'Entries: dynamodb:PutItem dynamodb:GetItem dynamodb:Query',
        'Keys: dynamodb:GetItem dynamodb:PutItem dynamodb:UpdateItem',
        ...common,
        ...hinting,
        'SocketApi/DELETE: execute-api:ManageConnections',
        'Subscribers: dynamodb:GetItem dynamodb:Query dynamodb:PutItem dynamodb:UpdateItem dynamodb:DeleteItem',
      ].sort(),
      Push: [
        'Channels: dynamodb:GetItem',
        'Cursors: dynamodb:GetItem dynamodb:UpdateItem',
        'Entries: dynamodb:Query dynamodb:PutItem dynamodb:GetItem',
        logs,
        taking('HintsPushQueue'),
        'HintsPushQueue: sqs:SendMessage',
        'SocketApi/DELETE: execute-api:ManageConnections',
        'SocketApi/POST: execute-api:ManageConnections',
        'Subscribers: dynamodb:Query dynamodb:BatchGetItem dynamodb:GetItem dynamodb:UpdateItem dynamodb:DeleteItem',
        'Topic: sns:Publish',
      ].sort(),
      Webhooks: [
        ...finding,
        ...common,
        'Endpoints: dynamodb:GetItem dynamodb:Query dynamodb:PutItem dynamodb:UpdateItem dynamodb:DeleteItem',
        'Deliveries: dynamodb:GetItem dynamodb:Query dynamodb:PutItem dynamodb:UpdateItem',
        'DeliverQueue: sqs:SendMessage',
        key,
      ].sort(),
      Dispatch: [
        ...telling,
        logs,
        'Endpoints: dynamodb:BatchGetItem dynamodb:GetItem dynamodb:UpdateItem',
        'Deliveries: dynamodb:PutItem dynamodb:UpdateItem',
        'DeliverQueue: sqs:SendMessage',
        taking('DispatchQueue'),
      ].sort(),
      // It dials strangers: of the log it may read, of the hub it may change nothing but what is its own.
      Deliver: [
        ...finding,
        logs,
        'Endpoints: dynamodb:GetItem dynamodb:PutItem dynamodb:UpdateItem',
        'Deliveries: dynamodb:GetItem dynamodb:Query dynamodb:PutItem dynamodb:UpdateItem dynamodb:DeleteItem',
        'DeliverQueue: sqs:ChangeMessageVisibility',
        taking('DeliverQueue'),
        'DeliverDeadLetters: sqs:SendMessage',
        'DispatchQueue: sqs:SendMessage',
        key,
      ].sort(),
    });
  });

  test('sends reads to one function and everything else to the other', () => {
    const keys = routesOf('HTTP').map(({ RouteKey }) => RouteKey);
    expect(keys.sort()).toEqual([
      '$default',
      'ANY /channels/{channel+}',
      'ANY /hold/channels/{channel+}',
      'ANY /hold/v1/stream/{channel+}',
      'ANY /tickets',
      'ANY /v1/stream/{channel+}',
      'ANY /webhooks',
      'ANY /webhooks/{rest+}',
      'GET /channels/{channel+}',
      'GET /v1/stream/{channel+}',
      'HEAD /channels/{channel+}',
      'HEAD /v1/stream/{channel+}',
    ]);
  });

  test('sends everything that happens on a socket to one function, which answers', () => {
    const routes = routesOf('WEBSOCKET').map(({ RouteKey, RouteResponseSelectionExpression }) => [
      RouteKey,
      RouteResponseSelectionExpression,
    ]);
    expect(routes.sort()).toEqual([
      ['$connect', undefined],
      ['$default', '$default'],
      ['$disconnect', undefined],
    ]);
  });

  test('carries work by queues that set aside what fails, ring for it, and are reached by TLS only', () => {
    const queues = propertiesOf(hub, 'AWS::SQS::Queue');
    const dead = queues.filter((queue) => !('RedrivePolicy' in queue));
    expect(queues.filter((queue) => 'RedrivePolicy' in queue)).toMatchObject([
      { RedrivePolicy: { maxReceiveCount: 6 }, VisibilityTimeout: 150 },
      { RedrivePolicy: { maxReceiveCount: 10 }, VisibilityTimeout: 120, MessageRetentionPeriod: 1_209_600 },
      { RedrivePolicy: { maxReceiveCount: 100 }, VisibilityTimeout: 360, MessageRetentionPeriod: 1_209_600 },
    ]);
    expect(dead).toMatchObject(Array(3).fill({ MessageRetentionPeriod: 1_209_600 }));
    const alarms = propertiesOf(hub, 'AWS::CloudWatch::Alarm');
    const names = alarms
      .map(({ AlarmName }) => String(AlarmName))
      .filter((name) => /HasDeadLetters$/.test(name));
    expect(names).toEqual([
      'tidings-dev-hub/Hints/Push/HasDeadLetters',
      'tidings-dev-hub/WebhookQueues/Dispatch/HasDeadLetters',
      'tidings-dev-hub/WebhookQueues/Deliver/HasDeadLetters',
    ]);
    const policies = [
      ...propertiesOf(hub, 'AWS::SQS::QueuePolicy'),
      ...propertiesOf(hub, 'AWS::SNS::TopicPolicy'),
    ];
    expect(policies).toHaveLength(7);
    for (const policy of policies) expect(JSON.stringify(policy)).toContain('"aws:SecureTransport":"false"');
  });

  test('gives the push and webhooks what has changed, and lets each take so much at a time', () => {
    const subscriptions = propertiesOf(hub, 'AWS::SNS::Subscription');
    expect(subscriptions).toMatchObject(Array(2).fill({ Protocol: 'sqs', RawMessageDelivery: true }));
    const sources = propertiesOf(hub, 'AWS::Lambda::EventSourceMapping');
    expect(sources).toMatchObject(
      [50, 20, 50].map((MaximumConcurrency) => ({
        BatchSize: 10,
        FunctionResponseTypes: ['ReportBatchItemFailures'],
        ScalingConfig: { MaximumConcurrency },
      })),
    );
    // A batch must not come back while its function may still be at it.
    const timed = (seconds: number) =>
      propertiesOf(hub, 'AWS::Lambda::Function').filter(({ Timeout }) => Timeout === seconds);
    expect(timed(25)).toMatchObject([
      {
        RecursiveLoop: 'Allow',
        Environment: { Variables: { POSTS_IN_FLIGHT: '256', POSTS_PER_SECOND: '10000' } },
      },
    ]);
    expect([...timed(20), ...timed(60)]).toMatchObject([
      { RecursiveLoop: 'Allow' },
      { RecursiveLoop: 'Allow' },
    ]);
  });

  test('never calls an own address, and strangers over TLS only, unless that is asked for', () => {
    const deliver = (template: Template) =>
      JSON.stringify(
        propertiesOf(template, 'AWS::Lambda::Function').find(({ Timeout }) => Timeout === 60)?.Environment,
      );
    expect(deliver(hub)).toContain('"INSECURE_WEBHOOKS":"false"');
    for (const own of ['DomainName', 'HttpApi', 'SocketApi', 'FunctionUrl'])
      expect(deliver(hub)).toContain(own);
    expect(deliver(templatesOf({ 'tidings:allowInsecureWebhooks': 'true' }).hub)).toContain(
      '"INSECURE_WEBHOOKS":"true"',
    );
  });

  test('logs requests without what is secret in them', () => {
    const logged = (template: Template) =>
      propertiesOf(template, 'AWS::ApiGatewayV2::Stage').filter((stage) => 'AccessLogSettings' in stage);
    // Those of sockets need a setting of the account, so they are asked for.
    const withSockets = templatesOf({ 'tidings:socketLogs': true, 'tidings:edge': false }).hub;
    const all = logged(withSockets);
    expect([logged(hub).length, all.length]).toEqual([1, 2]);
    for (const stage of [...logged(hub), ...all]) {
      expect(stage).toMatchObject({ AccessLogSettings: { Format: expect.stringContaining('requestId') } });
      expect(JSON.stringify(stage)).not.toMatch(/querystring|authorization|header/i);
    }
    // Who asks: behind the front door API Gateway sees CloudFront, which says it in this one place.
    const client = '"client":"$context.identity.userAgent"';
    const formatOf = (template: Template) =>
      JSON.stringify(logged(template).map(Object)).replaceAll('\\', '');
    expect([formatOf(hub).includes(client), formatOf(withSockets).includes(client)]).toEqual([true, false]);
    expect(formatOf(withSockets)).toContain('"ip":"$context.identity.sourceIp"');
  });

  // https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/AWS-logs-and-resource-policy.html
  test('logs requests to groups of the prefix that a full resource policy still allows, named after this very stack', () => {
    const { hub: all } = templatesOf({ 'tidings:socketLogs': true });
    const names = propertiesOf(all, 'AWS::Logs::LogGroup').flatMap(({ LogGroupName }) =>
      LogGroupName === undefined ? [] : [LogGroupName],
    );
    const stackId = { 'Fn::Select': [2, { 'Fn::Split': ['/', { Ref: 'AWS::StackId' }] }] };
    expect(names).toEqual(
      ['sockets', 'http'].map((api) => ({
        'Fn::Join': ['', ['/aws/vendedlogs/tidings-dev-hub/', stackId, `/${api}`]],
      })),
    );
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
    const kept = tables(log).filter((table) => table.DeletionPolicy !== 'Delete');
    expect(kept).toHaveLength(5);
    for (const table of kept) {
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
      expect(table).toMatchObject({ DeletionPolicy: 'Delete' });
      expect(JSON.stringify(table)).not.toContain('"DeletionProtectionEnabled":true');
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
  test.each([
    [undefined, '*'],
    ['*', '*'],
    ['https://app.example.com', ['https://app.example.com']],
    ['https://a.example, http://localhost:5173', ['https://a.example', 'http://localhost:5173']],
    [
      '["https://a.example","https://xn--pp-8kc.example"]',
      ['https://a.example', 'https://xn--pp-8kc.example'],
    ],
    [
      ['https://a.example:8443', 'http://[::1]:3000'],
      ['https://a.example:8443', 'http://[::1]:3000'],
    ],
  ])('takes origins %j for %j', (value, expected) => {
    expect(parseConfig(value === undefined ? {} : { 'tidings:origins': value }).origins).toEqual(expected);
  });

  test('says to every door that pages reach which pages may', () => {
    const told = (template: Template) =>
      propertiesOf(template, 'AWS::Lambda::Function')
        .map(({ Environment }) => Object(Environment).Variables)
        .filter(({ ANONYMOUS }) => ANONYMOUS !== undefined)
        .map(({ ORIGINS }) => ORIGINS);
    expect(told(hub)).toEqual(Array(6).fill('*'));
    const origins = ['https://a.example', 'http://localhost:5173'];
    const listing = templatesOf({ 'tidings:origins': origins }).hub;
    expect(told(listing)).toEqual(Array(6).fill(origins.join(',')));
    const keys = (template: Template) =>
      JSON.stringify(propertiesOf(template, 'AWS::CloudFront::CachePolicy'));
    expect([keys(hub).includes('"Origin"'), keys(listing).includes('"Origin"')]).toEqual([false, true]);
  });

  test('reaches the functions', () => {
    const context = {
      'tidings:stage': 'prod',
      'tidings:channelCreation': 'explicit',
      'tidings:retentionDays': '30',
      'tidings:anonymous': '{"public/*":["subscribe"]}',
    };
    const stage = templatesOf(context);
    for (const one of propertiesOf(stage.hub, 'AWS::Lambda::Function')) {
      // What takes from a queue lets nobody in, so it knows of no token.
      if ([20, 25, 60].includes(Number(one.Timeout))) continue;
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
    ['tidings:holdSeconds', 26, 'from 1 to 25'],
    ['tidings:streamSeconds', 0, 'from 1 to 840'],
    ['tidings:maxHolds', 'many', 'from 0 to 10000'],
    ['tidings:retentionDays', 0, 'from 1 to 365'],
    ['tidings:retentionDays', '7 days', 'from 1 to 365'],
    ['tidings:logRetentionDays', 2, 'a step that CloudWatch knows'],
    ['tidings:alarmEmail', 'the ops team', 'an e-mail address, or empty'],
    ['tidings:throwAway', 'yes', 'true or false'],
    ['tidings:anonymous', '{"a*":["publish"]}', '"a*" is not a channel name'],
    ['tidings:anonymous', 'everyone', 'JSON'],
    ['tidings:retention', 7, 'known are tidings:stage'],
  ])('refuses %s = %j with a sentence that names it', (key, value, allowed) => {
    expect(() => parseConfig({ [key]: value })).toThrow(key);
    expect(() => parseConfig({ [key]: value })).toThrow(allowed);
  });

  test.each([
    '',
    '[]',
    'null',
    'app.example.com',
    'https://app.example.com/',
    'https://app.example.com/path',
    'https://App.example.com',
    'https://app.example.com:443',
    'https://app.example.com.',
    'https://*.example.com',
    'https://me@app.example.com',
    'https://\u0430pp.example.com',
    'ftp://app.example.com',
    'chrome-extension://abc',
    'https://app.example.com,*',
    'https://a.example https://b.example',
    7,
    [7],
    [],
  ])('refuses %j, which is no exact origin and no list of them', (value) => {
    expect(() => parseConfig({ 'tidings:origins': value })).toThrow(
      /"tidings:origins" is .*: it must be "\*" or (exact origins such as|a list of origins)/,
    );
  });
});

function statementsOf(document: unknown): { Action: string[]; Resource: unknown }[] {
  const { Statement } = { Statement: [], ...(typeof document === 'object' ? document : {}) };
  return Array.isArray(Statement)
    ? Statement.map(({ Action, Resource }) => ({ Action: [Action].flat().map(String), Resource }))
    : [];
}

/** Which of our resources an ARN in the template is of. */
function nameIn(resource: unknown): string {
  const [name = JSON.stringify(resource)] =
    /Channels|Entries|Keys(?=[0-9A-F]{8})|Subscribers|Cursors|WebhookKey|Secret|Logs|Topic|HintsPushQueue|(?:Dispatch|Deliver)(?:Queue|DeadLetters)|Endpoints|Deliveries|SocketApi/.exec(
      JSON.stringify(resource).replace('TokenKeys', ''),
    ) ?? [];
  const [, method = ''] = /\/ws(\/[A-Z]+)\/@connections\//.exec(JSON.stringify(resource)) ?? [];
  return name + method;
}
