/**
 * The push when things break: processes that crash, posts that fail, connections whose end is not reported, and a table that answers
 * late (PROTOCOL.md §12.4).
 * @module
 */

import { setTimeout as wait } from 'node:timers/promises';
import { DynamoDBClient, ScanCommand } from '@aws-sdk/client-dynamodb';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { CALM } from '../../../local/faults/chaos.ts';
import { type RunningHub, startHub } from '../../../scripts/hub/local-hub.ts';
import { seededRandom } from '../../support/domain/random.ts';
import { clearFaults, type Fault, inject } from '../../support/wire/faults.ts';
import { saveGrants } from '../../support/wire/grants.ts';
import { type Listener, listen } from '../../support/wire/listener.ts';
import { type Caller, callerAt, newChannel } from '../../support/wire/wire.ts';

const LOST_DISCONNECTS = 0.2;
const SEED = Number(process.env.FUZZ_SEED ?? Date.now() % 1_000_000);
const numbers = (to: number) => Array.from({ length: to }, (_, at) => at);

let running: RunningHub;
let hub: Caller;
const lines: string[] = [];
beforeAll(async () => {
  running = await startHub({
    chaos: { ...CALM, lostDisconnects: LOST_DISCONNECTS },
    log: (line) => lines.push(line),
  });
  hub = callerAt(running.stack.url, { Authorization: `Bearer ${running.token}` });
});
afterEach(() => clearFaults(running.stack.control));
afterAll(async () => {
  await saveGrants('push', running.stack.control);
  await running.close();
});

const arm = (fault: Fault) => inject(running.stack.control, fault);
const subscribed = (channel: string, offset?: string): Promise<Listener> =>
  listen(running.stack.socketUrl ?? '', running.token, channel, offset);

/** Returns all rows of the table of subscribers, by their kind. */
async function rows(): Promise<{ pattern: string; connection: string }[]> {
  const { endpoint, region, accessKeyId, secretAccessKey } = running.stack.aws;
  const client = new DynamoDBClient({ endpoint, region, credentials: { accessKeyId, secretAccessKey } });
  const exported = Object.entries(running.stack.outputs).find(([name]) =>
    /RefListenersSubscribers/.test(name),
  );
  const { Items = [] } = await client.send(
    new ScanCommand({ TableName: exported?.[1], ConsistentRead: true }),
  );
  return Items.map(({ pattern, connection }) => ({
    pattern: pattern?.S ?? '',
    connection: connection?.S ?? '',
  }));
}

describe('a push that crashes', () => {
  test('at any call: another process takes over, every message arrives, and no frame breaks the gap rule', async () => {
    const calls: Pick<Fault, 'at' | 'action' | 'resource'>[] = [
      { at: 'after', action: 'dynamodb:UpdateItem', resource: 'Cursors' },
      { at: 'after', action: 'execute-api:ManageConnections' },
      { at: 'before', action: 'dynamodb:UpdateItem', resource: 'Cursors' },
    ];
    const channels = calls.map(() => newChannel());
    const listeners = await Promise.all(channels.map((channel) => subscribed(channel)));
    // One after the other, so that each fault hits the push of its own channel.
    for (const [at, call] of calls.entries()) {
      const channel = channels[at] ?? '';
      const nth = call.at === 'before' ? { call: 2 } : {};
      await arm({ function: 'Push', effect: 'kill', ...call, ...nth });
      for (const n of numbers(5)) await hub.publish(channel, n);
    }
    // The next publish after the end of the lease wakes the process that takes over.
    let published = 5;
    const isAll = async () => {
      for (const channel of channels) await hub.publish(channel, published);
      published++;
      return listeners.map(({ taken }) => taken.length >= published - 1);
    };
    await expect.poll(isAll, { timeout: 60_000, interval: 1_000 }).toEqual(channels.map(() => true));
    for (const { taken, breaks } of listeners) {
      expect(breaks).toEqual([]);
      expect(taken).toEqual(numbers(taken.length));
    }
    await Promise.all(listeners.map((listener) => listener.close()));
  });
});

test('a push that fails leaves its message in the queue and a line in its log, and the next push delivers', async () => {
  const channel = newChannel();
  const listener = await subscribed(channel);
  const effect = { status: 400, type: 'ValidationException', message: 'CANARY' };
  await arm({ function: 'Push', at: 'before', action: 'dynamodb:GetItem', resource: 'Channels', effect });
  await hub.publish(channel, 0);
  await expect.poll(() => lines.some((line) => line.includes('Push') && line.includes('CANARY'))).toBe(true);
  expect(listener.taken).toEqual([]);
  await hub.publish(channel, 1);
  await expect.poll(() => listener.taken).toEqual([0, 1]);
  expect(listener.breaks).toEqual([]);
  await listener.close();
});

describe('posts that fail', () => {
  test.each([
    [
      '429: nothing was sent, and the post is repeated',
      { status: 429, type: 'LimitExceededException', message: 'x' },
    ],
    ['500: the frame may have been sent', { status: 500, type: 'InternalServerException', message: 'x' }],
  ])('%s', async (_name, effect) => {
    const channel = newChannel();
    const listener = await subscribed(channel);
    await arm({ function: 'Push', at: 'before', action: 'execute-api:ManageConnections', effect, times: 5 });
    for (const n of numbers(10)) await hub.publish(channel, n);
    await expect.poll(() => listener.taken).toEqual(numbers(10));
    expect(listener.breaks).toEqual([]);
    await listener.close();
  });

  test('after they arrived: the frame comes again, and the gap rule drops it', async () => {
    const channel = newChannel();
    const listener = await subscribed(channel);
    const effect = { status: 500, type: 'InternalServerException', message: 'x' };
    await arm({ function: 'Push', at: 'after', action: 'execute-api:ManageConnections', effect });
    await hub.publish(channel, 0);
    await hub.publish(channel, 1);
    await expect.poll(() => [listener.taken, listener.dropped()]).toEqual([[0, 1], 1]);
    expect(listener.breaks).toEqual([]);
    await listener.close();
  });
});

test('connections whose end was not reported leave no row after the next publish to them', async () => {
  const channel = newChannel();
  const listeners = await Promise.all(numbers(40).map(() => subscribed(channel)));
  const before = await rows();
  const ours = before.filter(({ pattern }) => pattern === `${channel}#0`).map(({ connection }) => connection);
  expect(ours).toHaveLength(40);
  await Promise.all(listeners.map((listener) => listener.close()));
  // The rows of reported connections are removed at once. The others stay until the next post to them.
  await expect
    .poll(async () => (await rows()).filter(({ pattern }) => pattern === `${channel}#0`).length)
    .toBeLessThan(20);
  expect((await rows()).some(({ connection }) => ours.includes(connection))).toBe(true);
  await hub.publish(channel, 'anyone?');
  await expect
    .poll(async () => (await rows()).filter(({ connection }) => ours.includes(connection)))
    .toEqual([]);
});

/** About as long as the publishes take, in milliseconds. */
const JOIN_WITHIN_MS = 8_000;

/** Attempts at a request that a busy store refuses, and the longest pause between two, in milliseconds. */
const ATTEMPTS = 12;
const LONGEST_PAUSE_MS = 8_000;

/** A busy store refuses requests. They are repeated as clients do it: after a longer pause each time, and not all at once. */
async function untilTaken<T>(ask: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await ask();
    } catch (error) {
      if (attempt === ATTEMPTS) throw error;
      await wait(Math.min(LONGEST_PAUSE_MS, 500 * 2 ** attempt) * (0.5 + Math.random() / 2));
    }
  }
}

async function publishOnce(channel: string, n: number): Promise<void> {
  const response = await hub.request(`/channels/${channel}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'Idempotency-Key': String(n) },
    body: JSON.stringify([n]),
  });
  if (!response.ok) throw new Error(`publish answered ${response.status}: ${await response.text()}`);
}

test('two hundred sockets that subscribe at random moments under load get contiguous frames', async () => {
  const channel = newChannel();
  const random = seededRandom(SEED);
  const published = 150;
  const publishing = (async () => {
    for (const n of numbers(published)) {
      await untilTaken(() => publishOnce(channel, n));
      await wait(random() * 80);
    }
  })();
  const joining = numbers(200).map(async () => {
    await wait(random() * JOIN_WITHIN_MS);
    const offset = random() < 0.5 ? '-1' : 'now';
    return await untilTaken(() => subscribed(channel, offset));
  });
  const listeners = await Promise.all(joining);
  await publishing;
  const last = published - 1;
  const late = () => listeners.filter(({ taken }) => taken.length > 0 && taken.at(-1) !== last).length;
  await expect.poll(late, { timeout: 60_000 }).toBe(0);
  // A frame may come twice if the machine is so busy that a post or a call of the store is not answered in time.
  for (const { taken, breaks } of listeners) {
    expect(breaks, `seed ${SEED}`).toEqual([]);
    expect(taken, `seed ${SEED}`).toEqual(numbers(published).slice(published - taken.length));
  }
  await Promise.all(listeners.map((listener) => listener.close()));
});

describe('a gap before new messages', () => {
  test('is sealed by the push, without another publish to the channel', async () => {
    const channel = newChannel();
    const listener = await subscribed(channel);
    await hub.publish(channel, 0);
    await arm({ function: 'Publish', at: 'before', action: 'dynamodb:PutItem', effect: 'kill' });
    await hub.publish(channel, 'lost');
    await hub.publish(channel, 1);
    // The answer to the write of the tombstone is late: the SDK repeats the write, which finds the first one.
    await arm({ function: 'Push', at: 'after', action: 'dynamodb:PutItem', effect: { delayMs: 1_200 } });
    await expect.poll(() => listener.taken).toEqual([0, 1]);
    expect(listener.breaks).toEqual([]);
    await listener.close();
  });
});

describe('the socket handler', () => {
  /** Opens a socket that sends one frame at a time. */
  async function talk(): Promise<{ say: (frame: object) => Promise<unknown>; close: () => void }> {
    const socket = new WebSocket(running.stack.socketUrl ?? '', ['tidings.v1', `bearer.${running.token}`]);
    await new Promise((resolve, reject) => {
      socket.on('open', resolve);
      socket.on('error', reject);
    });
    return {
      say: (frame) =>
        new Promise((resolve) => {
          socket.once('message', (data) => resolve(JSON.parse(String(data))));
          socket.send(JSON.stringify(frame));
        }),
      close: () => socket.close(),
    };
  }

  test('crashes between claim and write: the retry with the key is stored once, whether the slot was sealed or not', async () => {
    for (const isSealed of [false, true]) {
      const channel = newChannel();
      const { say, close } = await talk();
      const keyed = { action: 'publish', channel, messages: ['keyed'], key: 'k' };
      await say({ action: 'publish', channel, messages: ['first'] });
      await arm({
        function: 'Socket',
        at: 'before',
        action: 'dynamodb:PutItem',
        resource: 'Entries',
        effect: 'kill',
      });
      expect(await say(keyed)).toMatchObject({ message: 'Internal server error' });
      if (isSealed) {
        await say({ action: 'publish', channel, messages: ['beyond'] });
        const read = async () => (await hub.readAll(channel)).messages;
        await expect.poll(read).toEqual(['first', 'beyond']);
      }
      expect(await say(keyed)).toMatchObject({ type: 'published' });
      expect(await say(keyed)).toMatchObject({ type: 'published' });
      const expected = isSealed ? ['first', 'beyond', 'keyed'] : ['first', 'keyed'];
      expect((await hub.readAll(channel)).messages).toEqual(expected);
      close();
    }
  });

  test('gets the answer to a write too late: the publish is acknowledged, and stored once', async () => {
    const channel = newChannel();
    const { say, close } = await talk();
    await arm({
      function: 'Socket',
      at: 'after',
      action: 'dynamodb:PutItem',
      resource: 'Entries',
      effect: { delayMs: 1_200 },
    });
    expect(await say({ action: 'publish', channel, messages: [1] })).toMatchObject({ type: 'published' });
    expect((await hub.readAll(channel)).messages).toEqual([1]);
    close();
  });

  test('answers a defect without details, keeps the socket open, and logs the defect without the token', async () => {
    const { say, close } = await talk();
    const effect = { status: 400, type: 'ValidationException', message: 'CANARY of the handler' };
    await arm({ function: 'Socket', at: 'before', action: 'dynamodb:GetItem', effect });
    const answer = await say({ action: 'subscribe', channel: newChannel(), id: 'a' });
    expect(answer).toMatchObject({ type: 'error', id: 'a', code: 'internal' });
    expect(JSON.stringify(answer)).not.toMatch(/CANARY|Validation|dynamodb/i);
    const logged = () => lines.filter((line) => line.includes('CANARY of the handler'));
    await expect.poll(() => logged().length).toBe(1);
    expect(lines.filter((line) => line.includes(running.token))).toEqual([]);
    expect(await say({ action: 'ping' })).toMatchObject({ type: 'pong' });
    close();
  });

  test('answers an error if it cannot send a hint, and the retry sends it', async () => {
    const channel = newChannel();
    const listener = await subscribed(channel);
    const { say, close } = await talk();
    const effect = { status: 400, type: 'ThrottlingException', message: 'x' };
    for (const action of ['sns:Publish', 'sqs:SendMessage'])
      await arm({ function: 'Socket', at: 'before', action, effect, times: 9 });
    const keyed = { action: 'publish', channel, messages: ['once'], key: 'k' };
    expect(await say(keyed)).toMatchObject({ type: 'error', code: 'unavailable' });
    await clearFaults(running.stack.control);
    expect(await say(keyed)).toMatchObject({ type: 'published' });
    await expect.poll(() => listener.taken).toEqual(['once']);
    expect((await hub.readAll(channel)).messages).toEqual(['once']);
    await listener.close();
    close();
  });
});
