/**
 * The intent of the template: functions, routes, queues, logs, outputs.
 * @module
 */
import { CfnResource, type Stack } from 'aws-cdk-lib';
import type { Template } from 'aws-cdk-lib/assertions';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { beforeAll, describe, expect, test } from 'vitest';
import { handlerNames } from '../../lambda/env.ts';
import { propertiesOf, strictHubOf, templatesOf } from './synthesized.ts';

let log: Template;
let hub: Template;
beforeAll(() => {
  ({ log, hub } = templatesOf());
});

/** Returns the routes of the API with that protocol. */
function routesOf(protocol: string): Record<string, unknown>[] {
  const apis = Object.entries(hub.findResources('AWS::ApiGatewayV2::Api'));
  const [id] = apis.find(([, { Properties }]) => Properties?.ProtocolType === protocol) ?? [];
  return propertiesOf(hub, 'AWS::ApiGatewayV2::Route').filter(
    ({ ApiId }) => JSON.stringify(ApiId) === `{"Ref":"${id}"}`,
  );
}

describe('the template', () => {
  test.each([
    ['AwsSolutions', 'require publishers to use SSL', (scope: Stack) => new Topic(scope, 'WithoutTls')],
    [
      'validation',
      'Additional properties are not allowed',
      (scope: Stack) =>
        new CfnResource(scope, 'Misspelt', { type: 'AWS::SQS::Queue', properties: { Delay: 1 } }),
    ],
  ])('fails %s if it has a fault', (_name, finding, addFault) => {
    const { app, hub } = strictHubOf();
    addFault(hub);
    expect(() => app.synth()).toThrow(finding);
  });

  test('gives every function Node 24 on arm64, its own role, its own log group with a retention, and traces', () => {
    const functions = propertiesOf(hub, 'AWS::Lambda::Function');
    expect(functions).toHaveLength(10);
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
        id.replace(/Handler.*/, ''),
        Object.keys(Properties?.Environment?.Variables ?? {}).sort(),
      ]),
    );
    const sorted = Object.entries(handlerNames).map(([handler, names]) => [handler, [...names].sort()]);
    expect(environments).toEqual(Object.fromEntries(sorted));
  });

  test('has a route for each kind of request, and a default route', () => {
    const keys = routesOf('HTTP').map(({ RouteKey }) => RouteKey);
    expect(keys.sort()).toEqual([
      '$default',
      'ANY /channels',
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

  test('sends every event of a socket to one function, whose answer goes to the client', () => {
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

  test('has queues with dead letters, an alarm for them, and access by TLS only', () => {
    const queues = propertiesOf(hub, 'AWS::SQS::Queue');
    const dead = queues.filter((queue) => !('RedrivePolicy' in queue));
    expect(queues.filter((queue) => 'RedrivePolicy' in queue)).toMatchObject([
      { RedrivePolicy: { maxReceiveCount: 6 }, VisibilityTimeout: 150 },
      { RedrivePolicy: { maxReceiveCount: 10 }, VisibilityTimeout: 360, MessageRetentionPeriod: 1_209_600 },
      { RedrivePolicy: { maxReceiveCount: 10 }, VisibilityTimeout: 120, MessageRetentionPeriod: 1_209_600 },
      { RedrivePolicy: { maxReceiveCount: 600 }, VisibilityTimeout: 60, MessageRetentionPeriod: 1_209_600 },
    ]);
    expect(dead).toMatchObject(Array(4).fill({ MessageRetentionPeriod: 1_209_600 }));
    const alarms = propertiesOf(hub, 'AWS::CloudWatch::Alarm');
    const names = alarms
      .map(({ AlarmName }) => String(AlarmName))
      .filter((name) => /HasDeadLetters$/.test(name));
    expect(names).toEqual([
      'tidings-dev-hub/Hints/Push/HasDeadLetters',
      'tidings-dev-hub/Folds/Fold/HasDeadLetters',
      'tidings-dev-hub/WebhookQueues/Dispatch/HasDeadLetters',
      'tidings-dev-hub/WebhookQueues/Deliver/HasDeadLetters',
    ]);
    const policies = [
      ...propertiesOf(hub, 'AWS::SQS::QueuePolicy'),
      ...propertiesOf(hub, 'AWS::SNS::TopicPolicy'),
    ];
    expect(policies).toHaveLength(9);
    for (const policy of policies) expect(JSON.stringify(policy)).toContain('"aws:SecureTransport":"false"');
  });

  test('gives hints to the push and to dispatch, those of keyed channels to the fold, and bounds how many batches run at a time', () => {
    const subscriptions = propertiesOf(hub, 'AWS::SNS::Subscription');
    expect(subscriptions).toMatchObject(Array(3).fill({ Protocol: 'sqs', RawMessageDelivery: true }));
    // Hints of plain channels cost the fold nothing.
    const filters = subscriptions.map(({ FilterPolicy }) => FilterPolicy);
    expect(filters).toEqual([undefined, { keyed: [{ exists: true }] }, undefined]);
    const sources = propertiesOf(hub, 'AWS::Lambda::EventSourceMapping');
    expect(sources).toMatchObject(
      [
        [50, 10],
        [2, 1_000],
        [20, 10],
        [50, 10],
      ].map(([MaximumConcurrency, BatchSize]) => ({
        BatchSize,
        FunctionResponseTypes: ['ReportBatchItemFailures'],
        ScalingConfig: { MaximumConcurrency },
      })),
    );
    // A batch must not be received again while its function may still work on it.
    const timed = (seconds: number) =>
      propertiesOf(hub, 'AWS::Lambda::Function').filter(({ Timeout }) => Timeout === seconds);
    expect(timed(25)).toMatchObject([
      {
        RecursiveLoop: 'Allow',
        Environment: { Variables: { POSTS_IN_FLIGHT: '256', POSTS_PER_SECOND: '10000' } },
      },
    ]);
    expect([...timed(20), ...timed(50), ...timed(60)]).toMatchObject([
      { RecursiveLoop: 'Allow' },
      { RecursiveLoop: 'Allow' },
      { RecursiveLoop: 'Allow' },
    ]);
  });

  test('never calls its own hosts, and calls others by TLS only, unless an option allows more', () => {
    const deliver = (template: Template) =>
      JSON.stringify(
        propertiesOf(template, 'AWS::Lambda::Function').find(({ Timeout }) => Timeout === 50)?.Environment,
      );
    expect(deliver(hub)).toContain('"INSECURE_WEBHOOKS":"false"');
    for (const own of ['DomainName', 'HttpApi', 'SocketApi', 'FunctionUrl'])
      expect(deliver(hub)).toContain(own);
    expect(deliver(templatesOf({ 'tidings:allowInsecureWebhooks': 'true' }).hub)).toContain(
      '"INSECURE_WEBHOOKS":"true"',
    );
  });

  test('logs requests without tokens, tickets and query strings', () => {
    const logged = (template: Template) =>
      propertiesOf(template, 'AWS::ApiGatewayV2::Stage').filter((stage) => 'AccessLogSettings' in stage);
    // Access logs of sockets need a setting of the account, so an option turns them on.
    const withSockets = templatesOf({ 'tidings:socketLogs': true, 'tidings:edge': false }).hub;
    const all = logged(withSockets);
    expect([logged(hub).length, all.length]).toEqual([1, 2]);
    for (const stage of [...logged(hub), ...all]) {
      expect(stage).toMatchObject({ AccessLogSettings: { Format: expect.stringContaining('requestId') } });
      expect(JSON.stringify(stage)).not.toMatch(/querystring|authorization|header/i);
    }
    // Behind the front door API Gateway sees the address of CloudFront. This variable has the address of the caller.
    const client = '"client":"$context.identity.userAgent"';
    const formatOf = (template: Template) =>
      JSON.stringify(logged(template).map(Object)).replaceAll('\\', '');
    expect([formatOf(hub).includes(client), formatOf(withSockets).includes(client)]).toEqual([true, false]);
    expect(formatOf(withSockets)).toContain('"ip":"$context.identity.sourceIp"');
  });

  // https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/AWS-logs-and-resource-policy.html
  test('logs requests to groups below /aws/vendedlogs/, which a full resource policy still allows, with the id of the stack', () => {
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

  test('outputs its URL, and the secret and the audience of tokens', () => {
    expect(Object.keys(hub.findOutputs('*', {}))).toContain('HttpUrl');
    expect(Object.keys(log.findOutputs('*', {}))).toEqual(
      expect.arrayContaining(['TokenSecretArn', 'TokenAudience']),
    );
  });

  test('gives the allowed origins to every function that pages can reach', () => {
    const originsOf = (template: Template) =>
      propertiesOf(template, 'AWS::Lambda::Function')
        .map(({ Environment }) => Object(Environment).Variables)
        .filter(({ ANONYMOUS }) => ANONYMOUS !== undefined)
        .map(({ ORIGINS }) => ORIGINS);
    expect(originsOf(hub)).toEqual(Array(6).fill('*'));
    const origins = ['https://a.example', 'http://localhost:5173'];
    const listing = templatesOf({ 'tidings:origins': origins }).hub;
    expect(originsOf(listing)).toEqual(Array(6).fill(origins.join(',')));
    const keys = (template: Template) =>
      JSON.stringify(propertiesOf(template, 'AWS::CloudFront::CachePolicy'));
    expect([keys(hub).includes('"Origin"'), keys(listing).includes('"Origin"')]).toEqual([false, true]);
  });

  test('gives the configuration to the functions', () => {
    const context = {
      'tidings:stage': 'prod',
      'tidings:channelCreation': 'explicit',
      'tidings:retentionDays': '30',
      'tidings:anonymous': '{"public/*":["subscribe"]}',
    };
    const stage = templatesOf(context);
    for (const one of propertiesOf(stage.hub, 'AWS::Lambda::Function')) {
      // Functions behind queues have no callers, so they have no access to token keys.
      if ([20, 25, 50, 60].includes(Number(one.Timeout))) continue;
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
});
