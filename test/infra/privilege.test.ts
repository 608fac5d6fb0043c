/**
 * Least privilege: what each resource of both stacks lets in, and what it is kept with. Lists in this file are whole: what
 * comes new fails until somebody has thought about it.
 * @module
 */
import { beforeAll, describe, expect, test } from 'vitest';
import { templatesOf } from './synthesized.ts';

type Fields = Readonly<Record<string, unknown>>;

interface Resource {
  readonly id: string;
  readonly type: string;
  readonly properties: Fields;
}

interface Statement {
  readonly Effect: string;
  readonly Action: unknown;
  readonly Principal?: unknown;
  readonly Resource: unknown;
  readonly Condition?: unknown;
}

function synthesize(context: Fields = {}): Resource[] {
  return Object.values(templatesOf(context)).flatMap((template) =>
    Object.entries(fieldsOf(template.toJSON().Resources)).map(([id, resource]) => {
      const { Type, Properties } = fieldsOf(resource);
      return { id, type: String(Type), properties: fieldsOf(Properties) };
    }),
  );
}

const fieldsOf = (value: unknown): Fields =>
  typeof value === 'object' && value !== null ? { ...value } : {};
const all = (type: string, among = resources) => among.filter((each) => each.type === type);
const text = (value: unknown): string => JSON.stringify(value) ?? '';
/** Without the hash that CloudFormation ids end with. */
const nameOf = (id: string): string => id.replace(/[0-9A-F]{8}$/, '');

function statementsOf(document: unknown): Statement[] {
  const { Statement: list } = fieldsOf(document);
  return Array.isArray(list) ? list : [];
}

let resources: Resource[];
/** Without a front door, where the streaming URL is open to all. */
let bare: Resource[];
beforeAll(() => {
  resources = synthesize();
  bare = synthesize({ 'tidings:edge': false });
});

test('there is no kind of resource that this file has not thought about', () => {
  expect([...new Set(resources.map(({ type }) => type))].sort()).toEqual([
    'AWS::ApiGatewayV2::Api',
    'AWS::ApiGatewayV2::Integration',
    'AWS::ApiGatewayV2::Route',
    'AWS::ApiGatewayV2::RouteResponse',
    'AWS::ApiGatewayV2::Stage',
    'AWS::CloudFront::CachePolicy',
    'AWS::CloudFront::Distribution',
    'AWS::CloudFront::Function',
    'AWS::CloudFront::OriginAccessControl',
    'AWS::CloudFront::OriginRequestPolicy',
    'AWS::CloudFront::ResponseHeadersPolicy',
    'AWS::CloudWatch::Alarm',
    'AWS::CloudWatch::Dashboard',
    'AWS::DynamoDB::GlobalTable',
    'AWS::IAM::Policy',
    'AWS::IAM::Role',
    'AWS::Lambda::EventSourceMapping',
    'AWS::Lambda::Function',
    'AWS::Lambda::Permission',
    'AWS::Lambda::Url',
    'AWS::Logs::LogGroup',
    'AWS::SNS::Subscription',
    'AWS::SNS::Topic',
    'AWS::SNS::TopicPolicy',
    'AWS::SQS::Queue',
    'AWS::SQS::QueuePolicy',
    'AWS::SecretsManager::Secret',
  ]);
});

/** Traces are of no resource: IAM takes these two for all or not at all. */
const TRACES = text(['xray:PutTraceSegments', 'xray:PutTelemetryRecords']);

const IN_PLAIN_TEXT = { Bool: { 'aws:SecureTransport': 'false' } };
const everybody = (principal: unknown) => principal === '*' || text(principal) === '{"AWS":"*"}';

/** The statements about a topic or queue, of the policies that are attached to it. */
function policyOf({ id, type }: Resource): Statement[] {
  const [policy, attached] =
    type === 'AWS::SNS::Topic'
      ? (['AWS::SNS::TopicPolicy', 'Topics'] as const)
      : (['AWS::SQS::QueuePolicy', 'Queues'] as const);
  const own = all(policy).filter(({ properties }) => text(properties[attached]) === `[{"Ref":"${id}"}]`);
  return own.flatMap(({ properties }) => statementsOf(properties.PolicyDocument));
}

describe('every topic and every queue, dead letters too', () => {
  const each = () => [...all('AWS::SNS::Topic'), ...all('AWS::SQS::Queue')];

  test('is there, with a policy of its own', () => {
    expect(each().map(({ id }) => nameOf(id))).toEqual([
      'HintsTopic',
      'HintsPushDeadLetters',
      'HintsPushQueue',
      'WebhookQueuesDispatchDeadLetters',
      'WebhookQueuesDispatchQueue',
      'WebhookQueuesDeliverDeadLetters',
      'WebhookQueuesDeliverQueue',
    ]);
    for (const one of each()) expect(policyOf(one).length, one.id).toBeGreaterThan(0);
  });

  test('denies everybody who speaks in plain text', () => {
    for (const one of each()) {
      const action = one.type === 'AWS::SNS::Topic' ? 'sns:Publish' : 'sqs:*';
      const denies = policyOf(one).filter(
        ({ Effect, Action, Principal, Condition }) =>
          Effect === 'Deny' &&
          Action === action &&
          everybody(Principal) &&
          text(Condition) === text(IN_PLAIN_TEXT),
      );
      expect(denies, one.id).toHaveLength(1);
    }
  });

  test('lets nobody in by its policy but the topic that it is subscribed to', () => {
    const subscribed = all('AWS::SNS::Subscription').map(({ properties }) => text(properties.Endpoint));
    for (const one of each()) {
      const allows = policyOf(one).filter(({ Effect }) => Effect === 'Allow');
      const isSubscribed = subscribed.some((endpoint) => endpoint.includes(`"${one.id}"`));
      expect(allows, one.id).toHaveLength(isSubscribed ? 1 : 0);
      for (const { Action, Principal, Condition } of allows) {
        expect([Action, Principal]).toEqual(['sqs:SendMessage', { Service: 'sns.amazonaws.com' }]);
        const [topic] = all('AWS::SNS::Topic');
        expect(Condition).toEqual({ ArnEquals: { 'aws:SourceArn': { Ref: topic?.id } } });
      }
    }
  });

  test('is encrypted at rest, but for the topic, which carries names of channels and offsets and no content', () => {
    for (const { properties } of all('AWS::SQS::Queue')) expect(properties.SqsManagedSseEnabled).toBe(true);
    expect(all('AWS::SNS::Topic').map(({ properties }) => properties)).toEqual([{}]);
  });
});

describe('every table', () => {
  /** Nothing in them outlives the connections and leases that it is about. */
  const PASSING = ['ListenersSubscribers', 'ListenersCursors'];

  test('is encrypted, and restorable and protected if it holds what must not be lost', () => {
    const tables = all('AWS::DynamoDB::GlobalTable');
    expect(tables.map(({ id }) => nameOf(id)).sort()).toEqual(
      ['LogChannels', 'LogEntries', 'LogKeys', 'WebhooksDeliveries', 'WebhooksEndpoints', ...PASSING].sort(),
    );
    for (const { id, properties } of tables) {
      // `false` is the key that DynamoDB owns: always encrypted, never billed.
      expect(properties.SSESpecification, id).toEqual({ SSEEnabled: false });
      const kept = [
        {
          DeletionProtectionEnabled: true,
          PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
        },
      ];
      if (!PASSING.includes(nameOf(id))) expect(properties.Replicas, id).toMatchObject(kept);
    }
  });
});

describe('every log group', () => {
  test('has an end, and whoever writes has one of the template', () => {
    const groups = all('AWS::Logs::LogGroup');
    for (const { id, properties } of groups) expect(properties.RetentionInDays, id).toBe(30);
    const used = [
      ...all('AWS::Lambda::Function').map(({ properties }) => properties.LoggingConfig),
      ...all('AWS::ApiGatewayV2::Stage').flatMap(({ properties }) => properties.AccessLogSettings ?? []),
    ].map(text);
    for (const { id } of groups)
      expect(
        used.filter((value) => value.includes(`"${id}"`)),
        id,
      ).toHaveLength(1);
    expect(used).toHaveLength(groups.length);
  });
});

describe('every secret', () => {
  test('is made by Secrets Manager, and stands nowhere in the templates', () => {
    const secrets = all('AWS::SecretsManager::Secret');
    expect(secrets).toHaveLength(2);
    for (const { properties } of secrets) {
      expect(Object.keys(properties)).toEqual(['Description', 'GenerateSecretString']);
      expect(properties.GenerateSecretString).toMatchObject({ PasswordLength: 64 });
    }
    expect(text(resources)).not.toContain('{{resolve:');
  });
});

describe('every role', () => {
  test('is of one function, for Lambda alone, with no policy but its own', () => {
    const roles = all('AWS::IAM::Role');
    const functions = all('AWS::Lambda::Function');
    expect(new Set(functions.map(({ properties }) => text(properties.Role))).size).toBe(roles.length);
    for (const { properties } of roles) {
      expect(Object.keys(properties)).toEqual(['AssumeRolePolicyDocument']);
      expect(statementsOf(properties.AssumeRolePolicyDocument)).toEqual([
        { Action: 'sts:AssumeRole', Effect: 'Allow', Principal: { Service: 'lambda.amazonaws.com' } },
      ]);
    }
    const attached = all('AWS::IAM::Policy').map(({ properties }) => text(properties.Roles));
    expect(attached.sort()).toEqual(roles.map(({ id }) => text([{ Ref: id }])).sort());
  });

  /** Ids of connections are not known before they connect; a Deny may reach as far as it likes. */
  const OPEN = ['/ws/POST/@connections/*', '/ws/DELETE/@connections/*'];

  test('names its actions and its resources: no star outside this list', () => {
    for (const { id, properties } of all('AWS::IAM::Policy')) {
      for (const { Action, Resource, Effect } of statementsOf(properties.PolicyDocument)) {
        expect(Effect).toBe('Allow');
        expect(text(Action), id).not.toContain('*');
        if (text(Action) === TRACES) continue;
        const resource = OPEN.reduce((left, open) => left.replace(open, ''), text(Resource));
        expect(resource, id).not.toContain('*');
        // Of ours: it refers to a resource of the templates and spells no account's.
        expect(resource, id).toMatch(/"Ref"|Fn::GetAtt|Fn::ImportValue/);
      }
    }
    const policies = [...all('AWS::SNS::TopicPolicy'), ...all('AWS::SQS::QueuePolicy')];
    for (const { Effect, Action } of policies.flatMap(({ properties }) =>
      statementsOf(properties.PolicyDocument),
    ))
      if (Effect === 'Allow') expect(text(Action)).not.toContain('*');
  });
});

describe('who may invoke a function', () => {
  const permissions = (among: Resource[]) => all('AWS::Lambda::Permission', among);
  const joined = (value: unknown): string => {
    const [, parts] = Array.isArray(fieldsOf(value)['Fn::Join']) ? [...Object(value)['Fn::Join']] : [];
    const texts = Array.isArray(parts) ? parts : [];
    return texts
      .map((part: unknown) => (typeof part === 'string' ? part : `{${fieldsOf(part).Ref}}`))
      .join('');
  };
  const START = 'arn:{AWS::Partition}:execute-api:{AWS::Region}:{AWS::AccountId}:';

  test('is a route of this API, or this distribution', () => {
    const apis = Object.fromEntries(
      all('AWS::ApiGatewayV2::Api').map(({ id, properties }) => [id, properties.ProtocolType]),
    );
    const routes = all('AWS::ApiGatewayV2::Route').map(({ properties }) => {
      const { Ref: api } = fieldsOf(properties.ApiId);
      const key = String(properties.RouteKey);
      const path = key === '$default' ? '' : key.replace(/^[A-Z]+ /, '');
      // A route of a WebSocket API is its key; the default route of an HTTP API is reached by any path of it.
      return apis[String(api)] === 'HTTP' ? `${START}{${api}}/*/*${path}` : `${START}{${api}}/*${key}`;
    });
    const [distribution] = all('AWS::CloudFront::Distribution');
    const byEdge = `arn:{AWS::Partition}:cloudfront::{AWS::AccountId}:distribution/{${distribution?.id}}`;
    for (const { id, properties } of permissions(resources)) {
      const source = joined(properties.SourceArn);
      const { Principal, Action } = properties;
      if (Principal === 'apigateway.amazonaws.com') {
        expect(Action, id).toBe('lambda:InvokeFunction');
        expect(routes, id).toContain(source);
      } else {
        expect([Principal, source], id).toEqual(['cloudfront.amazonaws.com', byEdge]);
      }
    }
    expect(all('AWS::Lambda::Url').map(({ properties }) => properties.AuthType)).toEqual(['AWS_IAM']);
  });

  test('is everybody, without a front door, for the streaming URL alone', () => {
    const open = permissions(bare).filter(
      ({ properties }) => properties.Principal !== 'apigateway.amazonaws.com',
    );
    expect(open.map(({ properties }) => properties)).toEqual([
      expect.objectContaining({
        Action: 'lambda:InvokeFunctionUrl',
        Principal: '*',
        FunctionUrlAuthType: 'NONE',
      }),
      expect.objectContaining({
        Action: 'lambda:InvokeFunction',
        Principal: '*',
        InvokedViaFunctionUrl: true,
      }),
    ]);
    for (const { properties } of open) expect(text(properties.FunctionName)).toContain('StreamDoor');
  });
});
