import { PublishCommand, SNSClient } from '@aws-sdk/client-sns';
import { GetQueueAttributesCommand } from '@aws-sdk/client-sqs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { isObject, type JsonObject, objectOr } from '../../../local/template/json.ts';
import { type QueueStack, reporting, startQueueStack, until } from '../queue-stack.ts';
import { jsonOf } from '../support.ts';

let queueStack: QueueStack;
beforeAll(async () => {
  queueStack = await startQueueStack();
});
afterAll(() => queueStack.close());
beforeEach(() => queueStack.consumer.reset());

const receiveCounts = (text: string) =>
  queueStack.consumer.batches.flatMap(({ records, texts }) =>
    texts.flatMap((each, index) =>
      each === text ? [Number(objectOr(records[index]?.attributes).ApproximateReceiveCount)] : [],
    ),
  );

describe('a message', () => {
  it('reaches the function as the event of Lambda, once', async () => {
    const MessageAttributes = {
      kind: { DataType: 'String', StringValue: 'letter' },
      seal: { DataType: 'Binary', BinaryValue: Buffer.from('wax') },
    };
    await queueStack.send('Plain', 'hello', { MessageAttributes });
    await queueStack.emptied('Plain');
    const { consumer } = queueStack;
    expect(consumer.batches).toHaveLength(1);
    expect(consumer.batches[0]?.records).toEqual([
      {
        messageId: expect.stringMatching(/^[0-9a-f-]{36}$/),
        receiptHandle: expect.any(String),
        body: queueStack.body('hello'),
        attributes: {
          ApproximateReceiveCount: '1',
          SentTimestamp: expect.stringMatching(/^\d{13}$/),
          SenderId: expect.any(String),
          ApproximateFirstReceiveTimestamp: expect.stringMatching(/^\d{13}$/),
        },
        messageAttributes: {
          kind: { stringValue: 'letter', stringListValues: [], binaryListValues: [], dataType: 'String' },
          seal: { binaryValue: 'd2F4', stringListValues: [], binaryListValues: [], dataType: 'Binary' },
        },
        md5OfMessageAttributes: expect.stringMatching(/^[0-9a-f]{32}$/),
        md5OfBody: expect.stringMatching(/^[0-9a-f]{32}$/),
        eventSource: 'aws:sqs',
        eventSourceARN: await arnOf('Plain'),
        awsRegion: 'us-east-1',
      },
    ]);
  });

  it('arrives through a topic, also with a message group', async () => {
    const sns = new SNSClient(queueStack.settings);
    const Message = queueStack.body('published');
    await sns.send(
      new PublishCommand({ TopicArn: queueStack.stack.outputs.TopicArn, Message, MessageGroupId: 'tenant' }),
    );
    sns.destroy();
    await queueStack.emptied('Work');
    expect(queueStack.consumer.texts()).toEqual(['published']);
  });

  it('waits for the delay of its queue, or for its own', async () => {
    const start = Date.now();
    await queueStack.send('Late', 'slow');
    await queueStack.send('Late', 'slower', { DelaySeconds: 4 });
    await queueStack.send('Late', 'prompt', { DelaySeconds: 0 });
    await until(() => expect(queueStack.consumer.texts()).toEqual(['prompt']));
    expect((await queueStack.queues()).Late).toMatchObject({ delayed: 2 });
    await until(() => expect(queueStack.consumer.texts()).toEqual(['prompt', 'slow']));
    expect(Date.now() - start).toBeGreaterThanOrEqual(1_990);
    await until(() => expect(queueStack.consumer.texts()).toEqual(['prompt', 'slow', 'slower']));
    expect(Date.now() - start).toBeGreaterThanOrEqual(3_990);
  });

  it('stays in its queue while the mapping is disabled', async () => {
    await queueStack.send('Off', 'unread');
    await queueStack.send('Plain', 'read');
    await queueStack.emptied('Plain');
    expect(queueStack.consumer.texts()).toEqual(['read']);
    expect((await queueStack.queues()).Off).toMatchObject({
      visible: 1,
      bodies: [queueStack.body('unread')],
    });
  });

  it('of a FIFO queue arrives after the one before it, even if that one failed', async () => {
    queueStack.consumer.rule = () => {
      if (queueStack.consumer.batches.length === 1) throw new Error('not yet');
      return null;
    };
    for (const text of ['one', 'two', 'three']) {
      const more = { MessageGroupId: 'group', MessageDeduplicationId: text };
      await queueStack.send('Line', text, more);
    }
    await queueStack.emptied('Line');
    expect(queueStack.consumer.texts()).toEqual(['one', 'one', 'two', 'three']);
  });
});

async function arnOf(queue: string): Promise<string | undefined> {
  const command = new GetQueueAttributesCommand({
    QueueUrl: queueStack.url(queue),
    AttributeNames: ['QueueArn'],
  });
  return (await queueStack.sqs.send(command)).Attributes?.QueueArn;
}

describe('a failed message', () => {
  it('is delivered again when its visibility timeout ends, with its whole batch', async () => {
    queueStack.consumer.rule = () => {
      if (queueStack.consumer.batches.length === 1) throw new Error('on purpose');
      return null;
    };
    const start = Date.now();
    await queueStack.send('Plain', 'again');
    await queueStack.emptied('Plain');
    expect(receiveCounts('again')).toEqual([1, 2]);
    expect(Date.now() - start).toBeGreaterThanOrEqual(3_990);
  });

  it('is not looked for if failures are not reported', async () => {
    queueStack.consumer.rule = (batch) => reporting(batch, () => true);
    await queueStack.send('Plain', 'ignored');
    await queueStack.emptied('Plain');
    expect(queueStack.consumer.texts()).toEqual(['ignored']);
  });

  it('becomes a dead letter after maxReceiveCount, and the rest of the batch is delivered once', async () => {
    queueStack.consumer.rule = (batch) => reporting(batch, (text) => text === 'poison');
    for (const text of ['before', 'poison', 'after']) await queueStack.send('Work', text);
    await until(async () => expect((await queueStack.queues()).Dead).toMatchObject({ visible: 1 }));
    expect(receiveCounts('poison')).toEqual([1, 2]);
    expect(receiveCounts('before')).toEqual([1]);
    expect(receiveCounts('after')).toEqual([1]);
    await queueStack.emptied('Work');
    expect((await queueStack.queues()).Dead).toEqual({
      queue: 'Post/Dead',
      name: expect.stringMatching(/^Post-Dead/),
      visible: 1,
      inFlight: 0,
      delayed: 0,
      bodies: [queueStack.body('poison')],
    });
  });

  it('can be delivered again from the dead-letter queue', async () => {
    expect(await redrive({ queue: 'Dead' })).toEqual({ from: 'Post/Dead', to: 'Post/Work', moved: 1 });
    await queueStack.emptied('Work');
    await queueStack.emptied('Dead');
    expect(receiveCounts('poison')).toEqual([1]);
    expect(await redrive({ queue: 'Dead' })).toMatchObject({ moved: 0 });
  });

  it('is every message of the batch if the answer has an unknown id', async () => {
    queueStack.consumer.rule = () => {
      return queueStack.consumer.batches.length > 1
        ? null
        : { batchItemFailures: [{ itemIdentifier: 'stranger' }] };
    };
    await queueStack.send('Work', 'strange');
    await queueStack.emptied('Work');
    expect(receiveCounts('strange')).toEqual([1, 2]);
  });

  async function redrive(body: JsonObject): Promise<JsonObject> {
    return jsonOf(await queueStack.control('queues/redrive', { method: 'POST', body: JSON.stringify(body) }));
  }

  it.each([
    [{ queue: 'Work' }, 'one dead-letter queue, got Work; there are Post/Dead'],
    [{}, '"queue" must be a string'],
    [{ queue: 'Dead', all: true }, 'a redrive has no field all'],
  ])('is not moved by %j', async (body, sentence) => {
    expect((await redrive(body)).message).toContain(sentence);
  });
});

describe('a fault', () => {
  afterEach(() => queueStack.control('faults', { method: 'DELETE' }));

  it.each(['invoke', 'response'])('that kills at %s has the batch delivered again', async (at) => {
    const fault = { function: 'OfPlain', at, effect: 'kill' };
    const added = await queueStack.control('faults', { method: 'POST', body: JSON.stringify(fault) });
    expect(added.status).toBe(204);
    await queueStack.send('Plain', at);
    await queueStack.emptied('Plain');
    expect(receiveCounts(at).at(-1)).toBe(2);
  });
});

it('a mapping uses only the grants of its function that AWS needs', async () => {
  const grants: unknown = await (await queueStack.control('grants')).json();
  const own = (Array.isArray(grants) ? grants.filter(isObject) : []).filter((grant) => {
    return grant.function === 'Post/OfWork' && String(grant.action).startsWith('sqs:');
  });
  const used = own.filter((grant) => grant.used === true).map(({ action }) => action);
  expect(used.toSorted()).toEqual(['sqs:DeleteMessage', 'sqs:GetQueueAttributes', 'sqs:ReceiveMessage']);
  expect(own.map(({ action }) => action)).toContain('sqs:ChangeMessageVisibility');
});
