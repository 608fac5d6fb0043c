/**
 * What the stores of webhooks in DynamoDB promise beyond the ports: names of attributes, expiry, and the detection of defects.
 * @module
 */
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DynamoDBDocumentClient, ScanCommand } from '@aws-sdk/lib-dynamodb';
import { describe, expect, test } from 'vitest';
import type { Delivery } from '../../lambda/webhook/delivery/delivery.ts';
import type { DeliveryTask } from '../../lambda/webhook/delivery/delivery-task.ts';
import type { Endpoint } from '../../lambda/webhook/endpoint.ts';
import { HEALTHY } from '../../lambda/webhook/health.ts';
import { BEGINNING } from '../../protocol/offset.ts';
import { NOW, newId, patientClient, storesUnderTest } from './stores.ts';

type Item = Readonly<Record<string, unknown>>;

const DAY_MS = 24 * 3_600_000;
const LATER = NOW + 60_000;
const [, [, open]] = storesUnderTest();

const rowsOf = async (table: string): Promise<readonly Item[]> =>
  (await sdk().send(new ScanCommand({ TableName: table, ConsistentRead: true }))).Items ?? [];
const put = (table: string, row: Item) => patientClient().put({ TableName: table, Item: row });
/** Only tests scan. */
const sdk = () => DynamoDBDocumentClient.from(new DynamoDBClient());

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
  principal: 'someone',
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

const STATE = { health: { ...HEALTHY, failingSince: NOW }, wakeAt: NOW, wakeBy: 'wake' };

describe('stored attributes keep their names', () => {
  const rowOf = async (endpoint: string): Promise<Item> => {
    const [row = {}] = (await rowsOf('deliveries')).filter((one) => one.endpoint === endpoint);
    return row;
  };
  const namesOf = (item: unknown): readonly string[] => Object.keys(Object(item)).toSorted();

  test.each<[DeliveryTask, string]>([
    [RANGE, `due#${NOW}#range`],
    [RECOVER, `due#${NOW}#recover`],
    [RETRY, `due#${NOW}#retry`],
    [{ id: 'test', due: NOW, kind: 'test' }, `asked#${NOW}#test`],
  ])('of a task: %j', async (task, row) => {
    const endpoint = newId();
    await open().deliveries.putTask(endpoint, task);
    const stored = await rowOf(endpoint);
    expect(stored.row).toBe(row);
    expect(namesOf(stored)).toEqual([...Object.keys(task), 'endpoint', 'row', 'expiry'].toSorted());
  });

  test('of a delivery', async () => {
    const endpoint = newId();
    await open().deliveries.put(endpoint, { ...DELIVERY, failures: 3 });
    const stored = await rowOf(endpoint);
    expect(stored).toMatchObject({ row: 'message#msg', rung: 3, before: { status: 'failed', due: NOW } });
    const { failures: _failures, ...others } = DELIVERY;
    expect(namesOf(stored)).toEqual([...Object.keys(others), 'rung', 'endpoint', 'row', 'expiry'].toSorted());
  });

  test('of a lease', async () => {
    const { leases } = open();
    const endpoint = newId();
    await leases.take(endpoint, { owner: 'one', until: NOW + 1 }, NOW);
    await leases.ask(endpoint, NOW);
    const health = { ...HEALTHY, failingSince: NOW, backoffUntil: 1, isNotified: true, nextStartAt: 2 };
    await leases.commit(endpoint, { owner: 'one', until: NOW + 1 }, { ...STATE, health }, LATER);
    const stored = await rowOf(endpoint);
    expect(stored.health).toEqual({
      failures: 0,
      failingSince: NOW,
      failedAt: 0,
      opens: 0,
      restsUntil: 1,
      isTold: true,
      pacedUntil: 2,
    });
    expect(namesOf(stored)).toEqual(
      ['asks', 'endpoint', 'expiry', 'health', 'owner', 'row', 'until', 'wakeAt', 'wakeBy'].toSorted(),
    );
    await leases.release(endpoint, { owner: 'one', until: LATER }, STATE, undefined, NOW);
    expect(namesOf(await rowOf(endpoint))).toEqual(
      ['asks', 'endpoint', 'expiry', 'freedAt', 'health', 'left', 'row', 'wakeAt', 'wakeBy'].toSorted(),
    );
  });
});

describe('rows of an endpoint expire', () => {
  /** The days until each row of an endpoint expires. */
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
    // DynamoDB counts seconds. The expiry is rounded up, so that the row never expires early.
    expect(await days('deliveries', 'endpoint', other)).toEqual([2_000 / DAY_MS]);
  });

  test('a lease, whose use extends it', async () => {
    const { leases } = open();
    const endpoint = newId();
    const left = () => days('deliveries', 'endpoint', endpoint);
    await leases.get(endpoint);
    await leases.ask(endpoint, NOW);
    expect(await left()).toEqual([]);
    await leases.take(endpoint, { owner: 'one', until: NOW + DAY_MS }, NOW);
    await leases.commit(endpoint, { owner: 'one', until: NOW + DAY_MS }, STATE, LATER);
    expect(await left()).toEqual([91]);
    await leases.release(endpoint, { owner: 'one', until: LATER }, STATE, undefined, NOW);
    expect(await left()).toEqual([91]);
    // A request without an owner stores nothing. The owner that comes next extends the expiry.
    await leases.ask(endpoint, NOW + 2 * DAY_MS);
    expect(await left()).toEqual([91]);
    await leases.take(endpoint, { owner: 'two', until: NOW + 2 * DAY_MS }, NOW + DAY_MS);
    expect(await left()).toEqual([92]);
  });

  test('a cursor, after the messages behind it', async () => {
    const { dispatchCursors } = open();
    const channel = newId();
    const move = (now: number) => dispatchCursors.move(channel, { streamId: 'one', at: BEGINNING }, now);
    await move(NOW);
    await move(NOW + DAY_MS);
    expect(await days('endpoints', 'kind', `channel#${channel}`)).toEqual([401]);
  });

  test('except an endpoint and its registrations', async () => {
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

test('a late repetition of a creation does not overwrite a later change', async () => {
  const { endpoints } = open();
  const first = { ...ENDPOINT, id: newId() };
  await endpoints.create(first);
  const second = { ...first, url: 'https://other.example', version: 2 };
  await endpoints.replace(second);
  await endpoints.create(first);
  expect(await endpoints.get(first.id)).toStrictEqual(second);
});

describe('an attribute that the hub cannot have stored is a defect', () => {
  /** Breaks the attributes of a row one by one. Returns their names. */
  async function breakEach(
    table: string,
    key: Item,
    read: () => Promise<unknown>,
  ): Promise<readonly string[]> {
    const isKey = (row: Item) => Object.entries(key).every(([name, value]) => row[name] === value);
    const row = (await rowsOf(table)).find(isKey) ?? {};
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

  test('in the row of a pattern, and in that of a channel', async () => {
    const { endpoints, dispatchCursors } = open();
    await endpoints.listen('one', 'a/*', NOW);
    const pattern = { kind: 'pattern#a/*', id: '-' };
    expect(await breakEach('endpoints', pattern, () => endpoints.listeners(['a/*']))).toEqual(['one']);
    await dispatchCursors.move('a', { streamId: 'one', at: BEGINNING }, NOW);
    const channel = { kind: 'channel#a', id: '-' };
    const broken = await breakEach('endpoints', channel, () => dispatchCursors.find('a', []));
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
    await leases.take(endpoint, { owner: 'one', until: LATER }, NOW);
    await leases.ask(endpoint, NOW);
    await leases.commit(endpoint, { owner: 'one', until: LATER }, STATE, LATER);
    const row = { owner: 'one', until: LATER };
    const take = () => leases.take(endpoint, { owner: 'one', until: LATER }, NOW);
    const broken = await breakEach('deliveries', { endpoint, row: 'lease', ...row }, take);
    expect(broken.toSorted()).toEqual(['asks', 'health', 'wakeAt', 'wakeBy']);
  });
});

describe('rows of patterns larger than one answer', () => {
  /** Stores items near the size limit: the name of an attribute may have 64 KB. */
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

  test('are unavailable after too many answers', async () => {
    const patterns = Array.from({ length: 20 }, newId);
    await large(patterns);
    await expect(open().endpoints.listeners(patterns)).rejects.toMatchObject({ code: 'unavailable' });
  });
});
