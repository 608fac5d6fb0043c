/**
 * The errors of busy services: each becomes `unavailable`, and a defect of the hub does not (PROTOCOL.md §9). The clients are real,
 * and the server answers as the service does. The SDK gives the same names to the same answers.
 * @module
 */
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { PublishCommand, SNSClient } from '@aws-sdk/client-sns';
import { SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { DynamoDBDocumentClient, GetCommand } from '@aws-sdk/lib-dynamodb';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { call } from '../../../lambda/aws/aws-client.ts';
import { documentCalls } from '../../../lambda/aws/calls/document-calls.ts';
import { queueCalls } from '../../../lambda/aws/calls/queue-calls.ts';
import { secretCalls } from '../../../lambda/aws/calls/secret-calls.ts';
import { topicCalls } from '../../../lambda/aws/calls/topic-calls.ts';
import { once } from '../../../lambda/aws/dynamodb/document-client.ts';
import { Refusal } from '../../../protocol/errors.ts';
import { CREDENTIALS, loopback, REGION } from '../../support/network/aws-loopback.ts';

const { url, requests, answer: answerWith } = loopback();
// A call that is repeated does not wait.
beforeEach(() => void vi.spyOn(Math, 'random').mockReturnValue(0));
afterEach(() => void vi.restoreAllMocks());

const portOf = (listening: { address(): AddressInfo | string | null }): number => {
  const address = listening.address();
  if (address === null || typeof address === 'string') throw new Error('not a port');
  return address.port;
};

const settings = () => ({ maxAttempts: 1, endpoint: url(), region: REGION, credentials: CREDENTIALS });
const KEY = { TableName: 't', Key: { channel: 'c' } };
const MESSAGE = { QueueUrl: 'https://sqs.eu-west-3.amazonaws.com/1/q', MessageBody: 'm' };
const HINT = {
  TopicArn: 'arn:aws:sns:eu-west-3:1:t',
  Message: 'm',
  MessageAttributes: {},
  MessageGroupId: 'g',
};

const CALLS = {
  DynamoDB: () => documentCalls().get(KEY),
  SNS: () => topicCalls(1).publish(HINT),
  SQS: () => queueCalls().sendMessage(MESSAGE),
  SecretsManager: () => secretCalls()('s'),
};
const THEIRS: Readonly<Record<Service, () => Promise<unknown>>> = {
  DynamoDB: () => DynamoDBDocumentClient.from(new DynamoDBClient(settings())).send(new GetCommand(KEY)),
  SNS: () => new SNSClient(settings()).send(new PublishCommand(HINT)),
  SQS: () => new SQSClient(settings()).send(new SendMessageCommand(MESSAGE)),
  SecretsManager: () =>
    new SecretsManagerClient(settings()).send(new GetSecretValueCommand({ SecretId: 's' })),
};
type Service = keyof typeof CALLS;

/** Returns the error in the form of each protocol: JSON, or XML in the query protocol of SNS. */
function answer(service: Service, status: number, code: string): void {
  answerWith((response) => {
    if (service === 'SNS') {
      const error = `<Error><Type>Sender</Type><Code>${code}</Code><Message>m</Message></Error>`;
      response.writeHead(status, { 'content-type': 'text/xml' });
      response.end(
        `<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/">${error}<RequestId>r</RequestId></ErrorResponse>`,
      );
      return;
    }
    response.writeHead(status, {
      'content-type': 'application/x-amz-json-1.0',
      ...(service === 'SQS'
        ? { 'x-amzn-query-error': `${QUERY_CODES[code] ?? nameIn(code, '')};Sender` }
        : {}),
    });
    response.end(JSON.stringify({ __type: code, message: 'm' }));
  });
}

/** A header of SQS has the name of the error in the query protocol, which the SDK reads. */
const QUERY_CODES: Readonly<Record<string, string>> = {
  'com.amazonaws.sqs#KmsThrottled': 'KMS.ThrottlingException',
  'com.amazonaws.sqs#QueueDoesNotExist': 'AWS.SimpleQueueService.NonExistentQueue',
};

/** Returns the name of the error, and the result in the hub: the code of a refusal, or `defect`. */
async function outcomeOf(send: () => Promise<unknown>): Promise<readonly [name: string, outcome: string]> {
  let name = 'none';
  const watched = async () => {
    try {
      return await send();
    } catch (error) {
      name = error instanceof Error ? error.name : String(error);
      throw error;
    }
  };
  const outcome = await call(watched).then(
    () => 'done',
    (error: unknown) => (error instanceof Refusal ? error.code : 'defect'),
  );
  return [name, outcome];
}

/**
 * https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
 * https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
 * https://repost.aws/knowledge-center/sns-throttling-exception-errors
 * https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
 * https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html
 */
const BUSY: readonly (readonly [Service, status: number, code: string, name: string])[] = [
  ['DynamoDB', 400, 'com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException', ''],
  ['DynamoDB', 400, 'com.amazonaws.dynamodb.v20120810#RequestLimitExceeded', ''],
  ['DynamoDB', 400, 'com.amazon.coral.availability#ThrottlingException', ''],
  ['DynamoDB', 500, 'com.amazonaws.dynamodb.v20120810#InternalServerError', ''],
  ['DynamoDB', 503, 'com.amazonaws.dynamodb.v20120810#ServiceUnavailable', ''],
  ['SNS', 400, 'ThrottlingException', ''],
  ['SNS', 400, 'Throttling', ''],
  ['SNS', 429, 'Throttled', 'ThrottledException'],
  ['SNS', 500, 'InternalError', 'InternalErrorException'],
  ['SNS', 400, 'KMSThrottling', 'KMSThrottlingException'],
  ['SNS', 503, 'ServiceUnavailable', ''],
  ['SNS', 504, 'GatewayTimeout', ''],
  ['SQS', 403, 'com.amazonaws.sqs#RequestThrottled', ''],
  ['SQS', 400, 'com.amazonaws.sqs#ThrottlingException', ''],
  ['SQS', 403, 'com.amazonaws.sqs#OverLimit', ''],
  ['SQS', 400, 'com.amazonaws.sqs#KmsThrottled', ''],
  ['SQS', 500, 'com.amazonaws.sqs#InternalFailure', ''],
  ['SQS', 501, 'com.amazonaws.sqs#SomethingElse', ''],
  ['SecretsManager', 500, 'InternalServiceError', ''],
  ['SecretsManager', 400, 'ThrottlingException', ''],
  ['SecretsManager', 408, 'RequestTimeout', ''],
];

const MISTAKES: readonly (readonly [Service, status: number, code: string, name: string])[] = [
  ['DynamoDB', 400, 'com.amazon.coral.service#AccessDeniedException', ''],
  ['DynamoDB', 400, 'com.amazon.coral.validate#ValidationException', ''],
  ['DynamoDB', 400, 'com.amazonaws.dynamodb.v20120810#ResourceNotFoundException', ''],
  ['DynamoDB', 400, 'com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException', ''],
  ['DynamoDB', 400, 'com.amazon.coral.service#UnrecognizedClientException', ''],
  ['DynamoDB', 400, 'com.amazon.coral.service#ExpiredTokenException', ''],
  ['SNS', 403, 'AuthorizationError', 'AuthorizationErrorException'],
  ['SNS', 404, 'NotFound', 'NotFoundException'],
  ['SNS', 400, 'InvalidParameter', 'InvalidParameterException'],
  ['SNS', 400, 'KMSAccessDenied', 'KMSAccessDeniedException'],
  ['SQS', 400, 'com.amazonaws.sqs#QueueDoesNotExist', ''],
  ['SQS', 403, 'com.amazon.coral.service#AccessDeniedException', ''],
  ['SecretsManager', 400, 'AccessDeniedException', ''],
  ['SecretsManager', 400, 'DecryptionFailure', ''],
];

const nameIn = (code: string, name: string): string => name || code.replace(/^.*#/, '');

describe('the answer of an AWS service', () => {
  test.each(BUSY)('%s, %i %s is busy', async (service, status, code, name) => {
    answer(service, status, code);
    expect(await outcomeOf(CALLS[service])).toEqual([nameIn(code, ''), 'unavailable']);
    expect((await outcomeOf(THEIRS[service]))[0]).toBe(nameIn(code, name));
  });

  test.each(MISTAKES)('%s, %i %s is a defect of the hub', async (service, status, code, name) => {
    answer(service, status, code);
    expect(await outcomeOf(CALLS[service])).toEqual([nameIn(code, ''), 'defect']);
    expect((await outcomeOf(THEIRS[service]))[0]).toBe(nameIn(code, name));
  });

  test.each([
    ['a page of a proxy', 'text/html', '<html>'],
    ['nothing', 'text/plain', ''],
  ])('%s with 502 is busy, and with 403 a defect', async (_what, type, body) => {
    for (const call of Object.values(CALLS)) {
      answerWith((response) => response.writeHead(502, { 'content-type': type }).end(body));
      expect((await outcomeOf(call))[1]).toBe('unavailable');
      answerWith((response) => response.writeHead(403, { 'content-type': type }).end(body));
      expect(await outcomeOf(call)).toEqual(['Unknown', 'defect']);
    }
  });
});

describe('an error of the network is busy', () => {
  const services = Object.keys(CALLS).filter((name): name is Service => name in CALLS);

  test.each(services)('%s: a connection that is closed before the answer', async (service) => {
    answerWith((response) => response.socket?.destroy());
    expect((await outcomeOf(CALLS[service]))[1]).toBe('unavailable');
  });

  test.each(services)('%s: a connection that is closed in the middle of the answer', async (service) => {
    answerWith((response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': 100 });
      response.write('{', () => response.socket?.destroy());
    });
    expect((await outcomeOf(CALLS[service]))[1]).toBe('unavailable');
  });

  test('a closed port', async () => {
    const probe = createTcpServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => probe.once('listening', resolve));
    const port = portOf(probe);
    await new Promise((resolve) => probe.close(resolve));
    process.env.AWS_ENDPOINT_URL = `http://127.0.0.1:${port}`;
    try {
      expect((await outcomeOf(CALLS.SNS))[1]).toBe('unavailable');
    } finally {
      process.env.AWS_ENDPOINT_URL = url();
    }
  });

  test.each([
    'ENOTFOUND',
    'EAI_AGAIN',
    'ECONNRESET',
    'ECONNREFUSED',
    'EPIPE',
    'ETIMEDOUT',
    'EHOSTUNREACH',
    'ENETUNREACH',
  ])('a system error %s, also as the cause of another', async (code) => {
    const error = Object.assign(new Error('of the system'), { code });
    expect((await outcomeOf(() => Promise.reject(error)))[1]).toBe('unavailable');
    const around = new Error('of a library', { cause: error });
    expect((await outcomeOf(() => Promise.reject(around)))[1]).toBe('unavailable');
  });

  test('no answer in time', async () => {
    answerWith(() => {});
    expect(await outcomeOf(CALLS.SNS)).toEqual(['TimeoutError', 'unavailable']);
  });

  test('no answer in time to a write that is sent once', async () => {
    answerWith(() => {});
    requests.length = 0;
    const [, outcome] = await outcomeOf(() => once((options) => documentCalls().get(KEY, options)));
    expect(outcome).toBe('unavailable');
    expect(requests.length).toBe(1);
  });
});

describe('an error that does not come from AWS is a defect', () => {
  test.each([
    new Error('a bug'),
    new TypeError('x is not a function'),
    new Error('a bug', { cause: 'a text' }),
    new Error('a bug', { cause: null }),
    Object.assign(new Error('no room'), { code: 'EMFILE' }),
    'a text',
  ])('%s', async (thrown) => {
    expect((await outcomeOf(() => Promise.reject(thrown)))[1]).toBe('defect');
  });

  test('a process without credentials', () => {
    const { AWS_SECRET_ACCESS_KEY } = process.env;
    delete process.env.AWS_SECRET_ACCESS_KEY;
    try {
      expect(() => queueCalls()).toThrow('no credentials');
    } finally {
      process.env.AWS_SECRET_ACCESS_KEY = AWS_SECRET_ACCESS_KEY;
    }
  });
});
