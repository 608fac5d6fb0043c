import { PublishBatchCommand, PublishCommand, SNSClient } from '@aws-sdk/client-sns';
import { PurgeQueueCommand } from '@aws-sdk/client-sqs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { asList, type JsonObject, objectOr } from '../../../local/template/json.ts';
import { type QueueStack, startQueueStack, until } from '../queue-stack.ts';
import { at, jsonOf } from '../support.ts';

let queueStack: QueueStack;
let sns: SNSClient;
beforeAll(async () => {
  queueStack = await startQueueStack();
  sns = new SNSClient(queueStack.settings);
});
afterAll(async () => {
  sns.destroy();
  await queueStack.close();
});

describe('a function', () => {
  afterEach(() => queueStack.sqs.send(new PurgeQueueCommand({ QueueUrl: queueStack.url('Mine') })));

  async function call(operation: string, input: JsonObject, queue = 'Mine'): Promise<JsonObject> {
    const request = {
      service: 'sqs',
      target: `AmazonSQS.${operation}`,
      input: { QueueUrl: queueStack.url(queue), ...input },
    };
    return jsonOf(
      await fetch(`${queueStack.stack.url}/send`, { method: 'POST', body: JSON.stringify(request) }),
    );
  }
  const mine = async () => (await queueStack.queues()).Mine;
  const handleOf = async () => {
    const { body } = await call('ReceiveMessage', { MaxNumberOfMessages: 1 });
    return objectOr(asList(objectOr(body).Messages)[0]).ReceiptHandle;
  };

  it('sends with a delay', async () => {
    expect(await call('SendMessage', { MessageBody: 'later', DelaySeconds: 1 })).toMatchObject({
      status: 200,
    });
    expect(await mine()).toMatchObject({ delayed: 1, visible: 0 });
    await until(async () =>
      expect(await mine()).toMatchObject({ delayed: 0, visible: 1, bodies: ['later'] }),
    );
  });

  it('sends batches, with a delay for some messages', async () => {
    const Entries = [
      { Id: 'a', MessageBody: 'now' },
      { Id: 'b', MessageBody: 'later', DelaySeconds: 1 },
    ];
    const { status, body } = await call('SendMessageBatch', { Entries });
    expect(status).toBe(200);
    expect(objectOr(body).Successful).toHaveLength(2);
    expect(await mine()).toMatchObject({ delayed: 1, visible: 1 });
    await until(async () => expect(await mine()).toMatchObject({ visible: 2, bodies: ['now', 'later'] }));
  });

  it('changes the visibility of a received message, and deletes it', async () => {
    await call('SendMessage', { MessageBody: 'mine' });
    const ReceiptHandle = await handleOf();
    expect(await mine()).toMatchObject({ visible: 0, inFlight: 1 });
    const back = { ReceiptHandle, VisibilityTimeout: 0 };
    expect(await call('ChangeMessageVisibility', back)).toMatchObject({ status: 200 });
    expect(await mine()).toMatchObject({ visible: 1, inFlight: 0 });
    const again = await handleOf();
    const soon = { Entries: [{ Id: 'a', ReceiptHandle: again, VisibilityTimeout: 1 }] };
    expect(await call('ChangeMessageVisibilityBatch', soon)).toMatchObject({ status: 200 });
    await until(async () => expect(await mine()).toMatchObject({ visible: 1, inFlight: 0 }));
    expect(await call('DeleteMessage', { ReceiptHandle: await handleOf() })).toMatchObject({ status: 200 });
    expect(await mine()).toMatchObject({ visible: 0, inFlight: 0, delayed: 0 });
  });

  const one = { Entries: [{ Id: 'a', MessageBody: 'x', ReceiptHandle: 'x', VisibilityTimeout: 0 }] };
  it.each([
    ['SendMessage', 'sqs:SendMessage', { MessageBody: 'x', DelaySeconds: 1 }],
    ['SendMessageBatch', 'sqs:SendMessage', one],
    ['ReceiveMessage', 'sqs:ReceiveMessage', {}],
    ['ChangeMessageVisibility', 'sqs:ChangeMessageVisibility', { ReceiptHandle: 'x', VisibilityTimeout: 0 }],
    ['ChangeMessageVisibilityBatch', 'sqs:ChangeMessageVisibility', one],
    ['DeleteMessage', 'sqs:DeleteMessage', { ReceiptHandle: 'x' }],
    ['DeleteMessageBatch', 'sqs:DeleteMessage', one],
  ])('is denied %s on another queue', async (operation, action, input) => {
    const answer = await call(operation, input, 'Foreign');
    expect(answer.status).toBe(400);
    expect(at(answer, 'body').message).toMatch(
      new RegExp(`perform: ${action} on resource: arn:aws:sqs:.*Foreign`),
    );
    expect((await queueStack.queues()).Foreign).toMatchObject({ visible: 0, inFlight: 0, delayed: 0 });
  });
});

describe('a topic', () => {
  const TopicArn = () => queueStack.stack.outputs.TopicArn ?? '';
  const entries = (sizes: readonly number[]) =>
    sizes.map((size, index) => {
      const empty = queueStack.body(`e${index}`);
      return { Id: `e${index}`, Message: empty.padEnd(size, ' '), MessageGroupId: 'tenant' };
    });

  it('accepts a message group, although it is not FIFO', async () => {
    const { MessageId } = await sns.send(
      new PublishCommand({
        TopicArn: TopicArn(),
        Message: queueStack.body('alone'),
        MessageGroupId: 'tenant',
      }),
    );
    expect(MessageId).toMatch(/^[0-9a-f-]{36}$/);
    await until(() => expect(queueStack.consumer.texts()).toEqual(['alone']));
    queueStack.consumer.reset();
  });

  it('accepts a batch of 256 KiB, and not one byte more', async () => {
    const full = entries([100_000, 100_000, 62_144]);
    const PublishBatchRequestEntries = full;
    const { Successful } = await sns.send(
      new PublishBatchCommand({ TopicArn: TopicArn(), PublishBatchRequestEntries }),
    );
    expect(Successful).toHaveLength(3);
    await until(() => expect(queueStack.consumer.texts().toSorted()).toEqual(['e0', 'e1', 'e2']));
    const more = [...full.slice(0, 2), ...entries([62_145]).map((entry) => ({ ...entry, Id: 'more' }))];
    const refused = sns.send(
      new PublishBatchCommand({ TopicArn: TopicArn(), PublishBatchRequestEntries: more }),
    );
    await expect(refused).rejects.toMatchObject({ name: 'BatchRequestTooLongException' });
    const attribute = { kind: { DataType: 'String', StringValue: 'x' } };
    const attributed = full.map((entry) => ({ ...entry, MessageAttributes: attribute }));
    const alsoRefused = sns.send(
      new PublishBatchCommand({ TopicArn: TopicArn(), PublishBatchRequestEntries: attributed }),
    );
    await expect(alsoRefused).rejects.toMatchObject({ name: 'BatchRequestTooLongException' });
    await until(async () =>
      expect((await queueStack.queues()).Work).toMatchObject({ visible: 0, inFlight: 0 }),
    );
    expect(queueStack.consumer.texts()).toHaveLength(3);
  });
});
