/**
 * Identity and resource policies together, against cases that were worked out by hand from
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-basics.html
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
 */
import { describe, expect, it } from 'vitest';
import { decide, parsePolicy, parseResourcePolicy } from '../../../local/iam/iam.ts';
import type { ConditionContext } from '../../../local/iam/iam-conditions.ts';
import type { Requester } from '../../../local/iam/iam-principals.ts';

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
