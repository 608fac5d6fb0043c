/**
 * PROTOCOL.md §13.5, below HTTP: requests of callers become tasks, and which deliveries callers see.
 * @module
 */
import { describe, expect, test } from 'vitest';
import { append } from '../../../lambda/hub/log/append.ts';
import type { Delivery } from '../../../lambda/webhook/delivery/delivery.ts';
import { freshDelivery } from '../../../lambda/webhook/delivery/due-delivery.ts';
import {
  askHandshake,
  listDeliveries,
  readDelivery,
  recover,
  replay,
  retryDelivery,
  sendTest,
} from '../../../lambda/webhook/delivery-requests.ts';
import type { Endpoint } from '../../../lambda/webhook/endpoint.ts';
import { createEndpoint } from '../../../lambda/webhook/manage-endpoints.ts';
import { DELIVERIES_KEPT_MS } from '../../../protocol/limits.ts';
import { BEGINNING } from '../../../protocol/offset.ts';
import { CHANNEL, codeOf, losePublish, publish, requestOf } from '../../support/domain/json-log.ts';
import { type ManagingWorld, managingWorld } from '../../support/webhooks/managing.ts';
import { webhookWorld } from '../../support/webhooks/webhook-world.ts';

const DAY_MS = 86_400_000;

async function worldWith(more: Partial<Endpoint> = {}): Promise<ManagingWorld & { endpoint: Endpoint }> {
  const world = managingWorld();
  const settings = {
    url: 'https://example.com/hooks',
    channels: ['chat/*', 'other'],
    types: [],
    format: 'standard',
    description: '',
    rate: undefined,
    handshake: false,
  } as const;
  const { endpoint } = await createEndpoint(world.managing, settings, { principal: 'a', secret: undefined });
  return { ...world, endpoint: { ...endpoint, ...more } };
}

async function delivered(world: ManagingWorld, endpoint: Endpoint, more: Partial<Delivery>): Promise<void> {
  const position = { entry: 1, index: 0 };
  const of = {
    id: 'msg_1',
    kind: 'message',
    channel: CHANNEL,
    streamId: 's',
    position,
    time: world.log.now,
  } as const;
  const delivery = { ...freshDelivery(of, world.log.now), status: 'failed', version: 1, ...more } as const;
  expect(await world.stores.deliveries.put(endpoint.id, delivery)).toBe(true);
}

describe('tasks', () => {
  test('a test is stored before its owner is told, and its delivery has an id before it exists', async () => {
    const { managing, endpoint, log, tasks, woken } = await worldWith();
    const calls: string[] = [];
    log.hook = (moment) => void (moment.startsWith('before') && calls.push(moment.slice(7)));
    const id = await sendTest(managing, endpoint);
    expect(calls).toEqual(['deliveries.putTask', 'leases.ask']);
    expect(tasks(endpoint.id)).toMatchObject([{ kind: 'test', due: log.now }]);
    expect(id).toMatch(/^msg_\d{13}_test_[A-Za-z0-9]+$/);
    expect(woken).toEqual([endpoint.id]);
  });

  test('the delivery of a test has the id that the caller received', async () => {
    const world = webhookWorld({ random: () => 0.5 });
    const { log, endpoints, deliveries, leases, received, time } = world;
    const { managing } = managingWorld();
    const wake = async (id: string) => world.wake(id);
    const inWorld = { ...managing, log, endpoints, deliveries, leases, clock: () => log.now, wake };
    await time.until(
      (async () => {
        const endpoint = await world.endpoint();
        const id = await sendTest(inWorld, endpoint);
        await world.quiet();
        expect(received.map((request) => request.id)).toEqual([id]);
        expect(await readDelivery(inWorld, endpoint, id)).toMatchObject({
          kind: 'test',
          status: 'delivered',
        });
      })(),
    );
  });

  test('no wake is sent while an owner will look once more', async () => {
    const { managing, endpoint, stores, log, woken } = await worldWith();
    await stores.leases.take(endpoint.id, { owner: 'owner', until: log.now + 1_000 }, log.now);
    await sendTest(managing, endpoint);
    expect(woken).toEqual([]);
    log.now += 1_000;
    await sendTest(managing, endpoint);
    expect(woken).toEqual([endpoint.id]);
  });

  test('a recovery concerns the deliveries at the moment of the request', async () => {
    const { managing, endpoint, log, tasks } = await worldWith();
    await recover(managing, endpoint, log.now - DAY_MS);
    expect(tasks(endpoint.id)).toMatchObject([
      { kind: 'recover', since: log.now - DAY_MS, until: log.now, due: log.now, after: '' },
    ]);
  });

  test('one more attempt needs a delivery that exists', async () => {
    const world = await worldWith();
    const { managing, endpoint } = world;
    await delivered(world, endpoint, { status: 'sending' });
    await retryDelivery(managing, endpoint, 'msg_1');
    expect(world.tasks(endpoint.id)).toMatchObject([{ kind: 'once', delivery: 'msg_1' }]);
    expect(await codeOf(retryDelivery(managing, endpoint, 'msg_2'))).toBe('delivery_not_found');
    world.log.now += DELIVERIES_KEPT_MS;
    expect(await codeOf(retryDelivery(managing, endpoint, 'msg_1'))).toBe('delivery_not_found');
  });

  test.each([
    ['enabled', 'done', 'webhook_conflict', 'done', 'done', 'done'],
    ['disabled', 'done', 'webhook_conflict', 'done', 'webhook_conflict', 'webhook_conflict'],
    ['pending', 'webhook_conflict', 'done', 'webhook_conflict', 'webhook_conflict', 'webhook_conflict'],
  ] as const)('for an endpoint that is %s are allowed or refused', async (status, ...codes) => {
    const world = await worldWith({ status });
    const { managing, endpoint } = world;
    await delivered(world, endpoint, {});
    await publish(world.log, 1);
    const asked = [
      sendTest(managing, endpoint),
      askHandshake(managing, endpoint),
      retryDelivery(managing, endpoint, 'msg_1'),
      replay(managing, endpoint, CHANNEL, 'beginning'),
      recover(managing, endpoint, 0),
    ];
    expect(await Promise.all(asked.map(codeOf))).toEqual(codes);
    expect(world.tasks(endpoint.id)).toHaveLength(codes.filter((code) => code === 'done').length);
  });
});

describe('replay', () => {
  test('goes from an offset to the end at this moment', async () => {
    const { managing, endpoint, log, tasks } = await worldWith();
    const from = await publish(log, 1);
    const to = await publish(log, 2, 3);
    await replay(managing, endpoint, CHANNEL, from);
    await publish(log, 4);
    const [task] = tasks(endpoint.id);
    expect(task).toMatchObject({ kind: 'range', channel: CHANNEL, from, to, since: 0, due: log.now });
    expect(task).toMatchObject({ run: expect.stringMatching(/./) });
  });

  test('twice from the same offset makes two runs', async () => {
    const { managing, endpoint, log, tasks } = await worldWith();
    await publish(log, 1);
    await replay(managing, endpoint, CHANNEL, 'beginning');
    await replay(managing, endpoint, CHANNEL, BEGINNING);
    const [one, other] = tasks(endpoint.id).map((task) => (task.kind === 'range' ? task : undefined));
    expect(one?.from).toEqual(other?.from);
    expect(one?.run).not.toBe(other?.run);
  });

  test('since a moment begins at the first message that is not older', async () => {
    const { managing, endpoint, log, tasks } = await worldWith();
    await publish(log, 1);
    log.now += DAY_MS;
    const since = log.now;
    await publish(log, 2);
    await replay(managing, endpoint, CHANNEL, { since });
    expect(tasks(endpoint.id)).toMatchObject([{ from: { entry: 2, index: 0 }, since }]);
  });

  test('from an offset that left the log is refused, and by time begins at the oldest message', async () => {
    const { managing, endpoint, log, tasks } = await worldWith();
    await publish(log, 1);
    log.now += 6 * DAY_MS;
    await publish(log, 2);
    log.now += 2 * DAY_MS;
    expect(await codeOf(replay(managing, endpoint, CHANNEL, { entry: 1, index: 0 }))).toBe('offset_gone');
    await replay(managing, endpoint, CHANNEL, { since: 0 });
    await replay(managing, endpoint, CHANNEL, 'beginning');
    const from = { entry: 2, index: 0 };
    expect(tasks(endpoint.id)).toMatchObject([{ from }, { from }]);
  });

  test.each([[{ entry: 2, index: 1 }], [{ entry: 3, index: 0 }]])(
    'from an offset past the end is refused, since it is of another life: %j',
    async (from) => {
      const { managing, endpoint, log } = await worldWith();
      await publish(log, 1);
      expect(await codeOf(replay(managing, endpoint, CHANNEL, from))).toBe('offset_gone');
    },
  );

  test('leaves out a publish that is under way, which comes as a new message', async () => {
    const { managing, endpoint, log, tasks } = await worldWith();
    const to = await publish(log, 1);
    await losePublish(log);
    await replay(managing, endpoint, CHANNEL, 'beginning');
    expect(tasks(endpoint.id)).toMatchObject([{ to }]);
  });

  test('of an empty range leaves no task', async () => {
    const { managing, endpoint, log, tasks, woken } = await worldWith();
    await replay(managing, endpoint, 'chat/unborn', 'beginning');
    await replay(managing, endpoint, 'chat/unborn', { since: 0 });
    const end = await publish(log, 1);
    await replay(managing, endpoint, CHANNEL, end);
    expect([tasks(endpoint.id), woken]).toEqual([[], []]);
  });

  test('is refused for channels that the endpoint does not listen to', async () => {
    const { managing, endpoint, log, tasks } = await worldWith();
    await append(log, requestOf([1], { channel: 'secret' }));
    await append(log, requestOf([1], { channel: 'chat' }));
    for (const channel of ['secret', 'chat', 'other/1'])
      expect(await codeOf(replay(managing, endpoint, channel, 'beginning'))).toBe('bad_request');
    expect(tasks(endpoint.id)).toEqual([]);
  });

  test('in explicit mode is refused for a channel that was not created', async () => {
    const { managing, endpoint, log } = await worldWith();
    const explicit = { ...managing, log: { ...log, channelCreation: 'explicit' as const } };
    expect(await codeOf(replay(explicit, endpoint, CHANNEL, 'beginning'))).toBe('channel_not_found');
  });
});

describe('the log of deliveries', () => {
  test('has pages from the latest delivery on, without expired ones', async () => {
    const world = await worldWith();
    const { managing, endpoint, log } = world;
    await delivered(world, endpoint, { id: 'msg_0', expiresAt: log.now });
    for (const id of ['msg_1', 'msg_2', 'msg_3']) await delivered(world, endpoint, { id });
    const query = { after: '', status: undefined, limit: 2 };
    const first = await listDeliveries(managing, endpoint, query);
    expect([first.deliveries.map(({ id }) => id), first.next]).toEqual([['msg_3', 'msg_2'], 'msg_2']);
    const rest = await listDeliveries(managing, endpoint, { ...query, after: 'msg_2' });
    expect([rest.deliveries.map(({ id }) => id), rest.next]).toEqual([['msg_1'], undefined]);
    expect(await codeOf(readDelivery(managing, endpoint, 'msg_0'))).toBe('delivery_not_found');
  });

  test('reads several pages for a rare status, and then answers where to continue', async () => {
    const world = await worldWith();
    const { managing, endpoint } = world;
    await delivered(world, endpoint, { id: 'msg_100', status: 'delivered' });
    for (let nth = 101; nth < 126; nth++) await delivered(world, endpoint, { id: `msg_${nth}` });
    const query = { after: '', status: 'delivered', limit: 2 } as const;
    const first = await listDeliveries(managing, endpoint, query);
    expect(first).toEqual({ deliveries: [], next: 'msg_106' });
    const rest = await listDeliveries(managing, endpoint, { ...query, after: 'msg_106' });
    expect(rest.deliveries.map(({ id }) => id)).toEqual(['msg_100']);
  });
});
