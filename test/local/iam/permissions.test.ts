/**
 * The policies of functions, topics and queues: callers that they let in, and policies that are refused.
 */
import { describe, expect, it } from 'vitest';
import { mayInvoke, mayInvokeByUrl } from '../../../local/iam/permissions.ts';
import type { Resolved } from '../../../local/template/assembly.ts';
import type { Plan } from '../../../local/template/plan.ts';
import { readResourcePolicies } from '../../../local/template/resource-policies.ts';

const ACCOUNT = '000000000000';
const topic = `arn:aws:sns:us-east-1:${ACCOUNT}:t`;
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
  const statement = {
    Effect: 'Allow',
    Principal: '*',
    Action: '*',
    Resource: '*',
    Condition: { StringEquals: { 'aws:PrincipalOrgID': 'o-1' } },
  };
  expect(() => planOf(type, { ...ofWhat, PolicyDocument: { Statement: statement } })).toThrow(
    'a condition on aws:PrincipalOrgID',
  );
});
