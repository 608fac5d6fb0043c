/**
 * The edge of a handler behind a queue: which messages of a batch are merged, and which come again.
 * @module
 */
import { describe, expect, test } from 'vitest';
import { type PushWork, parsePushWork, pushQueue } from '../../../lambda/aws/queues/push-queue.ts';
import { queueHandler } from '../../../lambda/aws/queues/queue-handler.ts';

const context = { getRemainingTimeInMillis: () => 25_000 };
const hint = (channel: string, entry: number, more: object = {}) =>
  JSON.stringify({ channel, offset: `${String(entry).padStart(12, '0')}0000`, ...more });
const job = (shard: number) => JSON.stringify({ channel: 'a', pattern: 'a/*', shard });
const eventOf = (...bodies: string[]) => ({
  Records: bodies.map((body, at) => ({ messageId: `m${at}`, body })),
});

async function run(event: unknown, failing = (_work: PushWork) => false) {
  const done: PushWork[] = [];
  const logged: unknown[] = [];
  const handler = queueHandler({
    format: pushQueue,
    lastMs: 20_000,
    async work(work) {
      if (failing(work)) throw new Error('busy');
      done.push(work);
    },
    logDefect: (error) => logged.push(error),
  });
  const { batchItemFailures } = await handler(event, context);
  return {
    done,
    logged: logged.length,
    failed: batchItemFailures.map(({ itemIdentifier }) => itemIdentifier),
  };
}

describe('a batch', () => {
  test('handles hints of one channel once, with the last offset', async () => {
    const event = eventOf(hint('a', 3), hint('b', 1), hint('a', 9, { closed: true }), hint('a', 4));
    const { done, failed } = await run(event);
    expect(done).toEqual([
      { kind: 'hint', channel: 'a', offset: { entry: 9, index: 0 }, isClosing: true },
      { kind: 'hint', channel: 'b', offset: { entry: 1, index: 0 }, isClosing: false },
    ]);
    expect(failed).toEqual([]);
  });

  test('handles each shard separately, and separately from hints', async () => {
    const { done } = await run(eventOf(job(0), job(1), job(0), hint('a', 1)));
    expect(done.map((work) => (work.kind === 'job' ? work.shard : work.kind))).toEqual([0, 1, 'hint']);
  });

  test('handles disconnect requests separately, and equal ones once', async () => {
    const expired = (connection: string) => JSON.stringify({ goodbye: 'expired', connection, at: 1 });
    const ended = JSON.stringify({ goodbye: 'ended', connection: 'c', at: 1 });
    const kicked = (at: number) => JSON.stringify({ goodbye: 'kicked', principal: 'a', at });
    const { done } = await run(
      eventOf(expired('c'), kicked(1), ended, expired('d'), kicked(2), expired('c'), kicked(1), hint('a', 1)),
    );
    expect(done).toEqual([
      { kind: 'expired', connection: 'c', at: 1 },
      { kind: 'kicked', principal: 'a', at: 1 },
      { kind: 'ended', connection: 'c', at: 1 },
      { kind: 'expired', connection: 'd', at: 1 },
      { kind: 'kicked', principal: 'a', at: 2 },
      expect.objectContaining({ kind: 'hint' }),
    ]);
  });

  test('handles delayed hints separately from hints, and those of one channel once, with the last offset', async () => {
    const delayed = (channel: string, entry: number, tries: number) =>
      JSON.stringify({ relay: channel, offset: `${String(entry).padStart(12, '0')}0000`, tries });
    const { done } = await run(
      eventOf(delayed('a', 9, 3), delayed('a', 4, 1), delayed('b', 1, 0), hint('a', 1)),
    );
    expect(done).toEqual([
      { kind: 'delayed-hint', channel: 'a', offset: { entry: 9, index: 0 }, tries: 1 },
      { kind: 'delayed-hint', channel: 'b', offset: { entry: 1, index: 0 }, tries: 0 },
      { kind: 'hint', channel: 'a', offset: { entry: 1, index: 0 }, isClosing: false },
    ]);
  });

  test('reports all messages of failed work, and no others', async () => {
    const event = eventOf(hint('a', 3), hint('b', 1), hint('a', 4));
    const { done, failed, logged } = await run(event, (work) => work.kind === 'hint' && work.channel === 'a');
    expect([done.length, failed.sort(), logged]).toEqual([1, ['m0', 'm2'], 1]);
  });

  test.each([
    '',
    'null',
    '{}',
    '[1]',
    '{"channel":"a b"}',
    '{"channel":"a","offset":"1"}',
    job(0).replace('a/*', 'a*'),
    '{"relay":"a","offset":"1","tries":0}',
    '{"relay":"a b","offset":"0000000000010000","tries":0}',
    '{"relay":"a","offset":"0000000000010000"}',
    '{"goodbye":"expired","connection":"c"}',
    '{"goodbye":"expired","principal":"c","at":1}',
    '{"goodbye":"kicked","connection":"c","at":1}',
    '{"goodbye":"waved","connection":"c","at":1}',
  ])('reports a message that the hub did not write (%j), and handles the others', async (body) => {
    const { done, failed, logged } = await run(eventOf(body, hint('b', 1)));
    expect([done.length, failed, logged]).toEqual([1, ['m0'], 1]);
  });

  test('that is none is an error of the template', async () => {
    for (const event of [undefined, {}, { Records: 'x' }]) await expect(run(event)).rejects.toThrow('batch');
  });
});

test('a sent message is parsed to the same request', () => {
  const work = { channel: 'a/b', pattern: '*', shard: 7 };
  expect(parsePushWork(JSON.stringify(work))).toEqual({ kind: 'job', ...work });
});
