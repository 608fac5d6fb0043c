/**
 * The edge of deliver: what becomes of the messages that wake it, and what travels through the queues of webhooks.
 * @module
 */
import { beforeEach, describe, expect, test } from 'vitest';
import { taskItem } from '../../../lambda/aws/dynamodb/deliveries-table.ts';
import { wakeHandler } from '../../../lambda/aws/queues/wake-handler.ts';
import {
  dispatchQueue,
  parseDeliverWork,
  parseDispatchWork,
  type WakeRequest,
  wakesBySqs,
} from '../../../lambda/aws/queues/webhook-messages.ts';
import type { RangeTask } from '../../../lambda/webhook/delivery/delivery-task.ts';
import type { WakeMessage, WakeOutcome } from '../../../lambda/webhook/delivery/ownership.ts';
import { fieldsOf } from '../../../protocol/fields.ts';
import { loopback } from '../../support/network/aws-loopback.ts';

const HOUR = 3_600_000;
const context = { getRemainingTimeInMillis: () => 60_000 };

const { url, requests, answer } = loopback();
/** What SQS was asked. */
const hidden = (): Readonly<Record<string, unknown>>[] =>
  requests.map(({ body }) => fieldsOf(JSON.parse(body)));
beforeEach(() => {
  requests.length = 0;
});

interface Sent {
  readonly ageMs?: number;
  readonly receives?: number;
}

const recordOf = (id: string, body: string, { ageMs = 0, receives = 1 }: Sent = {}) => ({
  messageId: id,
  receiptHandle: `handle-${id}`,
  body,
  attributes: { SentTimestamp: String(Date.now() - ageMs), ApproximateReceiveCount: String(receives) },
});
const wakeOf = (endpoint: string) => JSON.stringify({ endpoint });

async function run(
  records: readonly object[],
  serve: (work: WakeRequest, wake: WakeMessage) => Promise<WakeOutcome>,
) {
  const renewed: [string, number, string | undefined][] = [];
  const logged: unknown[] = [];
  const handler = wakeHandler({
    queueUrl: `${url()}/queue/deliveries`,
    lastMs: 25_000,
    serve,
    renew: async (...wake) => void renewed.push(wake),
    logDefect: (error) => logged.push(error),
  });
  const { batchItemFailures } = await handler({ Records: records }, context);
  return { kept: batchItemFailures.map(({ itemIdentifier }) => itemIdentifier), renewed, logged };
}

describe('a wake', () => {
  test('is gone when there is nothing more to do, and hidden until there is', async () => {
    const { kept } = await run(
      [recordOf('m1', wakeOf('ep_1')), recordOf('m2', wakeOf('ep_2'))],
      async ({ endpoint }) =>
        endpoint === 'ep_1' ? { kind: 'done' } : { kind: 'later', at: Date.now() + HOUR },
    );
    expect(kept).toEqual(['m2']);
    expect(hidden()).toMatchObject([{ ReceiptHandle: 'handle-m2' }]);
    expect(Number(hidden()[0]?.VisibilityTimeout)).toBeGreaterThan(3_590);
    expect(Number(hidden()[0]?.VisibilityTimeout)).toBeLessThanOrEqual(3_600);
  });

  test.each([
    [-5_000, 0],
    [100 * HOUR, 12 * 3_600 - 120],
  ])('that is due in %i ms is hidden for as long as SQS takes', async (ms, seconds) => {
    await run([recordOf('m1', wakeOf('ep_1'))], async () => ({ kind: 'later', at: Date.now() + ms }));
    expect(hidden()).toMatchObject([{ VisibilityTimeout: seconds }]);
  });

  test.each([
    [{}, false],
    [{ ageMs: 23 * HOUR, receives: 50 }, false],
    [{ ageMs: 25 * HOUR }, true],
    [{ receives: 51 }, true],
  ])('%j is old: %s', async (sent, isOld) => {
    const wakes: WakeMessage[] = [];
    await run([recordOf('m1', wakeOf('ep_1'), sent)], async (_work, wake) => {
      wakes.push(wake);
      return { kind: 'done' };
    });
    expect(wakes).toEqual([{ id: 'm1', isOld, tasks: [] }]);
  });

  test('is replaced where that is asked for, and its message is gone', async () => {
    const { kept, renewed } = await run([recordOf('m1', wakeOf('ep_1'))], async () => ({
      kind: 'renew',
      at: Date.now(),
      id: 'm1',
    }));
    expect([kept, renewed.map(([endpoint, , id]) => [endpoint, id]), hidden()]).toEqual([
      [],
      [['ep_1', 'm1']],
      [],
    ]);
  });

  test('that takes the place of another one has its id', async () => {
    const wakes: WakeMessage[] = [];
    await run([recordOf('m2', '{"endpoint":"ep_1","id":"m1"}')], async (_work, wake) => {
      wakes.push(wake);
      return { kind: 'done' };
    });
    expect(wakes).toEqual([{ id: 'm1', isOld: false, tasks: [] }]);
  });

  test('that fails, or cannot be read, comes again by itself and holds up no other', async () => {
    const records = ['nonsense', '{}', '{"endpoint":7}', wakeOf('ep_1'), wakeOf('ep_2')].map((body, at) =>
      recordOf(`m${at}`, body),
    );
    const { kept, logged } = await run(records, async ({ endpoint }) => {
      if (endpoint === 'ep_1') throw new Error('defect');
      return { kind: 'done' };
    });
    expect([kept, logged.length, hidden()]).toEqual([['m0', 'm1', 'm2', 'm3'], 4, []]);
  });
});

test('what is not a batch is a defect of the wiring', async () => {
  await expect(run([], async () => ({ kind: 'done' }))).resolves.toMatchObject({ kept: [] });
  const handler = wakeHandler({
    queueUrl: '',
    lastMs: 0,
    serve: async () => ({ kind: 'done' }),
    renew: async () => {},
    logDefect: () => {},
  });
  await expect(handler({}, context)).rejects.toThrow('not a batch');
  await expect(handler({ Records: [] }, {})).rejects.toThrow('not the context');
});

const RANGE: RangeTask = {
  kind: 'range',
  id: 'stream#1#2',
  due: 1_700_000_000_000,
  channel: 'a/b',
  streamId: 'stream',
  from: { entry: 7, index: 12 },
  to: { entry: 8, index: 0 },
  since: 3,
  run: '',
};

test('wakes of the same moment share a call of SQS, and all of a call that was not accepted whole are sent again', async () => {
  const wake = wakesBySqs(`${url()}/queue/deliveries`);
  const all = Array.from({ length: 12 }, (_, nth) => wake(`ep_${nth}`, nth === 0 ? [RANGE] : []));
  await Promise.all(all);
  // The calls may arrive in any order.
  const calls = hidden().map(({ Entries }) => (Array.isArray(Entries) ? Entries.map(fieldsOf) : []));
  expect(calls.map(({ length }) => length).toSorted()).toEqual([10, 2]);
  const sent = calls
    .flat()
    .map(({ MessageBody, MessageGroupId }) => [
      parseDeliverWork(String(MessageBody)).endpoint,
      MessageGroupId,
    ]);
  const wanted = all.map((_, nth) => [`ep_${nth}`, `ep_${nth}`]);
  expect(sent.toSorted()).toEqual(wanted.toSorted());
  answer((response) => response.end('{"Failed":[{"Id":"1","Code":"x","SenderFault":false}]}'));
  const refused = await Promise.allSettled([wake('ep_1'), wake('ep_2')]);
  answer((response) => response.end('{}'));
  expect(refused).toMatchObject([
    { status: 'rejected', reason: { code: 'unavailable' } },
    { status: 'rejected', reason: { code: 'unavailable' } },
  ]);
  await wake('ep_1');
  expect(hidden()).toHaveLength(4);
});

describe('what the queues carry', () => {
  test.each([
    ['{"channel":"a/b","offset":"0000000000010000"}', { kind: 'channel', channel: 'a/b' }],
    ['{"look":"a/b"}', { kind: 'channel', channel: 'a/b' }],
    [
      '{"channel":"a/b","offset":"0000000000010000","entry":{"stream":"s","slot":7,"time":1,"type":"text/plain","messages":[]}}',
      { kind: 'channel', channel: 'a/b', written: { streamId: 's', slots: [7] } },
    ],
    ['{"wake":"ep_1"}', { kind: 'wake', endpoint: 'ep_1' }],
    ['{"wake":"ep_1","id":"m1"}', { kind: 'wake', endpoint: 'ep_1', id: 'm1' }],
    ['{"notice":{"type":"webhook.failing"}}', { kind: 'notice', notice: { type: 'webhook.failing' } }],
  ])('to dispatch: %s', (body, work) => {
    expect(parseDispatchWork(body)).toEqual(work);
  });

  test.each([
    '',
    'null',
    '[]',
    '{}',
    '{"channel":"a//b"}',
    '{"channel":7}',
    '{"wake":7}',
    '{"notice":{}}',
    '{"notice":"x"}',
  ])('nobody of the hub wrote to dispatch: %s', (body) => {
    expect(() => parseDispatchWork(body)).toThrow();
  });

  test('to deliver: wakes, and dead letters that are tried again', () => {
    expect(parseDeliverWork('{"endpoint":"ep_1"}')).toEqual({ endpoint: 'ep_1', tasks: [] });
    expect(parseDeliverWork('{"endpoint":"ep_1","id":"m1"}')).toEqual({
      endpoint: 'ep_1',
      tasks: [],
      id: 'm1',
    });
    expect(parseDeliverWork('{"endpoint":"ep_1","delivery":"msg_1"}')).toEqual({
      endpoint: 'ep_1',
      deadLetter: 'msg_1',
      tasks: [],
    });
  });

  test('to deliver: the tasks of a wake, as they were sent', () => {
    const body = JSON.stringify({ endpoint: 'ep_1', tasks: [taskItem(RANGE)] });
    expect(parseDeliverWork(body)).toStrictEqual({
      endpoint: 'ep_1',
      deadLetter: undefined,
      tasks: [RANGE],
      id: undefined,
    });
  });

  test.each([
    '{}',
    '{"endpoint":""}',
    '{"endpoint":"ep_1","tasks":{}}',
    '{"endpoint":"ep_1","tasks":[{}]}',
    '{"endpoint":"ep_1","tasks":[null]}',
    '{"endpoint":"ep_1","tasks":[{"kind":"test","id":"t","due":1}]}',
  ])('nobody of the hub wrote to deliver: %s', (body) => {
    expect(() => parseDeliverWork(body)).toThrow();
  });

  test('hints of a channel in one batch are one look, which knows all slots that were written in a stream', () => {
    const hint = (stream: string, slot: number) =>
      parseDispatchWork(
        JSON.stringify({ channel: 'a', entry: { stream, slot, time: 1, type: 'text/plain', messages: [] } }),
      );
    const { merge } = dispatchQueue;
    const both = merge(hint('s', 1), hint('s', 3));
    expect(both).toEqual({ kind: 'channel', channel: 'a', written: { streamId: 's', slots: [1, 3] } });
    // Only the log knows both streams, and what a hint without an entry stands for.
    const unknown = { kind: 'channel', channel: 'a', written: undefined };
    expect(merge(hint('s', 1), hint('t', 2))).toStrictEqual(unknown);
    expect(merge(both, parseDispatchWork('{"look":"a"}'))).toStrictEqual(unknown);
  });
});
