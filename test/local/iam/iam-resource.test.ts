/**
 * Identity and resource policies together, against cases that were worked out by hand from
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-basics.html
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
 */
import { describe, expect, it } from 'vitest';
import { decide, parsePolicy, parseResourcePolicy } from '../../../local/iam/iam.ts';
import type { ConditionContext } from '../../../local/iam/iam-conditions.ts';
import type { Requester } from '../../../local/iam/iam-principals.ts';
import { mayInvoke, mayInvokeByUrl } from '../../../local/iam/permissions.ts';
import type { Resolved } from '../../../local/template/assembly.ts';
import type { Plan } from '../../../local/template/plan.ts';
import { readResourcePolicies } from '../../../local/template/resource-policies.ts';

const ACCOUNT = '000000000000';
const queue = `arn:aws:sqs:us-east-1:${ACCOUNT}:q`;
const topic = `arn:aws:sns:us-east-1:${ACCOUNT}:t`;
const otherTopic = `arn:aws:sns:us-east-1:${ACCOUNT}:t2`;
const role = `arn:aws:iam::${ACCOUNT}:role/caller`;
const session = `arn:aws:sts::${ACCOUNT}:assumed-role/caller/caller`;
const caller: Requester = { kind: 'role', role, session };
const sns: Requester = { kind: 'service', name: 'sns.amazonaws.com' };
const anybody: Requester = { kind: 'anybody' };

const send = (more: object = {}) => ({
  Effect: 'Allow',
  Action: 'sqs:SendMessage',
  Resource: queue,
  ...more,
});
const deny = (more: object = {}) => send({ Effect: 'Deny', ...more });
const overTls: ConditionContext = { 'aws:SecureTransport': ['true'] };
const inPlainText = deny({
  Action: 'sqs:*',
  Principal: { AWS: '*' },
  Condition: { Bool: { 'aws:SecureTransport': 'false' } },
});
const ofTopic = (arn: string) =>
  send({ Principal: { Service: 'sns.amazonaws.com' }, Condition: { ArnEquals: { 'aws:SourceArn': arn } } });

type Case = readonly [
  what: string,
  requester: Requester,
  identity: readonly object[],
  ofResource: readonly object[],
  context: ConditionContext,
  expected: 'allow' | 'none' | 'identity-based' | 'resource-based',
];

const CASES: readonly Case[] = [
  // A role of the same account needs one Allow, in either policy.
  ['no policy says anything', caller, [], [], overTls, 'none'],
  ['the role alone allows', caller, [send()], [], overTls, 'allow'],
  ['the queue alone allows the role', caller, [], [send({ Principal: { AWS: role } })], overTls, 'allow'],
  [
    'the queue alone allows the session',
    caller,
    [],
    [send({ Principal: { AWS: session } })],
    overTls,
    'allow',
  ],
  ['the queue alone allows everybody', caller, [], [send({ Principal: '*' })], overTls, 'allow'],
  ['everybody, as {"AWS":"*"}', caller, [], [send({ Principal: { AWS: ['*'] } })], overTls, 'allow'],
  ['the queue allows another role', caller, [], [send({ Principal: { AWS: `${role}2` } })], overTls, 'none'],
  [
    'the queue allows another action',
    caller,
    [],
    [send({ Principal: '*', Action: 'sqs:ReceiveMessage' })],
    overTls,
    'none',
  ],
  [
    'the queue’s policy is of another resource',
    caller,
    [],
    [send({ Principal: '*', Resource: `${queue}2` })],
    overTls,
    'none',
  ],
  // The principal of the account leaves the decision to the account: then the policy of the role must allow the call.
  [
    'the queue allows the account, and the role says nothing',
    caller,
    [],
    [send({ Principal: { AWS: ACCOUNT } })],
    overTls,
    'none',
  ],
  [
    '… by its root',
    caller,
    [],
    [send({ Principal: { AWS: `arn:aws:iam::${ACCOUNT}:root` } })],
    overTls,
    'none',
  ],
  ['… and the role allows', caller, [send()], [send({ Principal: { AWS: ACCOUNT } })], overTls, 'allow'],
  [
    'a service principal is no role',
    caller,
    [],
    [send({ Principal: { Service: 'sns.amazonaws.com' } })],
    overTls,
    'none',
  ],
  // A Deny in either policy wins over every Allow.
  [
    'the role denies what the queue allows',
    caller,
    [deny()],
    [send({ Principal: '*' })],
    overTls,
    'identity-based',
  ],
  [
    'the queue denies the role what the role allows',
    caller,
    [send()],
    [deny({ Principal: { AWS: role } })],
    overTls,
    'resource-based',
  ],
  [
    'the queue denies the session',
    caller,
    [send()],
    [deny({ Principal: { AWS: session } })],
    overTls,
    'resource-based',
  ],
  [
    'the queue denies the account, and so all of its roles',
    caller,
    [send()],
    [deny({ Principal: { AWS: ACCOUNT } })],
    overTls,
    'resource-based',
  ],
  ['the queue denies everybody', caller, [send()], [deny({ Principal: '*' })], overTls, 'resource-based'],
  [
    'the queue denies somebody else',
    caller,
    [send()],
    [deny({ Principal: { AWS: `${role}2` } })],
    overTls,
    'allow',
  ],
  [
    'the queue denies a service',
    caller,
    [send()],
    [deny({ Principal: { Service: 'sns.amazonaws.com' } })],
    overTls,
    'allow',
  ],
  // A Deny applies only if its condition is met. SDK clients use TLS on AWS.
  ['plain text is denied, over TLS', caller, [send()], [inPlainText], overTls, 'allow'],
  [
    'plain text is denied, in plain text',
    caller,
    [send()],
    [inPlainText],
    { 'aws:SecureTransport': ['false'] },
    'resource-based',
  ],
  // A Bool on a key without a value is not met.
  [
    'plain text is denied, and the context does not say if it was TLS',
    caller,
    [send()],
    [inPlainText],
    {},
    'allow',
  ],
  // A service has no policies, so the policy of the queue must allow the call, for this topic.
  ['SNS, and the queue says nothing', sns, [], [], overTls, 'none'],
  [
    'SNS from the topic',
    sns,
    [],
    [inPlainText, ofTopic(topic)],
    { ...overTls, 'aws:SourceArn': [topic] },
    'allow',
  ],
  [
    'SNS from another topic',
    sns,
    [],
    [ofTopic(topic)],
    { ...overTls, 'aws:SourceArn': [otherTopic] },
    'none',
  ],
  ['SNS that does not say from where', sns, [], [ofTopic(topic)], overTls, 'none'],
  [
    'SNS where the condition on the topic is gone: any topic of anybody',
    sns,
    [],
    [send({ Principal: { Service: 'sns.amazonaws.com' } })],
    { ...overTls, 'aws:SourceArn': [otherTopic] },
    'allow',
  ],
  [
    'another service',
    { kind: 'service', name: 's3.amazonaws.com' },
    [],
    [ofTopic(topic)],
    { ...overTls, 'aws:SourceArn': [topic] },
    'none',
  ],
  ['a service, and the queue allows a role', sns, [], [send({ Principal: { AWS: role } })], overTls, 'none'],
  [
    'a service, and the queue allows the account',
    sns,
    [],
    [send({ Principal: { AWS: ACCOUNT } })],
    overTls,
    'none',
  ],
  [
    'SNS, where everybody is denied',
    sns,
    [],
    [ofTopic(topic), deny({ Principal: '*' })],
    { ...overTls, 'aws:SourceArn': [topic] },
    'resource-based',
  ],
  // A caller without a signature.
  [
    'an anonymous caller, and the queue allows everybody',
    anybody,
    [],
    [send({ Principal: '*' })],
    overTls,
    'allow',
  ],
  [
    'an anonymous caller, and the queue allows the account',
    anybody,
    [],
    [send({ Principal: { AWS: ACCOUNT } })],
    overTls,
    'none',
  ],
];

describe('identity and resource policies', () => {
  it.each(CASES)('%s', (_, requester, identity, ofResource, context, expected) => {
    const question = { requester, action: 'sqs:SendMessage', resource: queue, context };
    const decision = decide(
      parsePolicy({ Statement: identity }, 'role'),
      parseResourcePolicy({ Statement: ofResource }, 'queue'),
      question,
    );
    expect(decision.allowed ? 'allow' : (decision.explicitDeny ?? 'none')).toBe(expected);
  });

  it('counts a grant of the role as used only if it allowed the call', () => {
    const question = { requester: caller, action: 'sqs:SendMessage', resource: queue, context: overTls };
    const byQueue = parseResourcePolicy({ Statement: send({ Principal: '*' }) }, 'queue');
    expect(decide([], byQueue, question)).toEqual({ allowed: true, matches: [] });
    const [matched] = [decide(parsePolicy({ Statement: send() }, 'role'), byQueue, question)];
    expect(matched).toMatchObject({ matches: [{ action: 'sqs:SendMessage', resource: queue }] });
  });

  it.each([
    ['no principal', {}],
    ['a federated one', { Principal: { Federated: 'accounts.example.com' } }],
    ['a wildcard in an ARN', { Principal: { AWS: `arn:aws:iam::${ACCOUNT}:role/*` } }],
    ['a user', { Principal: { AWS: `arn:aws:iam::${ACCOUNT}:user/me` } }],
  ])('refuses the policy of a resource with %s', (_, more) => {
    expect(() => parseResourcePolicy({ Statement: send(more) }, 'queue')).toThrow('which is not evaluated');
  });
});

const fn = `arn:aws:lambda:us-east-1:${ACCOUNT}:function:f`;
const distribution = `arn:aws:cloudfront::${ACCOUNT}:distribution/E1`;
const routeOf = (api: string, rest: string) => `arn:aws:execute-api:us-east-1:${ACCOUNT}:${api}/${rest}`;

/** Returns a plan with resources of the types that have policies. */
function planOf(type: string, ...properties: readonly Record<string, unknown>[]): Plan {
  const resources = properties.map((each, n): Resolved => {
    const id = `R${n}`;
    return { stack: 'S', logicalId: id, path: `S/${id}`, type, name: id, properties: each };
  });
  const all = (wanted: string) => (wanted === type ? resources : []);
  return { functions: new Map(), resourcePolicies: readResourcePolicies(all), all, outputs: {} };
}
const permitting = (...properties: readonly Record<string, unknown>[]) =>
  planOf('AWS::Lambda::Permission', ...properties.map((each) => ({ FunctionName: fn, ...each })));
const gateway = {
  Action: 'lambda:InvokeFunction',
  Principal: 'apigateway.amazonaws.com',
};

describe('API Gateway may invoke a function', () => {
  const ofRoute = { ...gateway, SourceArn: routeOf('api1', '*/*/channels/{channel+}') };
  it.each([
    ['the route', ofRoute, routeOf('api1', '$default/GET/channels/{channel+}'), true],
    ['another method of it', ofRoute, routeOf('api1', '$default/*/channels/{channel+}'), true],
    ['another route', ofRoute, routeOf('api1', '$default/GET/hold/channels/{channel}'), false],
    ['the same route of another API', ofRoute, routeOf('api2', '$default/GET/channels/{channel+}'), false],
    [
      'a route of a WebSocket API',
      { ...gateway, SourceArn: routeOf('api1', '*$connect') },
      routeOf('api1', 'ws/$connect'),
      true,
    ],
    [
      'another route of a WebSocket API',
      { ...gateway, SourceArn: routeOf('api1', '*$connect') },
      routeOf('api1', 'ws/$default'),
      false,
    ],
    ['any route, without a source', gateway, routeOf('api2', '$default/GET/x'), true],
    [
      'not with another action',
      { ...ofRoute, Action: 'lambda:GetFunction' },
      routeOf('api1', '$default/GET/channels/{channel+}'),
      false,
    ],
    [
      'not if the permission is for another service',
      { ...ofRoute, Principal: 'events.amazonaws.com' },
      routeOf('api1', '$default/GET/channels/{channel+}'),
      false,
    ],
    ['for this account', { ...gateway, SourceAccount: ACCOUNT }, routeOf('api1', 'x'), true],
    ['not for another account', { ...gateway, SourceAccount: '111111111111' }, routeOf('api1', 'x'), false],
    // A colon in a pattern ends a part of an ARN, and `*` does not match it.
    [
      'not with a * over several parts of an ARN',
      { ...gateway, SourceArn: 'arn:aws:execute-api:*' },
      routeOf('api1', 'x'),
      true,
    ],
    [
      'not with one * in place of Region and account',
      { ...gateway, SourceArn: 'arn:aws:execute-api:*:api1/*' },
      routeOf('api1', 'x'),
      false,
    ],
  ])('%s', (_, permission, sourceArn, expected) => {
    const plan = permitting(permission);
    expect(mayInvoke(plan, fn, { service: 'apigateway.amazonaws.com', sourceArn })).toBe(expected);
    expect(mayInvoke(plan, `${fn}2`, { service: 'apigateway.amazonaws.com', sourceArn })).toBe(false);
  });
});

describe('a function URL may be called by', () => {
  const byCloudFront = [
    { Action: 'lambda:InvokeFunctionUrl', Principal: 'cloudfront.amazonaws.com', SourceArn: distribution },
    {
      Action: 'lambda:InvokeFunction',
      Principal: 'cloudfront.amazonaws.com',
      SourceArn: distribution,
      InvokedViaFunctionUrl: true,
    },
  ];
  const byAll = [
    { Action: 'lambda:InvokeFunctionUrl', Principal: '*', FunctionUrlAuthType: 'NONE' },
    { Action: 'lambda:InvokeFunction', Principal: '*', InvokedViaFunctionUrl: true },
  ];
  const edge = { service: 'cloudfront.amazonaws.com', sourceArn: distribution };

  it('the distribution in the permission, and no other', () => {
    const plan = permitting(...byCloudFront);
    expect(mayInvokeByUrl(plan, fn, 'AWS_IAM', edge)).toBe(true);
    expect(mayInvokeByUrl(plan, fn, 'AWS_IAM', { ...edge, sourceArn: `${distribution}2` })).toBe(false);
    expect(mayInvokeByUrl(plan, fn, 'AWS_IAM')).toBe(false);
  });

  it.each([0, 1])('nobody if only one of the two permissions exists (%d)', (index) => {
    expect(mayInvokeByUrl(permitting(...byCloudFront.slice(index, index + 1)), fn, 'AWS_IAM', edge)).toBe(
      false,
    );
    expect(mayInvokeByUrl(permitting(...byAll.slice(index, index + 1)), fn, 'NONE')).toBe(false);
  });

  it('everybody if the permissions say so for its auth type', () => {
    const plan = permitting(...byAll);
    expect(mayInvokeByUrl(plan, fn, 'NONE')).toBe(true);
    expect(mayInvokeByUrl(plan, fn, 'AWS_IAM')).toBe(false);
  });

  it('everybody, and the gateway still may not invoke the function', () => {
    expect(
      mayInvoke(permitting(...byAll), fn, {
        service: 'apigateway.amazonaws.com',
        sourceArn: routeOf('a', 'b'),
      }),
    ).toBe(false);
  });
});

it.each([
  ['AWS::SQS::QueuePolicy', { Queues: [`http://127.0.0.1:1/${ACCOUNT}/q`] }],
  ['AWS::SNS::TopicPolicy', { Topics: [topic] }],
])('refuses a condition of %s on a key without a value', (type, ofWhat) => {
  const statement = send({ Principal: '*', Condition: { StringEquals: { 'aws:PrincipalOrgID': 'o-1' } } });
  expect(() => planOf(type, { ...ofWhat, PolicyDocument: { Statement: statement } })).toThrow(
    'a condition on aws:PrincipalOrgID',
  );
});
