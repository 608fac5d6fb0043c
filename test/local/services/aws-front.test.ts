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
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { jsonOf } from '../support.ts';
import { key, startWorkStack, type WorkStack } from '../work-stack.ts';

let fixture: WorkStack;
beforeAll(async () => {
  fixture = await startWorkStack();
});
afterAll(() => fixture.close());

describe('an SDK client with the admin key', () => {
  it('reads and writes the table, with the errors of DynamoDB', async () => {
    const client = new DynamoDBClient(fixture.settings);
    const TableName = fixture.stack.outputs.TableName;
    await client.send(new PutItemCommand({ TableName, Item: { ...key('admin'), owner: { S: 'me' } } }));
    const { Item } = await client.send(new GetItemCommand(fixture.lookup('admin')));
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
    const client = new DynamoDBClient(fixture.settings);
    const increment = new UpdateItemCommand({
      TableName: fixture.stack.outputs.TableName,
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
    const client = new DynamoDBClient(fixture.settings);
    const put = new PutItemCommand({
      TableName: fixture.stack.outputs.TableName,
      Item: key('option'),
      ConditionExpression: 'attribute_not_exists(pk)',
      ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
    });
    await expect(client.send(put)).rejects.toMatchObject({ name: 'ValidationException' });
    client.destroy();
  });

  it('reads the generated secret', async () => {
    const client = new SecretsManagerClient(fixture.settings);
    const SecretId = fixture.stack.outputs.SecretArn;
    const { SecretString = '' } = await client.send(new GetSecretValueCommand({ SecretId }));
    expect(JSON.parse(SecretString)).toEqual({
      kid: 'first',
      secret: expect.stringMatching(/^[A-Za-z0-9]{48}$/),
    });
    const missing = new GetSecretValueCommand({ SecretId: 'nothing' });
    await expect(client.send(missing)).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
    client.destroy();
  });

  it('overwrites no version of a secret', async () => {
    const client = new SecretsManagerClient(fixture.settings);
    const SecretId = fixture.stack.outputs.SecretArn;
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
    const sns = new SNSClient(fixture.settings);
    const sqs = new SQSClient(fixture.settings);
    const QueueUrl = fixture.stack.outputs.QueueUrl ?? '';
    await sns.send(new PublishCommand({ TopicArn: fixture.stack.outputs.TopicArn, Message: 'hello' }));
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
  it('is refused with an unknown key', async () => {
    const credentials = { accessKeyId: 'ASIANOBODY', secretAccessKey: 'x' };
    const client = new DynamoDBClient({ ...fixture.settings, credentials });
    const call = client.send(new GetItemCommand(fixture.lookup('a')));
    await expect(call).rejects.toMatchObject({
      name: 'UnrecognizedClientException',
      $metadata: { httpStatusCode: 403 },
    });
    client.destroy();
  });

  it('is refused without a key', async () => {
    const response = await fetch(fixture.stack.aws.endpoint, { method: 'POST', body: '{}' });
    expect(response.status).toBe(400);
    expect((await jsonOf(response)).__type).toContain('MissingAuthenticationTokenException');
  });
});
