/**
 * Queues with a data directory do not lose an accepted message.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PublishCommand, SNSClient } from '@aws-sdk/client-sns';
import {
  ChangeMessageVisibilityCommand,
  DeleteMessageCommand,
  type Message,
  ReceiveMessageCommand,
  SendMessageCommand,
  type SendMessageCommandInput,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { startLocalStack } from '../../../local/stack.ts';
import { type HostedStack, startHosted } from '../hosted.ts';
import { type Consumer, holding, reporting, startConsumer, until } from '../queue-stack.ts';
import { synthesizeFixture, temporaryDirectory } from '../support.ts';

let fixture: Awaited<ReturnType<typeof synthesizeFixture>>;
let consumer: Consumer;
let data: ReturnType<typeof temporaryDirectory>;
const running = new Set<HostedStack>();
beforeAll(async () => {
  fixture = await synthesizeFixture({}, 'queues');
  consumer = await startConsumer();
});
beforeEach(() => {
  data = temporaryDirectory();
  consumer.reset();
});
afterEach(async () => {
  for (const host of running) await host.end('SIGKILL');
  running.clear();
  data.remove();
});
afterAll(async () => {
  await consumer.close();
  fixture.remove();
});

const kept = () => join(data.path, 'kept');

async function start(): Promise<HostedStack> {
  const host = await startHosted(fixture.assembly, kept());
  running.add(host);
  return host;
}

async function end(host: HostedStack, signal: NodeJS.Signals): Promise<void> {
  running.delete(host);
  await host.end(signal);
}

/** What a test does with the queue of that construct id. */
function queueOf(host: HostedStack, name: string) {
  const client = new SQSClient(host.settings);
  const QueueUrl = host.output(`${name}Url`);
  return {
    send: async (text: string, more: Partial<SendMessageCommandInput> = {}) => {
      const MessageBody = JSON.stringify({ port: consumer.port, text });
      await client.send(new SendMessageCommand({ QueueUrl, MessageBody, ...more }));
    },
    receive: async (): Promise<Message[]> => {
      const all = { MessageAttributeNames: ['All'], MessageSystemAttributeNames: ['All' as const] };
      const { Messages } = await client.send(
        new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, ...all }),
      );
      return Messages ?? [];
    },
    hide: (ReceiptHandle: string, VisibilityTimeout: number) =>
      client.send(new ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle, VisibilityTimeout })),
    delete: (ReceiptHandle: string) => client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle })),
  };
}

const textOf = ({ Body = '' }: Message): unknown => JSON.parse(Body).text;
const receivesOf = ({ Attributes }: Message) => Number(Attributes?.ApproximateReceiveCount);

it('accepted messages are there after a kill, with their attributes and in order', async () => {
  const first = await start();
  const mine = queueOf(first, 'Mine');
  const MessageAttributes = { kind: { DataType: 'String', StringValue: 'ü' } };
  await mine.send('a ü', { MessageAttributes });
  for (const text of ['b', 'c']) await mine.send(text);
  await queueOf(first, 'Line').send('in line', { MessageGroupId: 'g', MessageDeduplicationId: '1' });
  await end(first, 'SIGKILL');

  const second = await start();
  const messages = await queueOf(second, 'Mine').receive();
  expect(messages.map(textOf)).toEqual(['a ü', 'b', 'c']);
  expect(messages[0]?.MessageAttributes).toEqual(MessageAttributes);
  expect(messages.map(receivesOf)).toEqual([1, 1, 1]);
  await until(() => expect(consumer.texts()).toContain('in line'));
});

it('a delay continues after a kill, and ends in time', async () => {
  const first = await start();
  await queueOf(first, 'Mine').send('much later', { DelaySeconds: 900 });
  await queueOf(first, 'Plain').send('soon', { DelaySeconds: 2 });
  await end(first, 'SIGKILL');
  const second = await start();
  expect(await queueOf(second, 'Mine').receive()).toEqual([]);
  await until(() => expect(consumer.texts()).toEqual(['soon']));
});

it('after a kill a received message is visible at once, and no nearer to the dead-letter queue', async () => {
  const first = await start();
  const mine = queueOf(first, 'Mine');
  await mine.send('taken');
  await mine.send('taken');
  expect((await mine.receive()).map(receivesOf)).toEqual([1, 1]);
  await end(first, 'SIGKILL');
  const second = await start();
  expect((await queueOf(second, 'Mine').receive()).map(receivesOf)).toEqual([1, 1]);
  await end(second, 'SIGKILL');
  const third = await start();
  expect((await queueOf(third, 'Mine').receive()).map(receivesOf)).toEqual([1, 1]);
});

it('after a kill a hidden message stays hidden until its time, and a deleted one stays deleted', async () => {
  const first = await start();
  const mine = queueOf(first, 'Mine');
  for (const text of ['hidden', 'back', 'deleted']) await mine.send(text);
  const [hidden, back, deleted] = await mine.receive();
  await mine.hide(hidden?.ReceiptHandle ?? '', 600);
  await mine.hide(back?.ReceiptHandle ?? '', 0);
  await mine.delete(deleted?.ReceiptHandle ?? '');
  await end(first, 'SIGKILL');
  const second = await start();
  const messages = await queueOf(second, 'Mine').receive();
  expect(messages.map((message) => [textOf(message), receivesOf(message)])).toEqual([['back', 2]]);
});

it('after a kill the messages of a topic and of a running function are delivered again', async () => {
  const first = await start();
  consumer.rule = holding().rule;
  const sns = new SNSClient(first.settings);
  const Message = JSON.stringify({ port: consumer.port, text: 'from the topic' });
  await sns.send(new PublishCommand({ TopicArn: first.output('TopicArn'), Message }));
  await until(() => expect(consumer.texts()).toEqual(['from the topic']));
  await end(first, 'SIGKILL');
  consumer.reset();
  await start();
  await until(() => expect(consumer.texts()).toEqual(['from the topic']));
});

it('dead letters stay in their queue', async () => {
  const first = await start();
  consumer.rule = (batch) => reporting(batch, () => true);
  await queueOf(first, 'Work').send('poison');
  const dead = queueOf(first, 'Dead');
  await until(async () => expect((await dead.receive()).map(textOf)).toEqual(['poison']));
  await end(first, 'SIGKILL');
  consumer.reset();
  const second = await start();
  expect((await queueOf(second, 'Dead').receive()).map(textOf)).toEqual(['poison']);
  expect(consumer.texts()).toEqual([]);
});

it('a stop lets functions finish: processed messages are not delivered again', async () => {
  const first = await start();
  const held = holding();
  consumer.rule = held.rule;
  await queueOf(first, 'Plain').send('done');
  await until(() => expect(consumer.texts()).toEqual(['done']));
  const ended = end(first, 'SIGTERM');
  held.open();
  await ended;
  consumer.reset();
  const second = await start();
  await queueOf(second, 'Plain').send('next');
  await until(() => expect(consumer.texts()).toEqual(['next']));
});

it('a damaged file is refused with one sentence that says what to do', async () => {
  await end(await start(), 'SIGTERM');
  writeFileSync(join(kept(), 'queues.sqlite'), 'x'.repeat(8_192));
  await expect(startLocalStack({ assembly: fixture.assembly, data: kept() })).rejects.toThrow(
    /^the queues in .*queues\.sqlite cannot be opened: .* move it away/,
  );
});
