/**
 * The intake over the wire (PROTOCOL.md §15): order, redelivery, crashes, and messages that can never be published.
 * @module
 */
import { ReceiveMessageCommand, SendMessageBatchCommand, SQSClient } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { publisher } from '../../../client/backend/publisher.ts';
import { type RunningHub, startHub } from '../../../scripts/hub/local-hub.ts';
import { clearFaults, type Fault, inject } from '../../support/wire/faults.ts';
import { saveGrants } from '../../support/wire/grants.ts';
import { type Caller, callerAt, newChannel } from '../../support/wire/wire.ts';

/** A message of a process that died is received again after 20 s (lib/messaging/intake.ts). */
const AGAIN = { timeout: 60_000 };

let running: RunningHub;
let hub: Caller;
let sqs: SQSClient;
let queue: string;
beforeAll(async () => {
  running = await startHub({
    context: { 'tidings:intake': true, 'tidings:stamp': { 'stamped/*': { by: 'sub', at: 'time' } } },
  });
  hub = callerAt(running.stack.url, { Authorization: `Bearer ${running.token}` });
  const { endpoint, region, accessKeyId, secretAccessKey } = running.stack.aws;
  sqs = new SQSClient({ endpoint, region, credentials: { accessKeyId, secretAccessKey } });
  queue = running.stack.outputs.IntakeUrl ?? '';
});
afterAll(async () => {
  await saveGrants('intake', running.stack.control);
  sqs.destroy();
  await running.close();
});

const arm = (fault: Fault) => inject(running.stack.control, fault);

/** Sends texts in one call, in their order, in the group of the channel. */
async function send(group: string, ...bodies: readonly string[]): Promise<void> {
  const Entries = bodies.map((MessageBody, at) => ({
    Id: String(at),
    MessageBody,
    MessageGroupId: group,
    MessageDeduplicationId: crypto.randomUUID(),
  }));
  await sqs.send(new SendMessageBatchCommand({ QueueUrl: queue, Entries }));
}

const message = (channel: string, ...messages: readonly unknown[]) => JSON.stringify({ channel, messages });
const head = async (channel: string): Promise<Headers> =>
  (await hub.request(`/channels/${channel}`, { method: 'HEAD' })).headers;
const all = async (channel: string): Promise<readonly unknown[]> => (await hub.readAll(channel)).messages;

test('messages of a channel are published in the order in which they were sent, each once', async () => {
  const channel = newChannel();
  for (let batch = 0; batch < 4; batch += 1)
    await send(channel, ...Array.from({ length: 10 }, (_, n) => message(channel, { n: 10 * batch + n })));
  await expect.poll(() => all(channel)).toHaveLength(40);
  expect(await all(channel)).toEqual(Array.from({ length: 40 }, (_, n) => ({ n })));
});

test('a text is published as it was written', async () => {
  const channel = newChannel();
  await send(channel, `{"channel":"${channel}","messages":[{"b":1.0,"a":12345678901234567890}]}`);
  const text = async () => await (await hub.request(`/channels/${channel}?offset=-1`)).text();
  await expect.poll(text).toBe('[{"b":1.0,"a":12345678901234567890}]');
});

test('the publisher of the package sends what is published, and a key publishes once', async () => {
  const channel = newChannel();
  const publish = publisher(
    { sendMessage: async (input) => await send(input.MessageGroupId, input.MessageBody) },
    queue,
  );
  await publish(channel, [{ n: 1 }, { n: 2 }], 'order-7');
  await publish(channel, [{ n: 1 }, { n: 2 }], 'order-7');
  await publish(channel, [{ n: 3 }]);
  await expect.poll(() => all(channel)).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
  expect(() => publisher({ sendMessage: async () => {} }, undefined)).toThrow('hub.grantPublish');
});

test('stamps have the time, and no sub', async () => {
  const channel = `stamped/${crypto.randomUUID()}`;
  await send('stamped', message(channel, { n: 1 }));
  await expect.poll(() => all(channel)).toEqual([{ by: null, at: expect.any(String), n: 1 }]);
});

test('a message whose process dies is published once, and before the next one of its group', async () => {
  const [claimed, written] = [newChannel(), newChannel()];
  const grows = async (channel: string, from: string | null) =>
    await expect.poll(async () => (await head(channel)).get('stream-next-offset')).not.toBe(from);
  await hub.publish(claimed, { n: 0 });
  const before = (await head(claimed)).get('stream-next-offset');
  await arm({
    function: 'Intake',
    at: 'before',
    action: 'dynamodb:PutItem',
    resource: 'Entries',
    effect: 'kill',
  });
  await send(claimed, message(claimed, { n: 1 }), message(claimed, { n: 2 }));
  await grows(claimed, before);
  await arm({ function: 'Intake', at: 'response', effect: 'kill' });
  await send(written, message(written, { n: 1 }), message(written, { n: 2 }));
  // Readers seal the slot that was claimed, because another message follows it. So this message needs another slot.
  await hub.publish(claimed, { n: 9 });
  await expect.poll(() => all(claimed)).toEqual([{ n: 0 }, { n: 9 }]);
  await expect.poll(() => all(claimed), AGAIN).toEqual([{ n: 0 }, { n: 9 }, { n: 1 }, { n: 2 }]);
  await expect.poll(() => all(written), AGAIN).toEqual([{ n: 1 }, { n: 2 }]);
  await clearFaults(running.stack.control);
});

test('a message whose write is answered by an error, while the topic is busy, is published once', async () => {
  const channel = newChannel();
  const lost = { status: 500, type: 'InternalServerError', message: 'x' };
  await arm({
    function: 'Intake',
    at: 'after',
    action: 'dynamodb:PutItem',
    resource: 'Entries',
    effect: lost,
  });
  const busy = { status: 400, type: 'ThrottlingException', message: 'x' };
  await arm({ function: 'Intake', at: 'before', action: 'sns:Publish', effect: busy, times: 9 });
  await send(channel, message(channel, { n: 1 }), message(channel, { n: 2 }));
  await expect.poll(() => all(channel)).toEqual([{ n: 1 }, { n: 2 }]);
  await clearFaults(running.stack.control);
});

test('a channel that has expired begins again', async () => {
  const channel = newChannel();
  const soon = new Date(Date.now() + 1_000).toISOString();
  const headers = { 'Content-Type': 'application/json', 'Stream-Expires-At': soon };
  await hub.request(`/channels/${channel}`, { method: 'PUT', headers });
  await expect.poll(async () => (await head(channel)).has('stream-expires-at')).toBe(false);
  await send(channel, message(channel, { n: 1 }));
  await expect.poll(() => all(channel)).toEqual([{ n: 1 }]);
});

describe('a message that can never be published', () => {
  const channel = newChannel();

  test.each([
    ['no JSON', '{', 'bad_json: the message is not valid JSON'],
    ['no channel', '{"messages":[1]}', 'bad_channel: '],
    ['a bad name', message('a//b', 1), 'bad_channel: '],
    ['no list', JSON.stringify({ channel, messages: 1 }), 'bad_request: messages must be a list'],
    [
      'another member',
      JSON.stringify({ channel, messages: [1], kind: 'x' }),
      'bad_request: a message has the members channel, messages, key, got kind',
    ],
    ['a list', '[]', 'bad_request: a message has the members channel, messages, key, got a list'],
    ['a channel of the hub', message('tidings/a', 1), 'forbidden: '],
    ['too much', message(channel, 'x'.repeat(140_000)), 'too_large: '],
    ['a bad key', JSON.stringify({ channel, messages: [1], key: '' }), 'bad_request: key must be'],
  ])(
    'goes to the dead letters with a reason, and the next one is published: %s',
    async (_name, body, reason) => {
      const next = newChannel();
      await send(next, body, message(next, { n: 1 }));
      await expect.poll(() => all(next)).toEqual([{ n: 1 }]);
      const { Messages = [] } = await sqs.send(
        new ReceiveMessageCommand({
          QueueUrl: await deadLettersUrl(),
          MessageAttributeNames: ['All'],
          MaxNumberOfMessages: 10,
        }),
      );
      const letter = Messages.find(({ Body }) => Body === body);
      expect(letter?.MessageAttributes?.Reason?.StringValue ?? '').toContain(reason);
    },
  );
});

/** Returns the URL of the queue of dead letters. */
async function deadLettersUrl(): Promise<string> {
  const queues: unknown = await (await fetch(`${running.stack.control}/queues`)).json();
  const found = (Array.isArray(queues) ? queues : []).find(({ queue: path }) =>
    path.endsWith('Intake/Messages/DeadLetters'),
  );
  return queue.replace(/[^/]+$/, String(found?.name));
}
