/**
 * Hubs in the app of a team: several in one stack, data in another stack, and what the team has already.
 * @module
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { App, RemovalPolicy, Stack, Validations } from 'aws-cdk-lib';
import { Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';
import { AwsSolutionsChecks } from 'cdk-nag';
import { beforeAll, describe, expect, test } from 'vitest';
import { Tidings, TidingsLog } from '../../../lib/tidings.ts';
import { fieldsOf } from '../../../protocol/fields.ts';
import { STRICT, UNBUNDLED } from '../template/synthesized.ts';
import { addTo } from './app.ts';

const CERTIFICATE = 'arn:aws:acm:us-east-1:123456789012:certificate/11111111-2222-3333-4444-555555555555';
const WEB_ACL =
  'arn:aws:wafv2:us-east-1:123456789012:global/webacl/team/11111111-2222-3333-4444-555555555555';
const BOUNDARY = 'arn:aws:iam::123456789012:policy/boundary';
const HANDLER = 'arn:aws:lambda:eu-west-1:123456789012:function:moderate';
const TOPIC = 'arn:aws:sns:eu-west-1:123456789012:pager';

type Fields = Readonly<Record<string, unknown>>;
interface Found {
  readonly id: string;
  readonly type: string;
  readonly properties: Fields;
  readonly resource: Fields;
}

const strictApp = (): App => new App({ context: { ...UNBUNDLED, ...STRICT }, analyticsReporting: false });

/** A team's stacks: data apart with everything that a team may have, and two hubs with their data in one stack. */
let data: Found[];
let whole: Found[];
let outputs: Fields;
let pair: Found[];
let hub: Tidings;
beforeAll(() => {
  const app = strictApp();
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  const log = new TidingsLog(new Stack(app, 'Data'), 'Log', { stage: 'shop' });
  const domain = { name: 'hub.example.com', certificate: CERTIFICATE };
  const team = { alarmTopic: TOPIC, permissionsBoundary: BOUNDARY, webAcl: WEB_ACL };
  const options = { console: true, presence: ['chat/*'] };
  const shop = new Stack(app, 'Shop');
  const handler = LambdaFunction.fromFunctionArn(shop, 'Moderate', HANDLER);
  const onPublish = [{ pattern: 'chat/*', handler }];
  hub = new Tidings(shop, 'Hub', { log, domain, ...team, ...options, onPublish });
  const both = new Stack(app, 'Pair');
  new Tidings(both, 'One', { stage: 'one', socketLogs: true });
  new Tidings(both, 'Two', { stage: 'two', socketLogs: true, removalPolicy: RemovalPolicy.DESTROY });
  // Strict validation and AwsSolutions fail it if they find something.
  const assembly = app.synth();
  const templateOf = (name: string): Fields => fieldsOf(assembly.getStackByName(name).template);
  data = resourcesIn(templateOf('Data'));
  whole = resourcesIn(templateOf('Shop'));
  pair = resourcesIn(templateOf('Pair'));
  outputs = fieldsOf(templateOf('Shop').Outputs);
});

const resourcesIn = ({ Resources }: Fields): Found[] =>
  Object.entries(fieldsOf(Resources)).map(([id, value]) => {
    const resource = fieldsOf(value);
    return { id, type: String(resource.Type), properties: fieldsOf(resource.Properties), resource };
  });

describe('docs/constructs.md', () => {
  const read = (file: string): string => readFileSync(join(import.meta.dirname, '../../..', file), 'utf8');
  const inner = (text: string): string =>
    text
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '')
      .join('\n');

  test.each(['page', 'pipe'])('has the app that this test compiles: the %s', (part) => {
    const pattern = new RegExp(`begin of the ${part}\\n([\\s\\S]*?)\\n *// end of the ${part}`);
    const [, body = ''] = pattern.exec(read('test/infra/constructs/app.ts')) ?? [];
    expect(body).not.toBe('');
    expect(inner(read('docs/constructs.md'))).toContain(inner(body));
  });

  test('has an app that passes strict validation', () => {
    const { stacks } = addTo(strictApp()).synth();
    expect(stacks.map(({ stackName }) => stackName)).toEqual(['ShopData', 'Shop']);
  });

  /** A path in a template takes that part of the event: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-pipes-input-transformation.html */
  const fill = (template: string, event: unknown): string =>
    template.replaceAll(/<\$\.([\w.]+)>/g, (_, path: string) => {
      const part = path.split('.').reduce<unknown>((value, name) => fieldsOf(value)[name], event);
      return typeof part === 'string' ? part : JSON.stringify(part);
    });

  test('has a pipe that makes a message of the intake of each change, with the id of the change as its key', () => {
    const template: unknown = addTo(strictApp()).synth().getStackByName('Shop').template;
    const pipe = resourcesIn(fieldsOf(template)).find(({ type }) => type === 'AWS::Pipes::Pipe');
    const { InputTemplate, SqsQueueParameters } = fieldsOf(pipe?.properties.TargetParameters);
    const item = { id: { S: '7' }, cents: { N: '1250' } };
    const change = { eventID: 'c4ca4238a0b92382', eventName: 'INSERT', dynamodb: { NewImage: item } };
    // PROTOCOL.md §15.
    const message = { channel: 'orders/changes', messages: [item], key: change.eventID };
    expect(JSON.parse(fill(String(InputTemplate), change))).toEqual(message);
    expect(SqsQueueParameters).toEqual({ MessageGroupId: message.channel });
  });
});

describe('two hubs in one stack', () => {
  /** A property that is a name which must be unique in the account or the Region. */
  const NAMES: Readonly<Record<string, (properties: Fields) => unknown>> = {
    'AWS::CloudWatch::Alarm': ({ AlarmName }) => AlarmName,
    'AWS::CloudWatch::Dashboard': ({ DashboardName }) => DashboardName,
    'AWS::Logs::LogGroup': ({ LogGroupName }) => LogGroupName,
    'AWS::CloudFront::Function': ({ Name }) => Name,
    'AWS::CloudFront::CachePolicy': ({ CachePolicyConfig }) => fieldsOf(CachePolicyConfig).Name,
    'AWS::CloudFront::OriginRequestPolicy': ({ OriginRequestPolicyConfig }) =>
      fieldsOf(OriginRequestPolicyConfig).Name,
    'AWS::CloudFront::ResponseHeadersPolicy': ({ ResponseHeadersPolicyConfig }) =>
      fieldsOf(ResponseHeadersPolicyConfig).Name,
    'AWS::CloudFront::OriginAccessControl': ({ OriginAccessControlConfig }) =>
      fieldsOf(OriginAccessControlConfig).Name,
    'AWS::ApiGatewayV2::Api': ({ Name }) => Name,
  };

  test('have no name in common', () => {
    for (const [type, nameOf] of Object.entries(NAMES)) {
      const names = pair
        .filter((one) => one.type === type)
        .map(({ properties }) => nameOf(properties))
        .filter((name) => name !== undefined)
        .map((name) => JSON.stringify(name));
      expect(names.length, type).toBeGreaterThanOrEqual(2);
      expect(new Set(names).size, type).toBe(names.length);
    }
    // Nothing else of the stack has a name that it chose itself.
    const named = pair.filter(({ type, properties }) =>
      Object.keys(properties).some(
        (key) => /^(?!Policy|Attribute|Function|Topic|Stage|Metric)\w*Name$/.test(key) && !(type in NAMES),
      ),
    );
    expect(named.map(({ type }) => type)).toEqual([]);
  });

  test('have alarms, metrics and data of their own', () => {
    const dashboards = pair.filter(({ type }) => type === 'AWS::CloudWatch::Dashboard');
    const texts = dashboards.map(({ properties }) => JSON.stringify(properties.DashboardBody));
    expect(texts).toHaveLength(2);
    for (const [at, [own, other]] of [
      ['One', 'Two'],
      ['Two', 'One'],
    ].entries()) {
      expect(texts[at]).toContain(`"${own}Watch`);
      expect(texts[at]).not.toContain(`"${other}Watch`);
    }
    const tables = pair.filter(({ type }) => type === 'AWS::DynamoDB::GlobalTable');
    expect(tables).toHaveLength(16);
    const kept = tables.filter(({ resource }) => resource.DeletionPolicy === 'Retain');
    expect(kept.map(({ id }) => id.slice(0, 3))).toEqual(Array(6).fill('One'));
  });

  // CloudFormation replaces a resource whose logical id changes: the data would be lost.
  test('keep the logical ids of their data and of their URLs', () => {
    const lasting = /GlobalTable|Secret$|Distribution|::Url$|ApiGatewayV2::Api/;
    expect(
      pair
        .filter(({ id, type }) => id.startsWith('One') && lasting.test(type))
        .map(({ id }) => id)
        .sort(),
    ).toEqual([
      'OneDataListenersCursorsC497D1F5',
      'OneDataListenersSubscribersDE907AA5',
      'OneDataLogChannels5670F967',
      'OneDataLogEntries69FB89B9',
      'OneDataLogKeys85A8B8F7',
      'OneDataLogSnapshots20F87FA8',
      'OneDataTokenKeysSecret7DBF5FEB',
      'OneDataWebhooksDeliveries2F5F3355',
      'OneDataWebhooksEndpoints98F9EA36',
      'OneDataWebhooksWebhookKeyEFE325BE',
      'OneEdgeDistributionCF9F572D',
      'OneHttpApi1FB3BD30',
      'OneSocketApiA958ED77',
      'OneStreamHandlerFunctionFunctionUrlFDE56DBD',
    ]);
  });
});

describe('a hub with its data in another stack', () => {
  test('has no data of its own', () => {
    expect(whole.filter(({ type }) => type === 'AWS::DynamoDB::GlobalTable')).toEqual([]);
    expect(data.filter(({ type }) => type === 'AWS::DynamoDB::GlobalTable')).toHaveLength(8);
    expect([...new Set(data.map(({ type }) => type))].sort()).toEqual([
      'AWS::DynamoDB::GlobalTable',
      'AWS::SecretsManager::Secret',
    ]);
  });

  test('has the boundary on every role, and sends every alarm to the topic', () => {
    const roles = whole.filter(({ type }) => type === 'AWS::IAM::Role');
    expect(roles.length).toBeGreaterThan(10);
    for (const { properties } of roles) expect(properties.PermissionsBoundary).toBe(BOUNDARY);
    const alarms = whole.filter(({ type }) => type === 'AWS::CloudWatch::Alarm');
    expect(alarms.length).toBeGreaterThan(10);
    for (const { properties } of alarms)
      expect([properties.AlarmActions, properties.OKActions]).toEqual([[TOPIC], [TOPIC]]);
  });

  test('asks a function that is not in the app', () => {
    const grants = whole.filter(
      ({ type, properties }) => type === 'AWS::IAM::Policy' && JSON.stringify(properties).includes(HANDLER),
    );
    expect(grants.map(({ id }) => /^Hub(\w+?)Handler/.exec(id)?.[1]).sort()).toEqual(['Publish', 'Socket']);
  });

  test('has its URLs, metrics and dashboard', () => {
    const { url, socketUrl } = hub;
    expect([url, Stack.of(hub).resolve(socketUrl)]).toEqual([
      'https://hub.example.com',
      'wss://hub.example.com/ws',
    ]);
    const dimensions = { Stage: 'shop' };
    expect(hub.metricPublished()).toMatchObject({ metricName: 'Published', dimensions });
    expect(hub.metricPushLag()).toMatchObject({ metricName: 'PushLag', statistic: 'p90', dimensions });
    expect(hub.metricDelivered('sse')).toMatchObject({ dimensions: { Stage: 'shop', Function: 'Stream' } });
    expect(() => hub.metric('Delivered')).toThrow('is measured by Stage,Function');
    expect([hub.topic.node.path, hub.dashboard.node.path, hub.log.tokenAudience]).toEqual([
      'Shop/Hub/Hints/Topic',
      'Shop/Hub/Watch/Dashboard',
      'tidings:shop',
    ]);
  });
});

describe('a hub with a domain or a web ACL', () => {
  test('has the name, the certificate and the web ACL, and an output for the record that is missing', () => {
    const [distribution] = whole.filter(({ type }) => type === 'AWS::CloudFront::Distribution');
    expect(distribution?.properties.DistributionConfig).toMatchObject({
      Aliases: ['hub.example.com'],
      WebACLId: WEB_ACL,
      ViewerCertificate: { AcmCertificateArn: CERTIFICATE, MinimumProtocolVersion: 'TLSv1.2_2021' },
    });
    const [record] = Object.entries(outputs).filter(([id]) => id.includes('DomainRecord'));
    expect(JSON.stringify(record)).toContain('hub.example.com CNAME ');
  });

  test('has one secret in the requests of the distribution and in the functions behind it', () => {
    const [secret] = whole.filter(
      ({ id, type }) => type === 'AWS::SecretsManager::Secret' && id.includes('Door'),
    );
    const reference = {
      'Fn::Join': ['', ['{{resolve:secretsmanager:', { Ref: secret?.id }, ':SecretString:::}}']],
    };
    const [distribution] = whole.filter(({ type }) => type === 'AWS::CloudFront::Distribution');
    const { Origins } = fieldsOf(distribution?.properties.DistributionConfig);
    const headers = [{ HeaderName: 'x-tidings-door', HeaderValue: reference }];
    const origins = (Array.isArray(Origins) ? Origins : []).map(({ Id, OriginCustomHeaders }) => [
      Id,
      OriginCustomHeaders,
    ]);
    // CloudFront signs its requests for streams, so nobody else can make them.
    expect(Object.fromEntries(origins)).toEqual({ api: headers, socket: headers, stream: undefined });
    const functions = whole.filter(({ type }) => type === 'AWS::Lambda::Function');
    const doors = functions.filter(
      ({ properties }) => 'DOOR' in fieldsOf(fieldsOf(properties.Environment).Variables),
    );
    for (const { properties } of doors)
      expect(fieldsOf(fieldsOf(properties.Environment).Variables).DOOR).toEqual(reference);
    const nameOf = (id: string): string => /^Hub(\w+?)Handler/.exec(id)?.[1] ?? id;
    expect(doors.map(({ id }) => nameOf(id)).sort()).toEqual(
      ['Console', 'Hold', 'Publish', 'Read', 'Socket', 'Stream', 'Webhooks'].sort(),
    );
    // An update changes these after the distribution: until then its requests have no header.
    const later = functions.filter(({ resource }) =>
      JSON.stringify(resource.DependsOn ?? []).includes(`"${distribution?.id}"`),
    );
    expect(later.map(({ id }) => nameOf(id)).sort()).toEqual(
      ['Console', 'Hold', 'Publish', 'Read', 'Socket', 'Webhooks'].sort(),
    );
  });

  test('costs nothing if there is neither', () => {
    expect(JSON.stringify(pair)).not.toMatch(/DOOR|x-tidings-door|Door/);
  });
});
