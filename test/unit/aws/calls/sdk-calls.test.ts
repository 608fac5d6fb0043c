/**
 * Each call of the small client is the same as that of the SDK: the request that the service gets, the answer that the caller gets,
 * and the attempts after errors. Both call the same server, which answers as the service does.
 * @module
 */
import { Sha256 } from '@aws-crypto/sha256-js';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { PublishCommand, SNSClient } from '@aws-sdk/client-sns';
import {
  ChangeMessageVisibilityCommand,
  SendMessageBatchCommand,
  SendMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import {
  BatchGetCommand,
  DeleteCommand,
  DynamoDBDocumentClient,
  GetCommand,
  PutCommand,
  QueryCommand,
  ScanCommand,
  UpdateCommand,
} from '@aws-sdk/lib-dynamodb';
import { SignatureV4 } from '@smithy/signature-v4';
import { beforeEach, describe, expect, test } from 'vitest';
import { documentCalls } from '../../../../lambda/aws/calls/document-calls.ts';
import { functionCalls } from '../../../../lambda/aws/calls/function-calls.ts';
import { queueCalls } from '../../../../lambda/aws/calls/queue-calls.ts';
import { secretCalls } from '../../../../lambda/aws/calls/secret-calls.ts';
import { topicCalls } from '../../../../lambda/aws/calls/topic-calls.ts';
import { fieldsOf } from '../../../../protocol/fields.ts';
import { CREDENTIALS, loopback, REGION, type Recorded } from '../../../support/network/aws-loopback.ts';

const { requests, answer, url } = loopback();
beforeEach(() => {
  requests.length = 0;
});

const settings = () => ({ region: REGION, credentials: CREDENTIALS, endpoint: url() });
const tables = () =>
  DynamoDBDocumentClient.from(new DynamoDBClient(settings()), {
    marshallOptions: { removeUndefinedValues: true },
  });
/** The checksums of SQS are not compared: TLS protects the way. */
const queues = () => new SQSClient({ ...settings(), md5: false });
const topics = () => new SNSClient(settings());

const item = {
  channel: 'a/b',
  next: 7,
  closed: false,
  marks: { one: 1, none: undefined },
  messages: ['{"text":"Grüße, 世界 🎉"}', new Uint8Array([0, 255])],
  seats: new Set(['a', 'b']),
  nothing: null,
  gone: undefined,
};
const STORED = {
  channel: { S: 'a/b' },
  next: { N: '7' },
  closed: { BOOL: false },
  marks: { M: { one: { N: '1' } } },
  messages: { L: [{ S: 'x' }, { B: 'AP8=' }] },
  seats: { SS: ['a', 'b'] },
  nothing: { NULL: true },
};

const TABLE = { TableName: 'channels' };
const KEY = { ...TABLE, Key: { channel: 'a/b' } };
const NAMES = { ExpressionAttributeNames: { '#next': 'next' } };
const VALUES = {
  ExpressionAttributeValues: { ':now': 1_700_000_000_000, ':text': 'é', ':set': new Set(['a']) },
};
const get = { ...KEY, ConsistentRead: true, ProjectionExpression: '#next', ...NAMES };
const query = {
  ...TABLE,
  KeyConditionExpression: 'channel = :text',
  FilterExpression: '#next > :now',
  ...NAMES,
  ...VALUES,
  ConsistentRead: true,
  ScanIndexForward: false,
  Limit: 3,
  ExclusiveStartKey: { channel: 'a/b', slot: 7 },
};
const scan = {
  ...TABLE,
  FilterExpression: '#next > :now',
  ...NAMES,
  ...VALUES,
  Limit: 3,
  ExclusiveStartKey: { channel: 'a/b' },
};
const put = { ...TABLE, Item: item, ConditionExpression: '#next < :now', ...NAMES, ...VALUES };
const change = { UpdateExpression: 'SET #next = :now', ConditionExpression: 'attribute_exists(#next)' };
const update = { ...KEY, ...change, ...NAMES, ...VALUES, ReturnValues: 'ALL_NEW' as const };
const remove = {
  ...KEY,
  ConditionExpression: '#next < :now',
  ...NAMES,
  ...VALUES,
  ReturnValues: 'ALL_OLD' as const,
};
const keys = { Keys: [{ channel: 'a' }, { channel: 'b' }], ConsistentRead: true };
const batch = { RequestItems: { channels: keys, keys: { Keys: [{ key: 'k' }] } } };
const QueueUrl = 'https://sqs.eu-west-3.amazonaws.com/1/q';
const message = { MessageBody: '{"a":"\\u00e9 + & ="}', MessageGroupId: 'a/b', DelaySeconds: 5 };
const send = { QueueUrl, ...message };
const sendBatch = {
  QueueUrl,
  Entries: [
    { Id: '0', ...message },
    { Id: '1', MessageBody: 'm' },
  ],
};
const hide = { QueueUrl, ReceiptHandle: 'handle', VisibilityTimeout: 30 };
const publish = {
  TopicArn: 'arn:aws:sns:eu-west-3:1:t',
  Message: '{"channel":"a/b~(\'*!) +&="}',
  MessageAttributes: { channel: { DataType: 'String' as const, StringValue: "a/b~('*!) +&=" } },
  MessageGroupId: 'a/b',
};
const FUNCTION = 'arn:aws:lambda:eu-west-3:123456789012:function:Shop-Hook_1:live';
const SECRET = 'arn:aws:secretsmanager:eu-west-3:1:secret:s';

interface Call {
  readonly theirs: () => Promise<unknown>;
  readonly ours: () => Promise<unknown>;
  /** The answer of the service. */
  readonly answered: string;
}
const CALLS: Readonly<Record<string, Call>> = {
  GetItem: {
    theirs: () => tables().send(new GetCommand(get)),
    ours: () => documentCalls().get(get),
    answered: JSON.stringify({ Item: STORED }),
  },
  'GetItem of an item that is not there': {
    theirs: () => tables().send(new GetCommand(get)),
    ours: () => documentCalls().get(get),
    answered: '{}',
  },
  Scan: {
    theirs: () => tables().send(new ScanCommand(scan)),
    ours: () => documentCalls().scan(scan),
    answered: JSON.stringify({ Items: [STORED], LastEvaluatedKey: { channel: { S: 'a' } } }),
  },
  Query: {
    theirs: () => tables().send(new QueryCommand(query)),
    ours: () => documentCalls().query(query),
    answered: JSON.stringify({ Items: [STORED, STORED], LastEvaluatedKey: { channel: { S: 'a' } } }),
  },
  PutItem: {
    theirs: () => tables().send(new PutCommand(put)),
    ours: () => documentCalls().put(put),
    answered: '{}',
  },
  UpdateItem: {
    theirs: () => tables().send(new UpdateCommand(update)),
    ours: () => documentCalls().update(update),
    answered: JSON.stringify({ Attributes: STORED }),
  },
  DeleteItem: {
    theirs: () => tables().send(new DeleteCommand(remove)),
    ours: () => documentCalls().delete(remove),
    answered: JSON.stringify({ Attributes: STORED }),
  },
  BatchGetItem: {
    theirs: () => tables().send(new BatchGetCommand(batch)),
    ours: () => documentCalls().batchGet(batch),
    answered: JSON.stringify({
      Responses: { channels: [STORED], keys: [] },
      UnprocessedKeys: { channels: { Keys: [{ channel: { S: 'b' } }], ConsistentRead: true } },
    }),
  },
  SendMessage: {
    theirs: () => queues().send(new SendMessageCommand(send)),
    ours: () => queueCalls().sendMessage(send),
    answered: '{"MessageId":"m"}',
  },
  SendMessageBatch: {
    theirs: () => queues().send(new SendMessageBatchCommand(sendBatch)),
    ours: () => queueCalls().sendMessageBatch(sendBatch),
    answered: '{"Failed":[{"Id":"1","Code":"InternalError","SenderFault":false}],"Successful":[{"Id":"0"}]}',
  },
  ChangeMessageVisibility: {
    theirs: () => queues().send(new ChangeMessageVisibilityCommand(hide)),
    ours: () => queueCalls().changeMessageVisibility(hide),
    answered: '{}',
  },
  Publish: {
    theirs: () => topics().send(new PublishCommand(publish)),
    ours: () => topicCalls(3).publish(publish),
    answered: '<PublishResponse><PublishResult><MessageId>m</MessageId></PublishResult></PublishResponse>',
  },
  Invoke: {
    theirs: async () => {
      const invoke = new InvokeCommand({ FunctionName: FUNCTION, Payload: '{"a":"é"}' });
      return (await new LambdaClient(settings()).send(invoke)).Payload?.transformToString();
    },
    ours: () => functionCalls()(FUNCTION)('{"a":"é"}', { withinMs: 1_000 }),
    answered: '{"messages":["é"]}',
  },
  GetSecretValue: {
    theirs: async () =>
      (await new SecretsManagerClient(settings()).send(new GetSecretValueCommand({ SecretId: SECRET })))
        .SecretString,
    ours: () => secretCalls()(SECRET),
    answered: '{"SecretString":"{\\"current\\":\\"k\\"}"}',
  },
};

/** The headers that services read. */
const READ = ['content-type', 'content-length', 'x-amz-target', 'x-amz-security-token'];

const readOf = ({ method, path, headers, body }: Recorded) => ({
  method,
  path,
  headers: Object.fromEntries(READ.map((name) => [name, headers[name]])),
  body: bodyOf(headers['content-type'] ?? '', body),
});

/** The order of members and fields has no meaning. */
const bodyOf = (type: string, body: string): unknown =>
  type.includes('json') ? JSON.parse(body) : Object.fromEntries(new URLSearchParams(body));

/** The members of an answer that the adapters read. */
function membersOf(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const { Item, Items, LastEvaluatedKey, Attributes, Responses, UnprocessedKeys, Failed } = fieldsOf(value);
  const failed = Array.isArray(Failed) ? Failed.map((entry) => fieldsOf(entry).Id) : Failed;
  return { Item, Items, LastEvaluatedKey, Attributes, Responses, UnprocessedKeys, failed };
}

describe.each(Object.entries(CALLS))('%s', (_name, { theirs, ours, answered }) => {
  const type = answered.startsWith('<') ? 'text/xml' : 'application/x-amz-json-1.0';
  const succeed = () => answer((response) => response.writeHead(200, { 'content-type': type }).end(answered));

  test('sends the same request, and returns the same answer', async () => {
    succeed();
    const expected = await theirs();
    const got = await ours();
    const [first, second, ...more] = requests.map(readOf);
    expect(more).toEqual([]);
    expect(second).toEqual(first);
    expect(first?.headers['x-amz-security-token']).toBe(CREDENTIALS.sessionToken);
    if (got !== undefined) expect(membersOf(got)).toEqual(membersOf(expected));
  });

  test('has a signature that the service accepts', async () => {
    succeed();
    await ours();
    const [{ headers, path, method, body } = none()] = requests;
    const service = /\/eu-west-3\/(\w+)\/aws4_request, SignedHeaders=([^,]+),/.exec(
      headers.authorization ?? '',
    );
    const [, name = '', signed = ''] = service ?? [];
    const signer = new SignatureV4({
      service: name,
      region: REGION,
      credentials: CREDENTIALS,
      sha256: Sha256,
      applyChecksum: false,
    });
    const date = String(headers['x-amz-date']).replace(/^(.{4})(..)(..T..)(..)(..Z)$/, '$1-$2-$3:$4:$5');
    const { hostname, port } = new URL(url());
    const kept = Object.fromEntries(signed.split(';').map((header) => [header, String(headers[header])]));
    const request = {
      method,
      protocol: 'http:',
      hostname,
      port: Number(port),
      path,
      query: {},
      headers: kept,
      body,
    };
    const expected = await signer.sign(request, { signingDate: new Date(date) });
    expect(headers.authorization).toBe(expected.headers.authorization);
    expect(READ.filter((header) => header !== 'content-length' && headers[header] !== undefined)).toEqual(
      expect.arrayContaining(signed.split(';').filter((header) => !['host', 'x-amz-date'].includes(header))),
    );
  });
});

const none = (): Recorded => {
  throw new Error('no request came');
};

test('the trace of the request goes along, as in the SDK on Lambda', async () => {
  answer((response) => response.end('{}'));
  process.env._X_AMZN_TRACE_ID = 'Root=1-5759e988-bd862e3fe1be46a994272793';
  try {
    await documentCalls().get(get);
  } finally {
    delete process.env._X_AMZN_TRACE_ID;
  }
  await documentCalls().get(get);
  expect(requests.map(({ headers }) => headers['x-amzn-trace-id'])).toEqual([
    'Root=1-5759e988-bd862e3fe1be46a994272793',
    undefined,
  ]);
});
