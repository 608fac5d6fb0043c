import {
  ConditionalCheckFailedException,
  DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  UpdateItemCommand,
} from '@aws-sdk/client-dynamodb';
import {
  GetSecretValueCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { PublishCommand, SNSClient } from '@aws-sdk/client-sns';
import { GetQueueUrlCommand, ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type LocalStack, startLocalStack } from '../../../local/stack.ts';
import { isObject } from '../../../local/template/json.ts';
import { at, jsonOf, resourceOf, synthesizeFixture, tamper } from '../support.ts';

let fixture: Awaited<ReturnType<typeof synthesizeFixture>>;
let stack: LocalStack;
beforeAll(async () => {
  fixture = await synthesizeFixture();
  stack = await startLocalStack({ assembly: fixture.assembly });
});
afterAll(async () => {
  await stack.close();
  fixture.remove();
});
afterEach(async () => {
  await control('faults', { method: 'DELETE' });
  await control('calls', { method: 'DELETE' });
});

const settingsOf = ({ aws }: LocalStack) => ({
  endpoint: aws.endpoint,
  region: aws.region,
  maxAttempts: 1,
  credentials: { accessKeyId: aws.accessKeyId, secretAccessKey: aws.secretAccessKey },
});
const control = (path: string, init?: RequestInit) => fetch(`${stack.control}/${path}`, init);
const fault = (body: object) => control('faults', { method: 'POST', body: JSON.stringify(body) });
const listOf = async (path: string) => {
  const value: unknown = await (await control(path)).json();
  return Array.isArray(value) ? value.filter(isObject) : [];
};

const key = (name: string) => ({ pk: { S: name }, sk: { S: 'a' } });
const item = (name: string) => ({ TableName: stack.outputs.TableName, Item: key(name) });
const sdkItem = (name: string) => ({
  TableName: stack.outputs.TableName,
  Key: key(name),
  ConsistentRead: true,
});

interface Work {
  service?: string;
  target?: string;
  input: object;
  twice?: object;
}

/** One or two calls of the function with its own credentials. */
function work(
  { service = 'dynamodb', target = 'DynamoDB_20120810.PutItem', input, twice }: Work,
  on = stack,
) {
  const body = JSON.stringify({ service, target, input, twice });
  return fetch(`${on.url}/work`, { method: 'POST', body });
}

describe('an SDK client with the admin key', () => {
  it('reads and writes the table, with the errors of DynamoDB', async () => {
    const client = new DynamoDBClient(settingsOf(stack));
    const TableName = stack.outputs.TableName;
    await client.send(new PutItemCommand({ TableName, Item: { ...key('admin'), owner: { S: 'me' } } }));
    const { Item } = await client.send(new GetItemCommand(sdkItem('admin')));
    expect(Item).toMatchObject(key('admin'));
    const byOwner = await client.send(
      new QueryCommand({
        TableName,
        IndexName: 'byOwner',
        KeyConditionExpression: '#o = :o',
        ExpressionAttributeNames: { '#o': 'owner' },
        ExpressionAttributeValues: { ':o': { S: 'me' } },
      }),
    );
    expect(byOwner.Items).toHaveLength(1);
    const again = new PutItemCommand({
      TableName,
      Item: key('admin'),
      ConditionExpression: 'attribute_not_exists(pk)',
    });
    await expect(client.send(again)).rejects.toBeInstanceOf(ConditionalCheckFailedException);
    const missing = new GetItemCommand({ TableName: 'Nowhere', Key: key('a') });
    await expect(client.send(missing)).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
    client.destroy();
  });

  it('counts without losing an increment', async () => {
    const client = new DynamoDBClient(settingsOf(stack));
    const increment = new UpdateItemCommand({
      TableName: stack.outputs.TableName,
      Key: key('counter'),
      UpdateExpression: 'ADD n :one',
      ExpressionAttributeValues: { ':one': { N: '1' } },
      ReturnValues: 'UPDATED_NEW',
    });
    const results = await Promise.all(Array.from({ length: 50 }, () => client.send(increment)));
    const seen = results.map(({ Attributes }) => Number(Attributes?.n?.N)).toSorted((a, b) => a - b);
    expect(seen).toEqual(Array.from({ length: 50 }, (_, index) => index + 1));
    client.destroy();
  });

  it('refuses an option that dynalite would ignore', async () => {
    const client = new DynamoDBClient(settingsOf(stack));
    const put = new PutItemCommand({
      TableName: stack.outputs.TableName,
      Item: key('option'),
      ConditionExpression: 'attribute_not_exists(pk)',
      ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
    });
    await expect(client.send(put)).rejects.toMatchObject({ name: 'ValidationException' });
    client.destroy();
  });

  it('reads the generated secret', async () => {
    const client = new SecretsManagerClient(settingsOf(stack));
    const SecretId = stack.outputs.SecretArn;
    const { SecretString = '' } = await client.send(new GetSecretValueCommand({ SecretId }));
    expect(JSON.parse(SecretString)).toEqual({
      kid: 'first',
      secret: expect.stringMatching(/^[A-Za-z0-9]{48}$/),
    });
    const missing = new GetSecretValueCommand({ SecretId: 'nothing' });
    await expect(client.send(missing)).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
    client.destroy();
  });

  it('writes no version of a secret over', async () => {
    const client = new SecretsManagerClient(settingsOf(stack));
    const SecretId = stack.outputs.SecretArn;
    const { SecretString: before } = await client.send(new GetSecretValueCommand({ SecretId }));
    const put = (SecretString: string | undefined, ClientRequestToken = 'v'.repeat(32)) =>
      client.send(new PutSecretValueCommand({ SecretId, SecretString, ClientRequestToken }));
    const [first, again] = [await put('one'), await put('one')];
    expect([first.VersionId, again.VersionId]).toEqual(['v'.repeat(32), 'v'.repeat(32)]);
    await expect(put('two')).rejects.toMatchObject({ name: 'ResourceExistsException' });
    await expect(put(undefined)).rejects.toMatchObject({ name: 'InvalidParameterException' });
    const { SecretString } = await client.send(new GetSecretValueCommand({ SecretId }));
    expect(SecretString).toBe('one');
    await put(before, 'w'.repeat(32));
    client.destroy();
  });

  it('publishes to the topic, and receives from the queue that it delivers to', async () => {
    const sns = new SNSClient(settingsOf(stack));
    const sqs = new SQSClient(settingsOf(stack));
    const QueueUrl = stack.outputs.QueueUrl ?? '';
    await sns.send(new PublishCommand({ TopicArn: stack.outputs.TopicArn, Message: 'hello' }));
    const { Messages } = await sqs.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 5 }));
    expect(Messages?.map(({ Body }) => Body)).toEqual(['hello']);
    const named = await sqs.send(
      new GetQueueUrlCommand({ QueueName: QueueUrl.slice(QueueUrl.lastIndexOf('/') + 1) }),
    );
    expect(named.QueueUrl).toBe(QueueUrl);
    sns.destroy();
    sqs.destroy();
  });
});

describe('an unknown caller', () => {
  it('is refused by key', async () => {
    const credentials = { accessKeyId: 'ASIANOBODY', secretAccessKey: 'x' };
    const client = new DynamoDBClient({ ...settingsOf(stack), credentials });
    const call = client.send(new GetItemCommand(sdkItem('a')));
    await expect(call).rejects.toMatchObject({
      name: 'UnrecognizedClientException',
      $metadata: { httpStatusCode: 403 },
    });
    client.destroy();
  });

  it('is refused without one', async () => {
    const response = await fetch(stack.aws.endpoint, { method: 'POST', body: '{}' });
    expect(response.status).toBe(400);
    expect((await jsonOf(response)).__type).toContain('MissingAuthenticationTokenException');
  });
});

describe('the role of a function', () => {
  it('allows what is granted', async () => {
    expect(await jsonOf(await work({ input: item('granted') }))).toEqual({ status: 200, body: {} });
  });

  it('denies what is not, with the error of AWS', async () => {
    const input = { TableName: stack.outputs.TableName, Key: key('a') };
    const answer = await jsonOf(await work({ target: 'DynamoDB_20120810.UpdateItem', input }));
    expect(answer.status).toBe(400);
    expect(at(answer, 'body').__type).toMatch(/#AccessDeniedException$/);
    expect(at(answer, 'body').message).toMatch(
      new RegExp(
        '^User: arn:aws:sts::000000000000:assumed-role/Front-WorkRole\\w+/Front-Work\\w+ is not authorized to perform: ' +
          'dynamodb:UpdateItem on resource: arn:aws:dynamodb:us-east-1:000000000000:table/State-Things\\w+ ' +
          'because no identity-based policy allows the dynamodb:UpdateItem action$',
      ),
    );
  });

  it('is asked about each table of a batch, and about the secret and the queue', async () => {
    const batch = { RequestItems: { [stack.outputs.TableName ?? '']: { Keys: [key('a')] } } };
    const denied = await jsonOf(await work({ target: 'DynamoDB_20120810.BatchGetItem', input: batch }));
    expect(at(denied, 'body').message).toContain('dynamodb:BatchGetItem on resource: arn:aws:dynamodb:');
    const secret = { service: 'secretsmanager', input: { SecretId: stack.outputs.SecretArn } };
    expect(await jsonOf(await work({ ...secret, target: 'secretsmanager.GetSecretValue' }))).toMatchObject({
      status: 200,
    });
    const message = { QueueUrl: stack.outputs.QueueUrl, MessageBody: 'x' };
    const sent = await work({ service: 'sqs', target: 'AmazonSQS.SendMessage', input: message });
    expect(await jsonOf(sent)).toMatchObject({ status: 200, body: { MessageId: expect.any(String) } });
    const purge = await work({ service: 'sqs', target: 'AmazonSQS.PurgeQueue', input: message });
    expect(at(await jsonOf(purge), 'body').message).toContain('sqs:PurgeQueue on resource: arn:aws:sqs:');
  });

  it('loses what is taken from a copy of the template', async () => {
    const copy = tamper(fixture.assembly, 'Front', (template) => {
      const { properties } = resourceOf(template, 'AWS::IAM::Policy', 'WorkRole');
      const { Statement } = at(properties, 'PolicyDocument');
      for (const statement of Array.isArray(Statement) ? Statement.filter(isObject) : []) {
        const actions = statement.Action;
        if (Array.isArray(actions))
          statement.Action = actions.filter((action) => action !== 'dynamodb:PutItem');
      }
    });
    const poorer = await startLocalStack({ assembly: copy.assembly });
    try {
      const answer = await jsonOf(await work({ input: { ...item('x') } }, poorer));
      expect(at(answer, 'body').__type).toContain('AccessDeniedException');
    } finally {
      await poorer.close();
      copy.remove();
    }
  });

  it('has its used and unused grants on record', async () => {
    await work({ input: item('recorded') });
    const grants = (await listOf('grants')).filter((grant) => grant.function === 'Front/Work');
    const table = `arn:aws:dynamodb:us-east-1:000000000000:table/${stack.outputs.TableName}`;
    const usedOf = (action: string, resource: string) => {
      return grants.find((grant) => grant.action === action && grant.resource === resource)?.used;
    };
    expect(usedOf('dynamodb:PutItem', table)).toBe(true);
    expect(usedOf('dynamodb:DeleteItem', table)).toBe(false);
    expect(usedOf('dynamodb:PutItem', `${table}/index/*`)).toBe(false);
    const streams = grants.filter((grant) => grant.action === 'logs:CreateLogStream');
    expect(streams.map((grant) => grant.used)).toEqual([true]);
  });

  it('has its calls counted until they are forgotten', async () => {
    await work({ input: item('one'), twice: item('two') });
    expect(await listOf('calls')).toEqual([{ function: 'Front/Work', action: 'dynamodb:PutItem', count: 2 }]);
    await control('calls', { method: 'DELETE' });
    expect(await listOf('calls')).toEqual([]);
  });
});

describe('faults', () => {
  const exists = async (name: string) => {
    const client = new DynamoDBClient(settingsOf(stack));
    const { Item } = await client.send(new GetItemCommand(sdkItem(name)));
    client.destroy();
    return Item !== undefined;
  };

  it.each([
    ['before', false],
    ['after', true],
  ])('kill %s the call', async (at, written) => {
    const name = `killed-${at}`;
    await fault({ function: 'Work', action: 'dynamodb:PutItem', at, effect: 'kill' });
    expect((await work({ input: item(name) })).status).toBe(500);
    expect(await exists(name)).toBe(written);
    expect(await jsonOf(await work({ input: item(name) }))).toMatchObject({ status: 200 });
  });

  it('break the connection of a call, and leave the process alone', async () => {
    await fault({ function: 'Work', action: 'dynamodb:PutItem', at: 'after', effect: 'reset' });
    expect((await work({ input: item('reset') })).status).toBe(500);
    expect(await exists('reset')).toBe(true);
    const processes = async () =>
      (await listOf('processes')).filter(({ function: path }) => path === 'Front/Work');
    const [one] = await processes();
    expect(await jsonOf(await work({ input: item('reset') }))).toMatchObject({ status: 200 });
    expect(await processes()).toMatchObject([{ pid: one?.pid }]);
  });

  it('kill at the nth matching call', async () => {
    await fault({ function: 'Front/Work', at: 'before', effect: 'kill', call: 2 });
    expect((await work({ input: item('nth-1'), twice: item('nth-2') })).status).toBe(500);
    expect(await exists('nth-1')).toBe(true);
    expect(await exists('nth-2')).toBe(false);
  });

  it('kill when the response is posted: the work is done, its answer is lost', async () => {
    await fault({ function: 'Work', at: 'response', effect: 'kill' });
    expect((await work({ input: item('unanswered') })).status).toBe(500);
    expect(await exists('unanswered')).toBe(true);
  });

  it('kill on receipt of the invocation', async () => {
    await fault({ function: 'Work', at: 'invoke', effect: 'kill' });
    expect((await work({ input: item('unbegun') })).status).toBe(500);
  });

  it('answer an error in place of the call, so many times', async () => {
    const effect = { status: 400, type: 'ProvisionedThroughputExceededException', message: 'slow down' };
    await fault({ function: 'Work', action: 'dynamodb:PutItem', at: 'before', effect, times: 2 });
    for (const name of ['first', 'second']) {
      expect(await jsonOf(await work({ input: item(name) }))).toEqual({
        status: 400,
        body: {
          __type: expect.stringMatching(/#ProvisionedThroughputExceededException$/),
          message: 'slow down',
        },
      });
      expect(await exists(name)).toBe(false);
    }
    expect(await jsonOf(await work({ input: item('third') }))).toMatchObject({ status: 200 });
  });

  it('answer an error after the call was done', async () => {
    const effect = { status: 500, type: 'InternalServerError', message: 'lost' };
    await fault({ function: 'Work', at: 'after', effect });
    expect(await jsonOf(await work({ input: item('done') }))).toMatchObject({ status: 500 });
    expect(await exists('done')).toBe(true);
  });

  it('delay the call', async () => {
    await fault({ function: 'Work', at: 'before', effect: { delayMs: 50 } });
    const start = performance.now();
    expect(await jsonOf(await work({ input: item('late') }))).toMatchObject({ status: 200 });
    expect(performance.now() - start).toBeGreaterThanOrEqual(45);
  });

  it('hit only the function and the action that they name', async () => {
    await fault({ function: 'Echo', at: 'before', effect: 'kill' });
    await fault({ function: 'Work', action: 'dynamodb:Query', at: 'before', effect: 'kill' });
    expect(await jsonOf(await work({ input: item('unharmed') }))).toMatchObject({ status: 200 });
  });

  it.each([
    [
      { function: 'Work', at: 'sometimes', effect: 'kill' },
      '"at" must be one of before, after, invoke, response',
    ],
    [{ function: 'Work', at: 'before', effect: 'explode' }, '"effect" must be "kill"'],
    [
      { function: 'Work', at: 'before', effect: 'kill', call: 0 },
      '"call" and "times" start at 1, got 0 and 1',
    ],
    [{ function: 'Work', at: 'before', effect: 'kill', when: 'now' }, 'a fault has no field when'],
    [{ at: 'before', effect: 'kill' }, '"function" must be a string'],
    [{ function: 'Work', at: 'response', effect: { delayMs: 1 } }, 'the only effect is "kill"'],
  ])('are refused if they cannot be: %j', async (body, sentence) => {
    const response = await fault(body);
    expect(response.status).toBe(400);
    expect((await jsonOf(response)).message).toContain(sentence);
  });
});

describe('control', () => {
  it.each([
    ['nobody', ''],
    ['somebody', `/${'0'.repeat(40)}`],
  ])('is closed to who has the secret of %s', async (_, secret) => {
    for (const [method, path] of [
      ['GET', 'calls'],
      ['DELETE', 'connections'],
      ['POST', 'faults'],
    ] as const) {
      const response = await fetch(`${stack.aws.endpoint}/_local${secret}/${path}`, { method });
      expect([response.status, await response.json()]).toEqual([
        403,
        { message: 'only for who has the secret of this start' },
      ]);
    }
  });

  it('has another secret at each start', async () => {
    const other = await startLocalStack({ assembly: fixture.assembly });
    const [secret, another] = [stack, other].map(({ control }) => control.split('/').at(-1));
    await other.close();
    expect(secret).toMatch(/^[0-9a-f]{40}$/);
    expect(another).not.toBe(secret);
  });

  it('names its endpoints', async () => {
    const response = await control('nothing');
    expect(response.status).toBe(404);
    expect((await jsonOf(response)).message).toContain('GET /grants');
  });
});
