/**
 * PROTOCOL.md §13.5 over the wire: the log of deliveries, and requests to send again. An endpoint that is disabled or removed
 * receives nothing more.
 * @module
 */
import { afterAll, describe, expect, test } from 'vitest';
import { attemptsOf, isHubLocal, webhooksOf } from '../../support/webhooks/webhook-calls.ts';
import {
  arrived,
  dataOf,
  type Receiver,
  receiverOfEachTest,
  startReceiver,
  verify,
} from '../../support/wire/receiver.ts';
import { callerWith, EVERYTHING, newChannel } from '../../support/wire/wire.ts';

const hub = callerWith(EVERYTHING);
const webhooks = webhooksOf(hub);
const receiver = receiverOfEachTest();
afterAll(webhooks.removeAll);

const numbers = (to: number) => Array.from({ length: to }, (_, at) => at);
const byId = ({ received }: Receiver): Map<string, number> => {
  const counts = new Map<string, number>();
  for (const { id } of received) counts.set(id, (counts.get(id) ?? 0) + 1);
  return counts;
};

/** Publishes messages and waits until they are delivered. Returns the ids of the deliveries in the order of the messages. */
async function deliver(channel: string, endpoint: string, count: number): Promise<string[]> {
  for (const n of numbers(count)) await hub.publish(channel, n);
  await arrived(receiver, count);
  await expect.poll(() => webhooks.statuses(endpoint)).toEqual(numbers(count).map(() => 'delivered'));
  return numbers(count).map((n) => receiver.received.find(({ body }) => body.data === n)?.id ?? '');
}

describe.runIf(isHubLocal)('the log of deliveries', () => {
  test('is read from the latest publication on, in pages, and by status', async () => {
    const channel = newChannel();
    const { id } = await webhooks.create(receiver.url, [channel]);
    const ids = await deliver(channel, id, 5);
    receiver.reply = () => ({ status: 500 });
    const tests: string[] = [];
    for (const _ of numbers(2)) {
      const { body } = await webhooks.ask('POST', `/${id}/test`);
      tests.push(String(body.delivery));
      await webhooks.settled(id, String(body.delivery), 'failed');
    }
    const expected = [...ids, ...tests].toReversed();
    const listed: unknown[] = [];
    for (let query = '?limit=2'; query !== ''; ) {
      const { body } = await webhooks.ask('GET', `/${id}/deliveries${query}`);
      const page = await webhooks.deliveries(id, query);
      expect(page.length).toBeLessThanOrEqual(2);
      listed.push(...page.map((one) => one.id));
      query = body.next === undefined ? '' : `?limit=2&after=${body.next}`;
    }
    expect(listed).toEqual(expected);
    const failed = await webhooks.deliveries(id, '?status=failed');
    expect(failed.map((one) => one.id)).toEqual(tests.toReversed());
    for (const one of failed) {
      expect(one).toMatchObject({ kind: 'test', channel: 'tidings/test' });
      expect(one).not.toHaveProperty('due');
    }
    expect(await webhooks.deliveries(id, '?status=delivered')).toHaveLength(5);
    expect(await webhooks.deliveries(id, '?status=expired')).toEqual([]);
    const [first = {}] = (await webhooks.everyDelivery(id)).toReversed();
    expect((await webhooks.ask('GET', `/${id}/deliveries/${first.id}`)).body).toEqual(first);
    expect(first).toEqual({
      id: ids[0],
      channel,
      offset: expect.stringMatching(/^\d{16}$/),
      publishedAt: receiver.received.find((one) => one.id === ids[0])?.body.timestamp,
      status: 'delivered',
      attempts: [{ number: 1, at: expect.any(String), ms: expect.any(Number), status: 204 }],
    });
  });

  test('belongs to one endpoint, and refuses unknown statuses', async () => {
    const channel = newChannel();
    const { id } = await webhooks.create(receiver.url, [channel]);
    const other = await webhooks.create(receiver.url, [newChannel()]);
    const [delivery = ''] = await deliver(channel, id, 1);
    const unknown = [404, 'delivery_not_found'];
    expect(await webhooks.refusal('GET', `/${other.id}/deliveries/${delivery}`)).toEqual(unknown);
    expect(await webhooks.refusal('POST', `/${other.id}/deliveries/${delivery}/retry`)).toEqual(unknown);
    const bad = await webhooks.refusal('GET', `/${id}/deliveries?status=lost`);
    expect(bad).toEqual([400, 'bad_request']);
  });
});

describe.runIf(isHubLocal)('on request', () => {
  test('a test event is sent, signed and in one attempt, also to a disabled endpoint', async () => {
    const { id, secret } = await webhooks.create(receiver.url, [newChannel()]);
    await webhooks.ask('PATCH', `/${id}`, { enabled: false });
    const { status, body } = await webhooks.ask('POST', `/${id}/test`);
    expect(status).toBe(202);
    await webhooks.settled(id, String(body.delivery), 'delivered');
    const [one] = receiver.received;
    if (!one) throw new Error('no request arrived');
    verify(secret, one);
    expect(one).toMatchObject({ id: body.delivery, body: { type: 'tidings.test', data: { endpoint: id } } });
    expect(receiver.received).toHaveLength(1);
  });

  test('a single delivery is sent at once, and its scheduled attempt does not follow', async () => {
    const channel = newChannel();
    receiver.reply = () => ({ status: 500 });
    const { id } = await webhooks.create(receiver.url, [channel]);
    await hub.publish(channel, 'once');
    await expect.poll(() => webhooks.statuses(id)).toEqual(['waiting']);
    const [{ id: delivery, due } = {}] = await webhooks.everyDelivery(id);
    receiver.reply = () => ({ status: 204 });
    expect((await webhooks.ask('POST', `/${id}/deliveries/${delivery}/retry`)).status).toBe(202);
    const settled = await webhooks.settled(id, String(delivery), 'delivered');
    expect(attemptsOf(settled).map(({ number, status }) => [number, status])).toEqual([
      [1, 500],
      [2, 204],
    ]);
    // The test waits until the attempt would have been due. Other messages arrive meanwhile, but not this one.
    let published = 0;
    const isLongAgo = async () => {
      await hub.publish(channel, ++published);
      return Date.now() - Date.parse(String(due));
    };
    await expect.poll(isLongAgo, { interval: 500 }).toBeGreaterThan(1_000);
    await arrived(receiver, 2 + published);
    expect(byId(receiver).get(String(delivery))).toBe(2);
  });

  test('a single delivery that fails keeps its state', async () => {
    const channel = newChannel();
    const { id } = await webhooks.create(receiver.url, [channel]);
    const [delivery = ''] = await deliver(channel, id, 1);
    receiver.reply = () => ({ status: 500 });
    await webhooks.ask('POST', `/${id}/deliveries/${delivery}/retry`);
    const read = async () => attemptsOf((await webhooks.ask('GET', `/${id}/deliveries/${delivery}`)).body);
    await expect.poll(read).toMatchObject([{ status: 204 }, { number: 2, status: 500 }]);
    expect(await webhooks.statuses(id)).toEqual(['delivered']);
    expect((await webhooks.ask('GET', `/${id}`)).body).not.toHaveProperty('failingSince');
  });

  test('a channel is replayed from an offset or a time on, each message once and with its original id', async () => {
    const channel = newChannel();
    const since = new Date().toISOString();
    const { id } = await webhooks.create(receiver.url, [channel]);
    const ids = await deliver(channel, id, 5);
    const { body: third } = await webhooks.ask('GET', `/${id}/deliveries/${ids[2]}`);
    const replay = async (from: object) => await webhooks.ask('POST', `/${id}/replay`, { channel, ...from });
    expect((await replay({ offset: third.offset })).status).toBe(202);
    await arrived(receiver, 8);
    expect([...byId(receiver)].toSorted()).toEqual(ids.map((one, n) => [one, n < 2 ? 1 : 2]).toSorted());
    expect((await replay({ since })).status).toBe(202);
    await arrived(receiver, 13);
    expect((await replay({ offset: '-1' })).status).toBe(202);
    await arrived(receiver, 18);
    expect([...byId(receiver)].toSorted()).toEqual(ids.map((one, n) => [one, n < 2 ? 3 : 4]).toSorted());
    // A replay from a future time is empty, and a new message arrives once.
    const later = new Date(Date.now() + 60_000).toISOString();
    expect((await replay({ since: later })).status).toBe(202);
    await hub.publish(channel, 'new');
    await arrived(receiver, 19);
    const counts = (await webhooks.everyDelivery(id)).map((one) =>
      attemptsOf(one).map(({ number }) => number),
    );
    expect(counts.toReversed()).toEqual([
      [1, 2, 3],
      [1, 2, 3],
      [1, 2, 3, 4],
      [1, 2, 3, 4],
      [1, 2, 3, 4],
      [1],
    ]);
  });

  test('no foreign channel is replayed, and no offset that does not exist', async () => {
    const prefix = newChannel();
    const { id } = await webhooks.create(receiver.url, [`${prefix}/*`]);
    const stranger = newChannel();
    await hub.publish(stranger, 'canary');
    await hub.publish(`${prefix}/a`, 1);
    await arrived(receiver, 1);
    const refusal = (body: object) => webhooks.refusal('POST', `/${id}/replay`, body);
    expect(await refusal({ channel: stranger, offset: '-1' })).toEqual([400, 'bad_request']);
    // Channels are created on first use, so this one is empty.
    expect(await refusal({ channel: `${prefix}/none`, offset: '-1' })).toEqual([202, undefined]);
    const beyond = { channel: `${prefix}/a`, offset: '0000000000990000' };
    expect(await refusal(beyond)).toEqual([410, 'offset_gone']);
    expect(await refusal({ channel: `${prefix}/a`, offset: '-2' })).toEqual([400, 'bad_offset']);
    expect(await refusal({ channel: `${prefix}/a` })).toEqual([400, 'bad_request']);
    await hub.publish(`${prefix}/a`, 2);
    await arrived(receiver, 2);
    expect(dataOf(receiver)).toEqual([1, 2]);
  });
});

describe.runIf(isHubLocal)('an endpoint', () => {
  test('that is disabled receives nothing, and receives the missed messages by a recovery', async () => {
    const channel = newChannel();
    const since = new Date().toISOString();
    const { id } = await webhooks.create(receiver.url, [channel]);
    await deliver(channel, id, 1);
    await webhooks.ask('PATCH', `/${id}`, { enabled: false });
    for (const n of [1, 2]) await hub.publish(channel, n);
    await expect.poll(() => webhooks.statuses(id)).toEqual(['skipped', 'skipped', 'delivered']);
    const skipped = await webhooks.deliveries(id, '?status=skipped');
    expect([receiver.received.length, skipped.flatMap(attemptsOf)]).toEqual([1, []]);
    await webhooks.ask('POST', `/${id}/enable`);
    await hub.publish(channel, 3);
    await arrived(receiver, 2);
    expect(dataOf(receiver)).toEqual([0, 3]);
    expect((await webhooks.ask('POST', `/${id}/recover`, { since })).status).toBe(202);
    await arrived(receiver, 4);
    expect(
      receiver.received
        .slice(2)
        .map((one) => one.id)
        .toSorted(),
    ).toEqual(skipped.map((one) => one.id).toSorted());
    await expect.poll(() => webhooks.statuses(id)).toEqual(numbers(4).map(() => 'delivered'));
  });

  test('that is removed, or has other patterns, receives nothing more', async () => {
    const channel = newChannel();
    const others = await Promise.all([startReceiver(), startReceiver()]);
    const [removed, changed] = others;
    await webhooks.create(receiver.url, [channel]);
    const gone = await webhooks.create(removed.url, [channel]);
    const moved = await webhooks.create(changed.url, [channel]);
    await hub.publish(channel, 'before');
    for (const one of [receiver, ...others]) await arrived(one, 1);
    expect((await webhooks.ask('DELETE', `/${gone.id}`)).status).toBe(204);
    await webhooks.ask('PATCH', `/${moved.id}`, { channels: [`${channel}/elsewhere`] });
    for (const n of numbers(3)) await hub.publish(channel, n);
    await arrived(receiver, 4);
    await hub.publish(`${channel}/elsewhere`, 'elsewhere');
    await arrived(changed, 2);
    expect(dataOf(changed)).toEqual(['before', 'elsewhere']);
    expect(dataOf(removed)).toEqual(['before']);
    for (const one of others) await one.close();
  });
});
