/**
 * PROTOCOL.md §13.5, below HTTP: what people ask of an endpoint becomes a task, and what they see of its deliveries.
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
  test('a test is left before its owner is told, and its delivery has a name before there is one', async () => {
    const { managing, endpoint, log, tasks, woken } = await worldWith();
    const calls: string[] = [];
    log.hook = (moment) => void (moment.startsWith('before') && calls.push(moment.slice(7)));
    const id = await sendTest(managing, endpoint);
    expect(calls).toEqual(['deliveries.putTask', 'leases.ask']);
    expect(tasks(endpoint.id)).toMatchObject([{ kind: 'test', due: log.now }]);
    expect(id).toMatch(/^msg_\d{13}_test_[A-Za-z0-9]+$/);
    expect(woken).toEqual([endpoint.id]);
  });

  test('the owner gives a test the very name that was told', async () => {
    const world = webhookWorld({ random: () => 0.5 });
    const { log, endpoints, deliveries, leases, received, time } = world;
    const { managing } = managingWorld();
    const wake = async (id: string) => world.wake(id);
    const desk = { ...managing, log, endpoints, deliveries, leases, clock: () => log.now, wake };
    await time.until(
      (async () => {
        const endpoint = await world.endpoint();
        const id = await sendTest(desk, endpoint);
        await world.quiet();
        expect(received.map((request) => request.id)).toEqual([id]);
        expect(await readDelivery(desk, endpoint, id)).toMatchObject({ kind: 'test', status: 'delivered' });
      })(),
    );
  });

  test('an owner who will look once more is not woken', async () => {
    const { managing, endpoint, stores, log, woken } = await worldWith();
    await stores.leases.take(endpoint.id, { owner: 'owner', until: log.now + 1_000 }, log.now);
    await sendTest(managing, endpoint);
    expect(woken).toEqual([]);
    log.now += 1_000;
    await sendTest(managing, endpoint);
    expect(woken).toEqual([endpoint.id]);
  });

  test('a recovery is of what was so when it was asked for', async () => {
    const { managing, endpoint, log, tasks } = await worldWith();
    await recover(managing, endpoint, log.now - DAY_MS);
    expect(tasks(endpoint.id)).toMatchObject([
      { kind: 'recover', since: log.now - DAY_MS, until: log.now, due: log.now, after: '' },
    ]);
  });

  test('one attempt more of a delivery that there is', async () => {
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
  ] as const)('of an endpoint that is %s', async (status, ...codes) => {
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
  test('from an offset, to the end at this moment', async () => {
    const { managing, endpoint, log, tasks } = await worldWith();
    const from = await publish(log, 1);
    const to = await publish(log, 2, 3);
    await replay(managing, endpoint, CHANNEL, from);
    await publish(log, 4);
    const [task] = tasks(endpoint.id);
    expect(task).toMatchObject({ kind: 'range', channel: CHANNEL, from, to, since: 0, due: log.now });
    expect(task).toMatchObject({ run: expect.stringMatching(/./) });
  });

  test('two of the same are two', async () => {
    const { managing, endpoint, log, tasks } = await worldWith();
    await publish(log, 1);
    await replay(managing, endpoint, CHANNEL, 'beginning');
    await replay(managing, endpoint, CHANNEL, BEGINNING);
    const [one, other] = tasks(endpoint.id).map((task) => (task.kind === 'range' ? task : undefined));
    expect(one?.from).toEqual(other?.from);
    expect(one?.run).not.toBe(other?.run);
  });

  test('since a moment, from the first that is not older', async () => {
    const { managing, endpoint, log, tasks } = await worldWith();
    await publish(log, 1);
    log.now += DAY_MS;
    const since = log.now;
    await publish(log, 2);
    await replay(managing, endpoint, CHANNEL, { since });
    expect(tasks(endpoint.id)).toMatchObject([{ from: { entry: 2, index: 0 }, since }]);
  });

  test('what has left the log is refused by its offset, and left out of what is asked for by time', async () => {
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
    'an offset past the end is of another life: %j',
    async (from) => {
      const { managing, endpoint, log } = await worldWith();
      await publish(log, 1);
      expect(await codeOf(replay(managing, endpoint, CHANNEL, from))).toBe('offset_gone');
    },
  );

  test('a publish on its way is not of it: it comes as what is new', async () => {
    const { managing, endpoint, log, tasks } = await worldWith();
    const to = await publish(log, 1);
    await losePublish(log);
    await replay(managing, endpoint, CHANNEL, 'beginning');
    expect(tasks(endpoint.id)).toMatchObject([{ to }]);
  });

  test('of nothing there is nothing to do', async () => {
    const { managing, endpoint, log, tasks, woken } = await worldWith();
    await replay(managing, endpoint, 'chat/unborn', 'beginning');
    await replay(managing, endpoint, 'chat/unborn', { since: 0 });
    const end = await publish(log, 1);
    await replay(managing, endpoint, CHANNEL, end);
    expect([tasks(endpoint.id), woken]).toEqual([[], []]);
  });

  test('only of channels that the endpoint gets', async () => {
    const { managing, endpoint, log, tasks } = await worldWith();
    await append(log, requestOf([1], { channel: 'secret' }));
    await append(log, requestOf([1], { channel: 'chat' }));
    for (const channel of ['secret', 'chat', 'other/1'])
      expect(await codeOf(replay(managing, endpoint, channel, 'beginning'))).toBe('bad_request');
    expect(tasks(endpoint.id)).toEqual([]);
  });

  test('in explicit mode a channel that nobody made is unknown', async () => {
    const { managing, endpoint, log } = await worldWith();
    const explicit = { ...managing, log: { ...log, channelCreation: 'explicit' as const } };
    expect(await codeOf(replay(explicit, endpoint, CHANNEL, 'beginning'))).toBe('channel_not_found');
  });
});

describe('the log of deliveries', () => {
  test('pages from the latest, and leaves out what has expired', async () => {
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

  test('looks on for what is rare, and gives up with a place to go on from', async () => {
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
