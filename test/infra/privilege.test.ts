/**
 * Least privilege: the callers that each resource of both stacks allows, and its protection. The lists in this file are complete, so
 * a new resource fails here until it has been checked.
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
/** Returns a logical id without the hash at its end. */
const nameOf = (id: string): string => id.replace(/[0-9A-F]{8}$/, '');

function statementsOf(document: unknown): Statement[] {
  const { Statement: list } = fieldsOf(document);
  return Array.isArray(list) ? list : [];
}

let resources: Resource[];
/** A hub without a front door. Its streaming URL is open to all callers. */
let bare: Resource[];
beforeAll(() => {
  resources = synthesize();
  bare = synthesize({ 'tidings:edge': false });
});

test('there is no type of resource that this file does not check', () => {
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

/** IAM knows no resources for these two actions. */
const TRACES = text(['xray:PutTraceSegments', 'xray:PutTelemetryRecords']);

const WITHOUT_TLS = { Bool: { 'aws:SecureTransport': 'false' } };
const isEveryone = (principal: unknown) => principal === '*' || text(principal) === '{"AWS":"*"}';

/** Returns the statements of the policies that are attached to a topic or queue. */
function policyOf({ id, type }: Resource): Statement[] {
  const [policy, attached] =
    type === 'AWS::SNS::Topic'
      ? (['AWS::SNS::TopicPolicy', 'Topics'] as const)
      : (['AWS::SQS::QueuePolicy', 'Queues'] as const);
  const own = all(policy).filter(({ properties }) => text(properties[attached]) === `[{"Ref":"${id}"}]`);
  return own.flatMap(({ properties }) => statementsOf(properties.PolicyDocument));
}

describe('every topic and every queue, including dead letters', () => {
  const each = () => [...all('AWS::SNS::Topic'), ...all('AWS::SQS::Queue')];

  test('exists, with a policy of its own', () => {
    expect(each().map(({ id }) => nameOf(id))).toEqual([
      'HintsTopic',
      'HintsPushDeadLetters',
      'HintsPushQueue',
      'FoldsFoldDeadLetters',
      'FoldsFoldQueue',
      'WebhookQueuesDispatchDeadLetters',
      'WebhookQueuesDispatchQueue',
      'WebhookQueuesDeliverDeadLetters',
      'WebhookQueuesDeliverQueue',
    ]);
    for (const one of each()) expect(policyOf(one).length, one.id).toBeGreaterThan(0);
  });

  test('denies all requests without TLS', () => {
    for (const one of each()) {
      const action = one.type === 'AWS::SNS::Topic' ? 'sns:Publish' : 'sqs:*';
      const denies = policyOf(one).filter(
        ({ Effect, Action, Principal, Condition }) =>
          Effect === 'Deny' &&
          Action === action &&
          isEveryone(Principal) &&
          text(Condition) === text(WITHOUT_TLS),
      );
      expect(denies, one.id).toHaveLength(1);
    }
  });

  test('allows by its policy only the topic that it is subscribed to', () => {
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

  test('is encrypted at rest, except the topic, whose messages have channel names and offsets and no content', () => {
    for (const { properties } of all('AWS::SQS::Queue')) expect(properties.SqsManagedSseEnabled).toBe(true);
    expect(all('AWS::SNS::Topic').map(({ properties }) => properties)).toEqual([{}]);
  });
});

describe('every table', () => {
  /** Rows that live no longer than the connections and leases that they describe. */
  const TEMPORARY = ['ListenersSubscribers', 'ListenersCursors'];

  test('is encrypted, and restorable and protected if its data must not be lost', () => {
    const tables = all('AWS::DynamoDB::GlobalTable');
    expect(tables.map(({ id }) => nameOf(id)).sort()).toEqual(
      [
        'LogChannels',
        'LogEntries',
        'LogKeys',
        'LogSnapshots',
        'WebhooksDeliveries',
        'WebhooksEndpoints',
        ...TEMPORARY,
      ].sort(),
    );
    for (const { id, properties } of tables) {
      // `false` means the key that DynamoDB owns, which costs nothing.
      expect(properties.SSESpecification, id).toEqual({ SSEEnabled: false });
      const protection = [
        {
          DeletionProtectionEnabled: true,
          PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
        },
      ];
      if (!TEMPORARY.includes(nameOf(id))) expect(properties.Replicas, id).toMatchObject(protection);
    }
  });
});

describe('every log group', () => {
  test('has a retention, and every function and stage writes to one of the template', () => {
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
  test('is generated by Secrets Manager, and is nowhere in the templates', () => {
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
  test('belongs to one function, can be used by Lambda alone, and has one policy', () => {
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

  /** The ids of connections are not known before they connect. */
  const OPEN = ['/ws/POST/@connections/*', '/ws/DELETE/@connections/*'];

  test('names its actions and its resources, without a star outside this list', () => {
    for (const { id, properties } of all('AWS::IAM::Policy')) {
      for (const { Action, Resource, Effect } of statementsOf(properties.PolicyDocument)) {
        expect(Effect).toBe('Allow');
        expect(text(Action), id).not.toContain('*');
        if (text(Action) === TRACES) continue;
        const resource = OPEN.reduce((left, open) => left.replace(open, ''), text(Resource));
        expect(resource, id).not.toContain('*');
        // It refers to a resource of the templates.
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

describe('the caller of a function', () => {
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
      // The ARN of a WebSocket route has its key. The default route of an HTTP API allows every path.
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

  test('can be anyone without a front door, for the streaming URL alone', () => {
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
    for (const { properties } of open) expect(text(properties.FunctionName)).toContain('StreamHandler');
  });
});
