/**
 * Ephemeral messages in the push queue: their bodies, what is posted together, and what SQS counts.
 * @module
 */
import { describe, expect, test } from 'vitest';
import { ephemeralBody } from '../../../lambda/aws/queues/ephemeral-messages.ts';
import { parsePushWork, pushQueue } from '../../../lambda/aws/queues/push-queue.ts';
import { queueHandler } from '../../../lambda/aws/queues/queue-handler.ts';
import { batchesOf } from '../../../lambda/aws/queues/send-ephemeral.ts';
import { MAX_EPHEMERAL_BYTES } from '../../../protocol/limits.ts';

const SHARD = { pattern: 'game/*', shard: 3, version: '17.4' };
const outgoing = (id: string, ...messages: string[]) => ({ channel: 'game/7', id, at: 12, messages });
const MAX_QUEUE_BYTES = 256 * 1024;

describe('a body', () => {
  test('survives with every character', () => {
    const sent = outgoing('a', '{"n": 1.0e2,"é":"\u{1f600}\ufffe\\n"}', '9007199254740993');
    const body = ephemeralBody(sent);
    expect(body).toMatch(/^[\x20-\x7e]+$/);
    const { channel, ...part } = sent;
    expect(parsePushWork(body)).toEqual({
      kind: 'ephemeral',
      channel,
      parts: [{ ...part, receives: 1 }],
      shard: undefined,
    });
    expect(parsePushWork(ephemeralBody(sent, SHARD))).toMatchObject({ kind: 'ephemeral', shard: SHARD });
  });

  test('is one that SQS accepts, whatever the characters', () => {
    for (const character of ['x', '"', '\\', 'é', '\u007f', '\ud83d\ude00']) {
      const size = new TextEncoder().encode(character).byteLength;
      const message = character.repeat(MAX_EPHEMERAL_BYTES / size);
      expect(ephemeralBody(outgoing('a', message), SHARD).length).toBeLessThan(MAX_QUEUE_BYTES);
    }
  });

  test.each([
    { ephemeral: 'a b', id: 'a', at: 1, messages: [] },
    { ephemeral: 'a', at: 1, messages: [] },
    { ephemeral: 'a', id: 'a', messages: [] },
    { ephemeral: 'a', id: 'a', at: 1 },
    { ephemeral: 'a', id: 'a', at: 1, messages: [], pattern: 'a*', shard: 0, version: '1' },
    { ephemeral: 'a', id: 'a', at: 1, messages: [], pattern: 'a', shard: 0 },
  ])('that the hub did not write is a defect: %j', (body) => {
    expect(() => parsePushWork(JSON.stringify(body))).toThrow('the ephemeral message');
  });
});

describe('a batch of the queue', () => {
  const recordOf = (body: string, at: number, receives = 1) => ({
    messageId: `m${at}`,
    body,
    attributes: { ApproximateReceiveCount: String(receives) },
  });

  async function run(records: readonly object[], fails = false) {
    const done: unknown[] = [];
    const handler = queueHandler({
      format: pushQueue,
      lastMs: 1,
      async work(work) {
        if (fails) throw new Error('busy');
        done.push(work);
      },
      logDefect: () => {},
    });
    const answer = await handler({ Records: records }, { getRemainingTimeInMillis: () => 1_000 });
    return { done, failed: answer.batchItemFailures.length };
  }

  test('is posted together for each channel, with the number of receives of each message', async () => {
    const other = { ...outgoing('c', '3'), channel: 'game/8' };
    const { done, failed } = await run([
      recordOf(ephemeralBody(outgoing('a', '1')), 0),
      recordOf(ephemeralBody(other), 1),
      recordOf(ephemeralBody(outgoing('b', '2')), 2, 3),
      recordOf(JSON.stringify({ channel: 'game/7', offset: '0000000000010000' }), 3),
    ]);
    const part = (id: string, message: string, receives: number) => ({
      id,
      at: 12,
      messages: [message],
      receives,
    });
    expect(done).toEqual([
      {
        kind: 'ephemeral',
        channel: 'game/7',
        parts: [part('a', '1', 1), part('b', '2', 3)],
        shard: undefined,
      },
      { kind: 'ephemeral', channel: 'game/8', parts: [part('c', '3', 1)], shard: undefined },
      expect.objectContaining({ kind: 'hint', channel: 'game/7' }),
    ]);
    expect(failed).toBe(0);
  });

  test('is posted separately for each shard', async () => {
    const bodies = [SHARD, { ...SHARD, shard: 4 }, SHARD].map((shard, at) =>
      ephemeralBody(outgoing(String(at), '1'), shard),
    );
    const { done } = await run(bodies.map((body, at) => recordOf(body, at)));
    expect(done.map((work) => Object(work).parts.length)).toEqual([2, 1]);
  });

  test('comes again after a failure, and is counted then', async () => {
    const body = ephemeralBody(outgoing('a', '1'));
    expect((await run([recordOf(body, 0)], true)).failed).toBe(1);
    expect((await run([recordOf(body, 0, 2)])).done).toMatchObject([{ parts: [{ receives: 2 }] }]);
  });
});

test('the bodies of one call are ten at most, and together what SQS accepts', () => {
  const small = Array.from({ length: 25 }, () => 'x');
  expect(batchesOf(small).map(({ length }) => length)).toEqual([10, 10, 5]);
  const large = Array.from({ length: 5 }, () => 'x'.repeat(100_000));
  expect(batchesOf(large).map(({ length }) => length)).toEqual([2, 2, 1]);
  expect(batchesOf(['x'.repeat(MAX_QUEUE_BYTES), 'y']).map(({ length }) => length)).toEqual([1, 1]);
  expect(batchesOf([])).toEqual([]);
});
