/**
 * Ephemeral messages are sent to the push queue in one attempt: a call without an answer may have sent them.
 * @module
 */
import { beforeEach, expect, test } from 'vitest';
import { parsePushWork } from '../../../lambda/aws/queues/push-queue.ts';
import { ephemeralBySqs, ephemeralToShardsBySqs } from '../../../lambda/aws/queues/send-ephemeral.ts';
import type { EphemeralShard } from '../../../lambda/hub/ephemeral/post-ephemeral.ts';
import { loopback } from '../../support/network/aws-loopback.ts';

const QUEUE = 'https://sqs.example/push';
const CHANNEL = 'game/7';
const MESSAGE = { channel: CHANNEL, id: 'one', at: 12, messages: ['{"x": 1.0}'] };

interface Sent {
  readonly QueueUrl: string;
  readonly MessageBody: string;
  readonly MessageGroupId: string;
  readonly Entries?: readonly Pick<Sent, 'MessageBody' | 'MessageGroupId'>[];
}

const { requests, answer } = loopback();
const calls = (): Sent[] => requests.map(({ body }) => JSON.parse(body));
const answerWith = (status: number, body: object) =>
  answer((response) => response.writeHead(status).end(JSON.stringify(body)));
beforeEach(() => {
  requests.length = 0;
  answerWith(200, {});
});

test('a publish is one message, in a group of its own', async () => {
  await ephemeralBySqs(QUEUE)(MESSAGE);
  const { channel, ...part } = MESSAGE;
  expect(calls()).toEqual([
    { QueueUrl: QUEUE, MessageBody: expect.any(String), MessageGroupId: `!${CHANNEL}` },
  ]);
  expect(parsePushWork(calls()[0]?.MessageBody ?? '')).toEqual({
    kind: 'ephemeral',
    channel,
    parts: [{ ...part, receives: 1 }],
    shard: undefined,
  });
});

test.each([
  ['an error of the service', () => answerWith(500, { __type: 'InternalError' })],
  ['throttling', () => answerWith(400, { __type: 'RequestThrottled' })],
  ['a lost connection', () => answer((response) => response.destroy())],
] as const)('after %s it is not sent again, and the caller is told', async (_name, fail) => {
  fail();
  await expect(ephemeralBySqs(QUEUE)(MESSAGE)).rejects.toMatchObject({ code: 'unavailable' });
  expect(calls()).toHaveLength(1);
});

test('each shard gets a message for each publish, ten in a call, and those that were not accepted are not sent again', async () => {
  const shards: EphemeralShard[] = Array.from({ length: 16 }, (_, shard) => ({
    pattern: 'game/*',
    shard,
    version: '1.2',
  }));
  const send = ephemeralToShardsBySqs(QUEUE);
  await send(CHANNEL, shards, [{ ...MESSAGE, receives: 1 }]);
  const entries = calls().map(({ Entries = [] }) => Entries);
  expect(entries.map(({ length }) => length)).toEqual([10, 6]);
  const works = entries.flat().map(({ MessageBody }) => parsePushWork(MessageBody));
  expect(works.map((work) => Object(work).shard)).toEqual(shards);
  requests.length = 0;
  answerWith(200, { Failed: [{ Id: '0' }] });
  await expect(send(CHANNEL, shards, [{ ...MESSAGE, receives: 1 }])).rejects.toMatchObject({
    code: 'unavailable',
  });
  expect(calls()).toHaveLength(1);
});
