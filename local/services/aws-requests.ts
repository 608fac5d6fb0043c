/**
 * What an SDK request asks of IAM: the action and the resources.
 * @see https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html
 * @module
 */
import { ACCOUNT, REGION } from '../template/intrinsics.ts';
import { type JsonObject, objectOr, stringOr } from '../template/json.ts';
import { tableArn } from '../template/names.ts';

/** One request, understood. */
export interface AwsRequest {
  readonly service: 'dynamodb' | 'secretsmanager' | 'sns' | 'sqs';
  readonly operation: string;
  /** As in a policy: `dynamodb:PutItem`. */
  readonly action: string;
  /** Every one of these must be allowed. */
  readonly resources: readonly string[];
  readonly input: JsonObject;
}

const ACCESS_KEY = /^AWS4-HMAC-SHA256 Credential=([^/,\s]+)\/\d{8}\/([^/,\s]+)\/([^/,\s]+)\/aws4_request\b/;

/** Access key and service of a SigV4 header; undefined if it is none. The signature is not verified. */
export function readCredential(
  authorization: string | undefined,
): { accessKeyId: string; service: string } | undefined {
  const [, accessKeyId, , service] = ACCESS_KEY.exec(authorization ?? '') ?? [];
  return accessKeyId === undefined || service === undefined ? undefined : { accessKeyId, service };
}

/** DynamoDB: the table, or the index for a read through one. */
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

/** The SDK lets a table be named by its ARN. */
const tableName = (value: string) => value.replace(/^arn:aws:dynamodb:[^:]*:[^:]*:table\//, '');

/** Secrets Manager: the secret; one that does not exist is asked about by the name given, as AWS does. */
export function secretsRequest(operation: string, input: JsonObject, arn: string | undefined): AwsRequest {
  const id = stringOr(input.SecretId, '*');
  const unknown = id.startsWith('arn:') ? id : `arn:aws:secretsmanager:${REGION}:${ACCOUNT}:secret:${id}`;
  return {
    service: 'secretsmanager',
    operation,
    action: `secretsmanager:${operation}`,
    resources: [arn ?? unknown],
    input,
  };
}

/** SNS: the topic. A batch needs the grant of the single call. */
export function snsRequest(input: JsonObject): AwsRequest {
  const operation = stringOr(input.Action, 'Unknown');
  const arn = stringOr(input.TopicArn, undefined) ?? stringOr(input.TargetArn, '*');
  const action = operation === 'PublishBatch' ? 'sns:Publish' : `sns:${operation}`;
  return { service: 'sns', operation, action, resources: [arn], input };
}

const BATCH = /^(SendMessage|DeleteMessage|ChangeMessageVisibility)Batch$/;

/** SQS: the queue. A batch needs the grant of the single call. */
export function sqsRequest(operation: string, input: JsonObject): AwsRequest {
  const url = stringOr(input.QueueUrl, undefined);
  const name = url === undefined ? input.QueueName : url.slice(url.lastIndexOf('/') + 1);
  const resource = typeof name === 'string' ? `arn:aws:sqs:${REGION}:${ACCOUNT}:${name}` : '*';
  const action = `sqs:${BATCH.exec(operation)?.[1] ?? operation}`;
  return { service: 'sqs', operation, action, resources: [resource], input };
}

/** The operation of an `x-amz-target` header. */
export function targetOperation(target: string | undefined): string {
  const [, operation] = (target ?? '').split('.');
  return operation ?? 'Unknown';
}
