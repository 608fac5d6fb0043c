/**
 * Reads the calls of SDK clients: service, operation, and the action and resources for IAM.
 * @see https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html
 * @module
 */
import { ACCOUNT, LOCAL_REGION } from '../template/intrinsics.ts';
import { type JsonObject, objectOr, stringOr } from '../template/json.ts';
import { tableArn } from '../template/names.ts';

/** One call. */
export interface AwsRequest {
  /** Name of the service in the signature. */
  readonly service: 'dynamodb' | 'lambda' | 'secretsmanager' | 'sns' | 'sqs';
  /** Name such as `PutItem`. */
  readonly operation: string;
  /** As in a policy: `dynamodb:PutItem`. */
  readonly action: string;
  /** ARNs. The role must allow the action on each of them. */
  readonly resources: readonly string[];
  /** The parameters of the call. */
  readonly input: JsonObject;
}

const ACCESS_KEY = /^AWS4-HMAC-SHA256 Credential=([^/,\s]+)\/\d{8}\/([^/,\s]+)\/([^/,\s]+)\/aws4_request\b/;

/** Returns access key and service of a SigV4 header; undefined for another header. The signature is not verified. */
export function readCredential(
  authorization: string | undefined,
): { accessKeyId: string; service: string } | undefined {
  const [, accessKeyId, , service] = ACCESS_KEY.exec(authorization ?? '') ?? [];
  return accessKeyId === undefined || service === undefined ? undefined : { accessKeyId, service };
}

/** Reads a call of DynamoDB. Its resources are the tables, or the index of a query. */
export function dynamoDbRequest(operation: string, input: JsonObject): AwsRequest {
  const names = new Set<string>();
  if (typeof input.TableName === 'string') names.add(tableName(input.TableName));
  for (const name of Object.keys(objectOr(input.RequestItems))) names.add(tableName(name));
  const index = input.IndexName;
  const resources = [...names].map((name) => {
    return typeof index === 'string' ? `${tableArn(name)}/index/${index}` : tableArn(name);
  });
  return {
    service: 'dynamodb',
    operation,
    action: `dynamodb:${operation}`,
    resources: resources.length > 0 ? resources : ['*'],
    input,
  };
}

/** A call may name a table by its ARN. */
const tableName = (value: string) => value.replace(/^arn:aws:dynamodb:[^:]*:[^:]*:table\//, '');

/**
 * Reads a call of Secrets Manager.
 * @param arn of the secret. Undefined for an unknown secret: IAM then decides about the name in the call, as on AWS.
 */
export function secretsRequest(operation: string, input: JsonObject, arn: string | undefined): AwsRequest {
  const id = stringOr(input.SecretId, '*');
  const unknown = id.startsWith('arn:')
    ? id
    : `arn:aws:secretsmanager:${LOCAL_REGION}:${ACCOUNT}:secret:${id}`;
  return {
    service: 'secretsmanager',
    operation,
    action: `secretsmanager:${operation}`,
    resources: [arn ?? unknown],
    input,
  };
}

/** Reads a call of SNS. A batch has the action of the single call. */
export function snsRequest(input: JsonObject): AwsRequest {
  const operation = stringOr(input.Action, 'Unknown');
  const arn = stringOr(input.TopicArn, undefined) ?? stringOr(input.TargetArn, '*');
  const action = operation === 'PublishBatch' ? 'sns:Publish' : `sns:${operation}`;
  return { service: 'sns', operation, action, resources: [arn], input };
}

const BATCH = /^(SendMessage|DeleteMessage|ChangeMessageVisibility)Batch$/;

/** Reads a call of SQS. A batch has the action of the single call. */
export function sqsRequest(operation: string, input: JsonObject): AwsRequest {
  const url = stringOr(input.QueueUrl, undefined);
  const name = url === undefined ? input.QueueName : url.slice(url.lastIndexOf('/') + 1);
  const resource = typeof name === 'string' ? `arn:aws:sqs:${LOCAL_REGION}:${ACCOUNT}:${name}` : '*';
  const action = `sqs:${BATCH.exec(operation)?.[1] ?? operation}`;
  return { service: 'sqs', operation, action, resources: [resource], input };
}

/** Returns the operation in an `x-amz-target` header. */
export function targetOperation(target: string | undefined): string {
  const [, operation] = (target ?? '').split('.');
  return operation ?? 'Unknown';
}
