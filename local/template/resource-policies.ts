/**
 * The policies of topics, queues and functions. The policy of a function consists of single permissions.
 * @module
 */
import { parseResourcePolicy, type Statement } from '../iam/iam.ts';
import { REQUEST_KEYS, refuseUnknownKeys } from '../iam/iam-conditions.ts';
import type { Resolved } from './assembly.ts';
import { ACCOUNT, LOCAL_REGION } from './intrinsics.ts';
import { type JsonObject, requireString, stringsOf } from './json.ts';
import { describeResource } from './resources.ts';

/** Returns the policy of the resource with that ARN; it is empty if the resource has none. */
export type ResourcePolicies = (arn: string) => readonly Statement[];

/** The condition keys that have values when the policy of a resource is evaluated. */
const CONDITION_KEYS = [
  ...REQUEST_KEYS,
  'aws:SourceArn',
  'aws:SourceAccount',
  'lambda:FunctionUrlAuthType',
  'lambda:InvokedViaFunctionUrl',
];

/**
 * Reads the policies of all resources. Without a policy only the roles of the account decide. That is also true for a topic:
 * the default policy of AWS leaves the decision to the account.
 */
export function readResourcePolicies(all: (type: string) => readonly Resolved[]): ResourcePolicies {
  const policies = new Map<string, Statement[]>();
  const add = (arn: string, statements: readonly Statement[], at: Resolved) => {
    refuseUnknownKeys(statements, CONDITION_KEYS, describeResource(at));
    policies.set(arn, [...(policies.get(arn) ?? []), ...statements]);
  };
  for (const policy of all('AWS::SNS::TopicPolicy')) {
    const statements = parseResourcePolicy(policy.properties.PolicyDocument, describeResource(policy));
    for (const arn of stringsOf(policy.properties.Topics, `a topic of ${describeResource(policy)}`))
      add(arn, statements, policy);
  }
  for (const policy of all('AWS::SQS::QueuePolicy')) {
    const statements = parseResourcePolicy(policy.properties.PolicyDocument, describeResource(policy));
    for (const url of stringsOf(policy.properties.Queues, `a queue of ${describeResource(policy)}`))
      add(
        `arn:aws:sqs:${LOCAL_REGION}:${ACCOUNT}:${url.slice(url.lastIndexOf('/') + 1)}`,
        statements,
        policy,
      );
  }
  for (const permission of all('AWS::Lambda::Permission')) {
    const arn = functionArn(permission);
    add(
      arn,
      parseResourcePolicy(permissionDocument(permission, arn), describeResource(permission)),
      permission,
    );
  }
  return (arn) => policies.get(arn) ?? [];
}

/** The condition that each optional property of a permission stands for. */
const NARROWED_BY: Readonly<Record<string, readonly [operator: string, key: string]>> = {
  SourceArn: ['ArnLike', 'aws:SourceArn'],
  SourceAccount: ['StringEquals', 'aws:SourceAccount'],
  FunctionUrlAuthType: ['StringEquals', 'lambda:FunctionUrlAuthType'],
  InvokedViaFunctionUrl: ['Bool', 'lambda:InvokedViaFunctionUrl'],
};

/** Returns the statement that Lambda makes of a permission. @see https://docs.aws.amazon.com/lambda/latest/dg/access-control-resource-based.html */
function permissionDocument(permission: Resolved, arn: string): JsonObject {
  const { properties } = permission;
  const name = describeResource(permission);
  const principal = requireString(properties.Principal, `Principal of ${name}`);
  const Condition: Record<string, JsonObject> = {};
  for (const [property, [operator, key]] of Object.entries(NARROWED_BY)) {
    if (properties[property] === undefined) continue;
    Condition[operator] = { ...Condition[operator], [key]: String(properties[property]) };
  }
  const statement = {
    Effect: 'Allow',
    Principal: principalOf(principal),
    Action: requireString(properties.Action, `Action of ${name}`),
    Resource: arn,
    Condition,
  };
  return { Statement: statement };
}

const principalOf = (name: string) => {
  if (name === '*') return name;
  return name.endsWith('.amazonaws.com') ? { Service: name } : { AWS: name };
};

function functionArn(permission: Resolved): string {
  const name = requireString(
    permission.properties.FunctionName,
    `FunctionName of ${describeResource(permission)}`,
  );
  return name.startsWith('arn:') ? name : `arn:aws:lambda:${LOCAL_REGION}:${ACCOUNT}:function:${name}`;
}
