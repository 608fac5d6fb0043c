/**
 * PROTOCOL.md §13.5 at the handler: deliveries as callers see them, and requests to send them again.
 * @module
 */
import { beforeEach, expect, test } from 'vitest';
import { freshDelivery } from '../../../lambda/webhook/delivery/due-delivery.ts';
import { publish } from '../../support/domain/json-log.ts';
import { type HandlerWorld, handlerWorld } from '../../support/webhooks/webhook-handler.ts';

let world: HandlerWorld;
beforeEach(() => {
  world = handlerWorld();
});

test('a delivery is shown with its attempts, and without the fields that only the hub needs', async () => {
  const id = await world.created();
  const { now } = world.log;
  const of = {
    id: 'msg_1',
    kind: 'message',
    channel: 'orders/1',
    streamId: 's',
    position: { entry: 7, index: 2 },
    time: now,
  } as const;
  await world.stores.deliveries.put(id, {
    ...freshDelivery(of, now),
    status: 'waiting',
    due: now + 5_000,
    attempts: [
      { number: 1, at: now, ms: 15_000, error: 'timeout' },
      { number: 2, at: now, ms: 7, status: 500, answer: 'no' },
    ],
    version: 1,
    writer: 'w',
  });
  await world.stores.deliveries.put(id, {
    ...freshDelivery({ ...of, id: 'msg_2', kind: 'test' }, now),
    status: 'delivered',
    version: 1,
  });
  const publishedAt = '2020-01-01T00:00:00.000Z';
  const one = {
    id: 'msg_1',
    channel: 'orders/1',
    offset: '0000000000070002',
    publishedAt,
    status: 'waiting',
    due: '2020-01-01T00:00:05.000Z',
    attempts: [
      { number: 1, at: publishedAt, ms: 15_000, error: 'timeout' },
      { number: 2, at: publishedAt, ms: 7, status: 500, answer: 'no' },
    ],
  };
  const path = `/webhooks/${id}/deliveries`;
  expect((await world.ask('GET', `${path}/msg_1`)).body).toEqual(one);
  expect((await world.ask('GET', path)).body).toEqual({
    deliveries: [expect.objectContaining({ id: 'msg_2', kind: 'test', attempts: [] }), one],
  });
  const { status, text } = await world.ask('POST', `${path}/msg_1/retry`);
  expect([status, text]).toEqual([202, '']);
  for (const missing of ['msg_3', 'x'.repeat(2_000)]) {
    expect(await world.refusal('GET', `${path}/${missing}`)).toEqual([404, 'delivery_not_found']);
    expect(await world.refusal('POST', `${path}/${missing}/retry`)).toEqual([404, 'delivery_not_found']);
  }
});

test.each([
  [{ channel: 'orders/1', offset: '-1' }, 'done'],
  [{ channel: 'orders/1', offset: '0000000000000000' }, 'done'],
  [{ channel: 'orders/1', since: '2020-01-01T00:00:00Z' }, 'done'],
  [{ channel: 'orders/1', since: '2020-01-01T01:00:00+01:00' }, 'done'],
  [{ channel: 'orders/1' }, 'bad_request'],
  [{ channel: 'orders/1', offset: '-1', since: '2020-01-01T00:00:00Z' }, 'bad_request'],
  [{ channel: 'orders/1', since: '2020-02-30T00:00:00Z' }, 'bad_request'],
  [{ channel: 'orders/1', since: 1_577_836_800 }, 'bad_request'],
  [{ channel: 'orders/1', offset: 'now' }, 'bad_offset'],
  [{ channel: 'orders/1', offset: '1' }, 'bad_offset'],
  [{ channel: 'orders/1', offset: -1 }, 'bad_offset'],
  [{ channel: 'orders/1', offset: '9999999999990000' }, 'offset_gone'],
  [{ offset: '-1' }, 'bad_channel'],
  [{ channel: 'orders/*', offset: '-1' }, 'bad_channel'],
  [{ channel: 'private', offset: '-1' }, 'bad_request'],
])('a replay of %j: %s', async (body, code) => {
  const id = await world.created();
  await publish(world.log, 1);
  const answered = await world.ask('POST', `/webhooks/${id}/replay`, body);
  expect([answered.code ?? 'done', answered.status]).toEqual([
    code,
    code === 'done' ? 202 : expect.any(Number),
  ]);
});

test.each([[{}], [{ since: 'yesterday' }], [{ since: null }]])(
  'a recovery since %j is refused',
  async (body) => {
    const id = await world.created();
    expect(await world.refusal('POST', `/webhooks/${id}/recover`, body)).toEqual([400, 'bad_request']);
  },
);
