/**
 * Ephemeral messages are sent to the push queue in one attempt: a call without an answer may have sent them.
 * @module
 */
import { createServer, type Server } from 'node:http';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { parsePushWork } from '../../../lambda/aws/queues/push-queue.ts';
import { ephemeralBySqs, ephemeralToShardsBySqs } from '../../../lambda/aws/queues/send-ephemeral.ts';
import type { EphemeralShard } from '../../../lambda/hub/ephemeral/post-ephemeral.ts';

const QUEUE = 'https://sqs.example/push';
const CHANNEL = 'game/7';
const MESSAGE = { channel: CHANNEL, id: 'one', at: 12, messages: ['{"x": 1.0}'] };

interface Sent {
  readonly QueueUrl: string;
  readonly MessageBody: string;
  readonly MessageGroupId: string;
  readonly Entries?: readonly Pick<Sent, 'MessageBody' | 'MessageGroupId'>[];
}

let server: Server;
let calls: Sent[] = [];
let answer: { readonly status: number; readonly body: object } | 'reset';
const before = { ...process.env };
beforeAll(async () => {
  server = createServer(async (request, response) => {
    calls.push(JSON.parse(await text(request)));
    if (answer === 'reset') request.socket.destroy();
    else response.writeHead(answer.status).end(JSON.stringify(answer.body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  Object.assign(process.env, {
    AWS_ENDPOINT_URL: `http://127.0.0.1:${port}`,
    AWS_REGION: 'eu-west-3',
    AWS_ACCESS_KEY_ID: 'A',
    AWS_SECRET_ACCESS_KEY: 'S',
  });
});
afterAll(() => {
  process.env = before;
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  calls = [];
  answer = { status: 200, body: {} };
});

test('a publish is one message, in a group of its own', async () => {
  await ephemeralBySqs(QUEUE)(MESSAGE);
  const { channel, ...part } = MESSAGE;
  expect(calls).toEqual([
    { QueueUrl: QUEUE, MessageBody: expect.any(String), MessageGroupId: `!${CHANNEL}` },
  ]);
  expect(parsePushWork(calls[0]?.MessageBody ?? '')).toEqual({
    kind: 'ephemeral',
    channel,
    parts: [{ ...part, receives: 1 }],
    shard: undefined,
  });
});

test.each([
  ['an error of the service', { status: 500, body: { __type: 'InternalError' } }],
  ['throttling', { status: 400, body: { __type: 'RequestThrottled' } }],
  ['a lost connection', 'reset'],
] as const)('after %s it is not sent again, and the caller is told', async (_name, result) => {
  answer = result;
  await expect(ephemeralBySqs(QUEUE)(MESSAGE)).rejects.toMatchObject({ code: 'unavailable' });
  expect(calls).toHaveLength(1);
});

test('each shard gets a message for each publish, ten in a call, and those that were not accepted are not sent again', async () => {
  const shards: EphemeralShard[] = Array.from({ length: 16 }, (_, shard) => ({
    pattern: 'game/*',
    shard,
    version: '1.2',
  }));
  const send = ephemeralToShardsBySqs(QUEUE);
  await send(CHANNEL, shards, [{ ...MESSAGE, receives: 1 }]);
  const entries = calls.map(({ Entries = [] }) => Entries);
  expect(entries.map(({ length }) => length)).toEqual([10, 6]);
  const works = entries.flat().map(({ MessageBody }) => parsePushWork(MessageBody));
  expect(works.map((work) => Object(work).shard)).toEqual(shards);
  calls = [];
  answer = { status: 200, body: { Failed: [{ Id: '0' }] } };
  await expect(send(CHANNEL, shards, [{ ...MESSAGE, receives: 1 }])).rejects.toMatchObject({
    code: 'unavailable',
  });
  expect(calls).toHaveLength(1);
});
