/**
 * The edge of deliver: what becomes of the messages that wake it, and what travels through the queues of webhooks.
 * @module
 */
import { createServer, type Server } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { wakeHandler } from '../../../lambda/aws/queues/wake-handler.ts';
import {
  parseDeliverWork,
  parseDispatchWork,
  type WakeRequest,
} from '../../../lambda/aws/queues/webhook-messages.ts';
import type { WakeMessage, WakeOutcome } from '../../../lambda/webhook/delivery/serve-endpoint.ts';
import { fieldsOf } from '../../../protocol/fields.ts';

const HOUR = 3_600_000;
const context = { getRemainingTimeInMillis: () => 60_000 };

/** What SQS was asked. */
const hidden: Readonly<Record<string, unknown>>[] = [];
let queue: Server;
beforeAll(async () => {
  queue = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      hidden.push(fieldsOf(JSON.parse(Buffer.concat(chunks).toString('utf8'))));
      response.writeHead(200, { 'content-type': 'application/x-amz-json-1.0' }).end('{}');
    });
  });
  await new Promise<void>((resolve) => queue.listen(0, '127.0.0.1', resolve));
  const address = queue.address();
  if (typeof address !== 'object' || address === null) throw new Error('the queue has no port');
  Object.assign(process.env, {
    AWS_ENDPOINT_URL: `http://127.0.0.1:${address.port}`,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
  });
});
afterAll(() => new Promise<void>((resolve) => queue.close(() => resolve())));
beforeEach(() => {
  hidden.length = 0;
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
  const renewed: [string, number][] = [];
  const logged: unknown[] = [];
  const handler = wakeHandler({
    queueUrl: `${process.env.AWS_ENDPOINT_URL}/queue/deliveries`,
    lastMs: 25_000,
    serve,
    renew: async (endpoint, delayMs) => void renewed.push([endpoint, delayMs]),
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
    expect(hidden).toMatchObject([{ ReceiptHandle: 'handle-m2' }]);
    expect(Number(hidden[0]?.VisibilityTimeout)).toBeGreaterThan(3_590);
    expect(Number(hidden[0]?.VisibilityTimeout)).toBeLessThanOrEqual(3_600);
  });

  test.each([
    [-5_000, 0],
    [100 * HOUR, 12 * 3_600 - 120],
  ])('that is due in %i ms is hidden for as long as SQS takes', async (ms, seconds) => {
    await run([recordOf('m1', wakeOf('ep_1'))], async () => ({ kind: 'later', at: Date.now() + ms }));
    expect(hidden).toMatchObject([{ VisibilityTimeout: seconds }]);
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
    expect(wakes).toEqual([{ id: 'm1', isOld }]);
  });

  test('is replaced where that is asked for, and its message is gone', async () => {
    const { kept, renewed } = await run([recordOf('m1', wakeOf('ep_1'))], async () => ({
      kind: 'renew',
      at: Date.now(),
    }));
    expect([kept, renewed.map(([endpoint]) => endpoint), hidden]).toEqual([[], ['ep_1'], []]);
  });

  test('that fails, or cannot be read, comes again by itself and holds up no other', async () => {
    const records = ['nonsense', '{}', '{"endpoint":7}', wakeOf('ep_1'), wakeOf('ep_2')].map((body, at) =>
      recordOf(`m${at}`, body),
    );
    const { kept, logged } = await run(records, async ({ endpoint }) => {
      if (endpoint === 'ep_1') throw new Error('defect');
      return { kind: 'done' };
    });
    expect([kept, logged.length, hidden]).toEqual([['m0', 'm1', 'm2', 'm3'], 4, []]);
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

describe('what the queues carry', () => {
  test.each([
    ['{"channel":"a/b","offset":"0000000000010000"}', { kind: 'channel', channel: 'a/b' }],
    ['{"look":"a/b"}', { kind: 'channel', channel: 'a/b' }],
    ['{"wake":"ep_1"}', { kind: 'wake', endpoint: 'ep_1' }],
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
    expect(parseDeliverWork('{"endpoint":"ep_1"}')).toEqual({ endpoint: 'ep_1', deadLetter: undefined });
    expect(parseDeliverWork('{"endpoint":"ep_1","delivery":"msg_1"}')).toEqual({
      endpoint: 'ep_1',
      deadLetter: 'msg_1',
    });
  });
});
