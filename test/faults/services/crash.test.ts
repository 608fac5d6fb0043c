/**
 * The store throttles, answers late or not at all, and functions crash at every await: every acknowledged message is stored
 * once, in order, and a failed publish gets an error.
 * @module
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';

import { type RunningHub, startHub } from '../../../scripts/hub/local-hub.ts';
import { clearFaults, type Fault, inject } from '../../support/wire/faults.ts';
import { saveGrants } from '../../support/wire/grants.ts';
import { type Caller, callerAt, newChannel, refusalOf, throughBusy } from '../../support/wire/wire.ts';

let running: RunningHub;
let hub: Caller;
const lines: string[] = [];
/** Longer than the three seconds after which a gap is sealed. */
const SEALED = { timeout: 30_000, interval: 100 };
const CANARY = 'canary-payload-7f3a';

beforeAll(async () => {
  running = await startHub({ log: (line) => lines.push(line) });
  hub = callerAt(running.stack.url, { Authorization: `Bearer ${running.token}` });
});
afterEach(() => clearFaults(running.stack.control));
afterAll(async () => {
  await saveGrants('faults', running.stack.control);
  await running.close();
});

const arm = (fault: Fault) => inject(running.stack.control, fault);

test('a crash at every await of append, then a retry: no acknowledged message is lost, repeated or out of order', async () => {
  const points: readonly Fault[] = [
    { function: 'Publish', at: 'invoke', effect: 'kill' },
    { function: 'Publish', at: 'before', action: 'dynamodb:UpdateItem', effect: 'kill' },
    { function: 'Publish', at: 'after', action: 'dynamodb:UpdateItem', effect: 'kill' },
    { function: 'Publish', at: 'before', action: 'dynamodb:PutItem', effect: 'kill' },
    { function: 'Publish', at: 'after', action: 'dynamodb:PutItem', effect: 'kill' },
    { function: 'Publish', at: 'response', effect: 'kill' },
  ];
  const channels = [];
  for (const point of points) {
    const channel = newChannel();
    channels.push({ channel, point });
    expect((await hub.publish(channel, 'before')).status).toBe(204);
    await arm(point);
    expect((await hub.publish(channel, 'crashed')).status, JSON.stringify(point)).toBe(500);
    for (const acknowledged of ['retry', 'after'])
      expect((await hub.publish(channel, acknowledged)).status).toBe(204);
  }
  await Promise.all(
    channels.map(async ({ channel, point }) => {
      const stored =
        point.action === 'dynamodb:PutItem' && point.at === 'after' ? true : point.at === 'response';
      const expected = stored ? ['before', 'crashed', 'retry', 'after'] : ['before', 'retry', 'after'];
      const read = async () => (await hub.readAll(channel)).messages;
      await expect.poll(read, { ...SEALED, message: JSON.stringify(point) }).toEqual(expected);
    }),
  );
});

test('a gap stops readers and is then sealed: a reader that follows sees contiguous offsets', async () => {
  const channel = newChannel();
  await hub.publish(channel, 0);
  await arm({ function: 'Publish', at: 'before', action: 'dynamodb:PutItem', effect: 'kill' });
  await hub.publish(channel, 'lost');
  await hub.publish(channel, 1);
  const seen: unknown[] = [];
  let from = '-1';
  const follow = async () => {
    const { messages, next } = await hub.readAll(channel, from);
    seen.push(...messages);
    from = next;
    return seen;
  };
  expect((await follow())[0]).toBe(0);
  await expect.poll(follow, SEALED).toEqual([0, 1]);
});

test('a crash at every await of a creation with content: everything is stored or nothing', async () => {
  for (const at of ['before', 'after'] as const) {
    for (const call of [1, 2]) {
      const channel = newChannel();
      const init = { method: 'PUT', headers: { 'Content-Type': 'application/json' }, body: '["content"]' };
      await arm({ function: 'Publish', at, action: 'dynamodb:PutItem', effect: 'kill', call });
      expect((await hub.request(`/channels/${channel}`, init)).status).toBe(500);
      expect([200, 201]).toContain((await hub.request(`/channels/${channel}`, init)).status);
      expect((await hub.readAll(channel)).messages).toEqual(['content']);
    }
  }
});

test('a publish with a key that crashed at any await is stored once after its retry, whether its slot was sealed or not', async () => {
  const points: readonly Fault[] = (
    ['dynamodb:GetItem', 'dynamodb:UpdateItem', 'dynamodb:PutItem'] as const
  ).flatMap((action) =>
    (['before', 'after'] as const).flatMap((at) =>
      (action === 'dynamodb:PutItem' ? [1, 2] : [1]).map((call) => ({
        function: 'Publish' as const,
        at,
        action,
        call,
        effect: 'kill' as const,
      })),
    ),
  );
  const runs = [];
  for (const point of points) {
    const channel = newChannel();
    const headers = { 'Content-Type': 'application/json', 'Idempotency-Key': 'k' };
    const keyed = () => hub.request(`/channels/${channel}`, { method: 'POST', headers, body: '"once"' });
    await hub.publish(channel, 'before');
    await arm(point);
    expect((await keyed()).status, JSON.stringify(point)).toBe(500);
    await hub.publish(channel, 'other');
    runs.push({ channel, keyed, point });
  }
  await Promise.all(
    runs.map(async ({ channel, keyed, point }, n) => {
      const read = async () => (await hub.readAll(channel)).messages;
      // Every second one is retried only after readers have sealed the slot that it left empty.
      if (n % 2 === 0) await expect.poll(read, SEALED).toContain('other');
      expect((await keyed()).status, JSON.stringify(point)).toBe(204);
      expect((await keyed()).status).toBe(204);
      await expect.poll(async () => (await read()).toSorted(), SEALED).toEqual(['before', 'once', 'other']);
    }),
  );
});

describe('a store that is throttled', () => {
  const throttle = { status: 400, type: 'ProvisionedThroughputExceededException', message: 'CANARY table' };

  test.each([
    ['Publish', 'dynamodb:UpdateItem'],
    ['Publish', 'dynamodb:PutItem'],
    ['Read', 'dynamodb:GetItem'],
    ['Read', 'dynamodb:Query'],
  ] as const)(
    '%s, %s: 503 with Retry-After, nothing is written in part, and it works again afterwards',
    async (handler, action) => {
      const channel = newChannel();
      await hub.publish(channel, 'before');
      await arm({ function: handler, at: 'before', action, effect: throttle, times: 3 });
      const response =
        handler === 'Publish' ? await hub.publish(channel, 'refused') : await hub.read(channel);
      expect(response.headers.get('Retry-After')).toBe('1');
      expect(await refusalOf(response)).toEqual([503, 'unavailable']);
      await clearFaults(running.stack.control);
      // A caller follows Retry-After.
      await throughBusy(() => hub.publish(channel, 'after'));
      const read = async () => (await hub.readAll(channel)).messages;
      await expect.poll(read, SEALED).toEqual(['before', 'after']);
    },
  );

  test('once or twice is hidden from the caller', async () => {
    const channel = newChannel();
    await arm({ function: 'Publish', at: 'before', action: 'dynamodb:PutItem', effect: throttle, times: 2 });
    expect((await hub.publish(channel, 1)).status).toBe(204);
    expect((await hub.readAll(channel)).messages).toEqual([1]);
  });
});

describe('a late answer of the store', () => {
  /** Longer than the SDK waits for one attempt: it tries again, and finds its own write. In milliseconds. */
  const late = { delayMs: 1_200 };

  test('to a publisher: the publish is acknowledged, and stored once', async () => {
    const channel = newChannel();
    await arm({ function: 'Publish', at: 'after', action: 'dynamodb:PutItem', effect: late });
    expect((await hub.publish(channel, 'once')).status).toBe(204);
    expect((await hub.readAll(channel)).messages).toEqual(['once']);
  });

  test('to a reader that seals a gap: the gap is sealed', async () => {
    const channel = newChannel();
    await hub.publish(channel, 0);
    await arm({ function: 'Publish', at: 'before', action: 'dynamodb:PutItem', effect: 'kill' });
    await hub.publish(channel, 'lost');
    await hub.publish(channel, 1);
    await arm({ function: 'Read', at: 'after', action: 'dynamodb:PutItem', effect: late });
    await expect.poll(async () => (await hub.readAll(channel)).messages, SEALED).toEqual([0, 1]);
  });
});

test('the answer to a defect says nothing about it, and the log has it for the operator', async () => {
  const fault = { status: 400, type: 'ValidationException', message: 'CANARY table tidings-secret' };
  await arm({ function: 'Read', at: 'before', action: 'dynamodb:GetItem', effect: fault });
  const response = await hub.read(newChannel());
  const text = await response.text();
  expect([response.status, JSON.parse(text).error.code]).toEqual([500, 'internal']);
  expect(text).not.toMatch(/CANARY|Validation|dynamodb/i);
  await expect.poll(() => lines.some((line) => line.includes('CANARY table'))).toBe(true);
});

test('logs contain neither tokens nor messages', async () => {
  const channel = newChannel();
  await hub.publish(channel, CANARY);
  await hub.request(`/channels/${channel}`, {
    method: 'POST',
    headers: { 'Content-Type': 'text/plain' },
    body: CANARY,
  });
  await arm({
    function: 'Publish',
    at: 'before',
    effect: { status: 400, type: 'ValidationException', message: 'x' },
  });
  await hub.publish(channel, CANARY);
  await expect.poll(() => lines.some((line) => line.includes(channel))).toBe(true);
  expect(lines.filter((line) => line.includes(CANARY) || line.includes(running.token))).toEqual([]);
});
