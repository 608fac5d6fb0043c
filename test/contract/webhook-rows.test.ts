/**
 * What DynamoDB's stores of webhooks promise beyond the ports: rows go away, defects are seen, a busy table is waited for.
 * @module
 */
import { PutCommand, ScanCommand } from '@aws-sdk/lib-dynamodb';
import { describe, expect, test } from 'vitest';
import { documentClient } from '../../lambda/aws/dynamodb/document-client.ts';
import type { Delivery } from '../../lambda/webhook/delivery/delivery.ts';
import type { DeliveryTask } from '../../lambda/webhook/delivery/delivery-task.ts';
import type { Endpoint } from '../../lambda/webhook/endpoint.ts';
import { HEALTHY } from '../../lambda/webhook/health.ts';
import { BEGINNING } from '../../protocol/offset.ts';
import { NOW, newId, storesUnderTest } from './stores.ts';

type Item = Readonly<Record<string, unknown>>;

const DAY_MS = 24 * 3_600_000;
const LATER = NOW + 60_000;
const [, [, open]] = storesUnderTest();

const rowsOf = async (table: string): Promise<readonly Item[]> =>
  (await documentClient().send(new ScanCommand({ TableName: table, ConsistentRead: true }))).Items ?? [];
const put = (table: string, row: Item) =>
  documentClient().send(new PutCommand({ TableName: table, Item: row }));

const ENDPOINT: Endpoint = {
  id: 'endpoint',
  url: 'https://example.com',
  channels: ['a/*'],
  types: ['order.*'],
  format: 'standard',
  description: '',
  rate: 600,
  status: 'disabled',
  reason: 'gone',
  handshake: false,
  principal: 'somebody',
  createdAt: NOW,
  enabledAt: NOW + 1,
  sealed: 'c2VjcmV0',
  version: 1,
};

const DELIVERY: Delivery = {
  id: 'msg',
  kind: 'message',
  channel: 'a/b',
  streamId: 'stream',
  position: BEGINNING,
  time: NOW,
  status: 'failed',
  attempts: [],
  begun: 0,
  sendingSince: NOW,
  failures: 0,
  due: NOW,
  run: '',
  before: { status: 'failed', due: NOW },
  changedAt: NOW,
  to: '',
  expiresAt: NOW + 1_001,
  version: 1,
  writer: 'me',
};

const RANGE: DeliveryTask = {
  id: 'range',
  due: NOW,
  kind: 'range',
  channel: 'a/b',
  streamId: 'stream',
  from: BEGINNING,
  to: BEGINNING,
  since: NOW,
  run: '',
};
const RECOVER: DeliveryTask = { id: 'recover', due: NOW, kind: 'recover', since: NOW, until: NOW, after: '' };
const RETRY: DeliveryTask = { id: 'retry', due: NOW, kind: 'retry', delivery: 'msg' };

const STANDING = { health: { ...HEALTHY, failingSince: NOW }, wakeAt: NOW, wakeBy: 'wake' };

describe('every row of an endpoint goes away by itself', () => {
  /** Days from now on until the only row of an endpoint is deleted. */
  const days = async (table: string, key: string, value: string) => {
    const rows = (await rowsOf(table)).filter((row) => row[key] === value);
    return rows.map(({ expiry }) => (Number(expiry) * 1_000 - NOW) / DAY_MS);
  };

  test('a task and a delivery', async () => {
    const { deliveries } = open();
    const [one, other] = [newId(), newId()];
    await deliveries.putTask(one, { ...RETRY, due: NOW + DAY_MS });
    expect(await days('deliveries', 'endpoint', one)).toEqual([1 + 400]);
    await deliveries.put(other, DELIVERY);
    // Never before its time, to the second.
    expect(await days('deliveries', 'endpoint', other)).toEqual([2_000 / DAY_MS]);
  });

  test('a lease, which is kept by being used', async () => {
    const { leases } = open();
    const endpoint = newId();
    const kept = () => days('deliveries', 'endpoint', endpoint);
    await leases.health(endpoint);
    expect(await kept()).toEqual([]);
    await leases.ask(endpoint, NOW);
    expect(await kept()).toEqual([90]);
    await leases.take(endpoint, { owner: 'one', until: NOW + DAY_MS }, NOW);
    await leases.commit(endpoint, { owner: 'one', until: NOW + DAY_MS }, STANDING, LATER);
    expect(await kept()).toEqual([91]);
    await leases.release(endpoint, { owner: 'one', until: LATER }, STANDING, undefined, NOW);
    expect(await kept()).toEqual([91]);
    await leases.ask(endpoint, NOW + 2 * DAY_MS);
    expect(await kept()).toEqual([92]);
  });

  test('a cursor, after the last message that it may stand before', async () => {
    const { dispatchCursors } = open();
    const channel = newId();
    const move = (now: number) => dispatchCursors.move(channel, { streamId: 'one', at: BEGINNING }, now);
    await move(NOW);
    await move(NOW + DAY_MS);
    expect(await days('endpoints', 'kind', `channel#${channel}`)).toEqual([401]);
  });

  test('but an endpoint and its listening stay', async () => {
    const { endpoints } = open();
    const id = newId();
    await endpoints.create({ ...ENDPOINT, id });
    await endpoints.listen(id, id, NOW);
    const rows = (await rowsOf('endpoints')).filter(
      ({ id: of, kind }) => of === id || kind === `pattern#${id}`,
    );
    expect(rows.map(({ expiry }) => expiry)).toEqual([undefined, undefined]);
    await endpoints.unlisten('nobody', `${id}2`, LATER);
    expect((await rowsOf('endpoints')).filter(({ kind }) => kind === `pattern#${id}2`)).toEqual([]);
  });
});

test('an endpoint that the SDK creates once more, and late, stays what it has become', async () => {
  const { endpoints } = open();
  const first = { ...ENDPOINT, id: newId() };
  await endpoints.create(first);
  const second = { ...first, url: 'https://other.example', version: 2 };
  await endpoints.replace(second);
  await endpoints.create(first);
  expect(await endpoints.get(first.id)).toStrictEqual(second);
});

describe('what the hub cannot have stored is a defect', () => {
  /** Breaks one attribute of a row after the other. */
  async function breakEach(
    table: string,
    key: Item,
    read: () => Promise<unknown>,
  ): Promise<readonly string[]> {
    const isMeant = (row: Item) => Object.entries(key).every(([name, value]) => row[name] === value);
    const row = (await rowsOf(table)).find(isMeant) ?? {};
    const names = Object.keys(row).filter((name) => name !== 'expiry' && !(name in key));
    for (const name of names) {
      await put(table, { ...row, [name]: null });
      await expect(read(), name).rejects.toThrow(/^stored /);
    }
    await put(table, row);
    await read();
    return names;
  }

  test('in an endpoint', async () => {
    const { endpoints } = open();
    await endpoints.create(ENDPOINT);
    const key = { kind: 'endpoint', id: ENDPOINT.id };
    const broken = await breakEach('endpoints', key, () => endpoints.get(ENDPOINT.id));
    expect(broken).toHaveLength(Object.keys(ENDPOINT).length - 1);
  });

  test('in what is known of a pattern and of a channel', async () => {
    const { endpoints, dispatchCursors } = open();
    await endpoints.listen('one', 'a/*', NOW);
    const pattern = { kind: 'pattern#a/*', id: '-' };
    expect(await breakEach('endpoints', pattern, () => endpoints.listeners(['a/*']))).toEqual(['one']);
    await dispatchCursors.move('a', { streamId: 'one', at: BEGINNING }, NOW);
    const channel = { kind: 'channel#a', id: '-' };
    const broken = await breakEach('endpoints', channel, () => dispatchCursors.get('a'));
    expect(broken.toSorted()).toEqual(['offset', 'streamId']);
  });

  test.each([RANGE, RECOVER, RETRY])('in a task: $kind', async (task) => {
    const { deliveries } = open();
    const endpoint = newId();
    await deliveries.putTask(endpoint, task);
    const [{ row } = {}] = (await rowsOf('deliveries')).filter((one) => one.endpoint === endpoint);
    const broken = await breakEach('deliveries', { endpoint, row }, () =>
      deliveries.dueTasks(endpoint, NOW, 1),
    );
    expect(broken).toHaveLength(Object.keys(task).length);
  });

  test('in a delivery', async () => {
    const { deliveries } = open();
    const endpoint = newId();
    await deliveries.put(endpoint, DELIVERY);
    const key = { endpoint, row: 'message#msg' };
    const broken = await breakEach('deliveries', key, () => deliveries.get(endpoint, 'msg'));
    expect(broken).toHaveLength(Object.keys(DELIVERY).length);
  });

  test('in a lease', async () => {
    const { leases } = open();
    const endpoint = newId();
    await leases.ask(endpoint, NOW);
    await leases.take(endpoint, { owner: 'one', until: LATER }, NOW);
    await leases.commit(endpoint, { owner: 'one', until: LATER }, STANDING, LATER);
    const row = { owner: 'one', until: LATER };
    const take = () => leases.take(endpoint, { owner: 'one', until: LATER }, NOW);
    const broken = await breakEach('deliveries', { endpoint, row: 'lease', ...row }, take);
    expect(broken.toSorted()).toEqual(['asks', 'health', 'wakeAt', 'wakeBy']);
  });
});

describe('rows of patterns larger than one answer', () => {
  /** Almost as much as an item may have: names of attributes may be of 64 KB. */
  async function large(patterns: readonly string[]): Promise<void> {
    const ids = ['a', 'b', 'c', 'd', 'e', 'f'].map((letter) => letter.repeat(64_000));
    const listening = Object.fromEntries(ids.map((id) => [id, NOW]));
    for (const pattern of patterns)
      await put('endpoints', { kind: `pattern#${pattern}`, id: '-', ...listening, [pattern]: NOW });
  }

  test('are all read', async () => {
    const patterns = Array.from({ length: 9 }, newId);
    await large(patterns);
    const listeners = await open().endpoints.listeners(patterns);
    expect([...listeners.keys()]).toEqual(expect.arrayContaining(patterns));
  });

  test('are waited for only so long', async () => {
    const patterns = Array.from({ length: 20 }, newId);
    await large(patterns);
    await expect(open().endpoints.listeners(patterns)).rejects.toMatchObject({ code: 'unavailable' });
  });
});
