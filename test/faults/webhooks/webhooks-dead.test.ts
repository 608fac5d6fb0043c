/**
 * Webhooks that fail for good: the end of the retry schedule, dead letters and their redrive, endpoints that never answer and
 * messages that cannot be read, which do not delay others; and where secrets must not appear (PROTOCOL.md §13.4).
 * @module
 */
import { describe, expect, test } from 'vitest';
import { attemptsOf } from '../../support/webhooks/webhook-calls.ts';
import { webhookHub } from '../../support/webhooks/webhook-hub.ts';
import { arrived, dataOf, receiverOfEachTest, startReceiver, verify } from '../../support/wire/receiver.ts';
import { newChannel } from '../../support/wire/wire.ts';

const on = webhookHub('webhooks-dead');
const { hub, webhooks, logged } = on;
const receiver = receiverOfEachTest();

const deadLetters = async () => (await on.tables.queue('Deliver/DeadLetters')).visible;
const numbers = (to: number) => Array.from({ length: to }, (_, at) => at);

// These tests come first, while no other message is hidden in the queues.
describe('other endpoints are not delayed', () => {
  test('by messages that cannot be read', async () => {
    const channels = numbers(5).map(() => newChannel());
    await webhooks.create(receiver.url, channels);
    const poison = ['not JSON', '{}', '[]', 'null', '{"endpoint":""}', '{"endpoint":7}'];
    for (const [at, body] of poison.entries()) {
      await on.tables.send('Deliver/Queue', body);
      await on.tables.send('Dispatch/Queue', body);
      await hub.publish(channels[at % channels.length] ?? '', at);
    }
    // An unknown endpoint or channel is no defect: it may have been removed after the message was sent.
    await on.tables.send('Deliver/Queue', '{"endpoint":"ep_none"}');
    await on.tables.send('Deliver/Queue', '{"endpoint":"ep_none","delivery":"msg_none"}');
    await on.tables.send('Dispatch/Queue', '{"channel":"none/at-all"}');
    await arrived(receiver, poison.length);
    expect(dataOf(receiver).toSorted()).toEqual(numbers(poison.length));
    for (const part of ['Deliver', 'Dispatch']) {
      const states = async () => {
        const { visible, inFlight } = await on.tables.queue(`${part}/Queue`);
        return [visible, inFlight];
      };
      // They stay hidden for a while, and come again until they are dead letters.
      await expect.poll(states, { message: part }).toEqual([0, poison.length]);
      const defects = logged.filter(
        (line) => line.startsWith(`[${part}/`) && line.includes('request failed'),
      );
      expect(defects.length, part).toBe(poison.length);
    }
  });

  test('by an endpoint that never answers', async () => {
    const channel = newChannel();
    const silent = await startReceiver();
    silent.reply = () => ({ status: undefined });
    const { id } = await webhooks.create(silent.url, [channel]);
    await hub.publish(channel, ...numbers(50));
    await arrived(silent, 10);
    await webhooks.create(receiver.url, [channel]);
    const began = Date.now();
    for (const n of numbers(10)) await hub.publish(channel, n);
    await arrived(receiver, 10);
    expect(Date.now() - began).toBeLessThan(15_000);
    // It has its ten attempts under way, and no more.
    const read = async () =>
      (await webhooks.deliveries(id, '?status=waiting')).map(({ attempts }) => attempts);
    const timeout = [expect.objectContaining({ number: 1, error: 'timeout' })];
    await expect.poll(read).toEqual(numbers(10).map(() => timeout));
    await webhooks.ask('DELETE', `/${id}`);
    await silent.close();
  });
});

describe('a dead letter', () => {
  test('is a delivery that failed to the end of the retry schedule, causes a notice, and comes back by a redrive', async () => {
    const channel = newChannel();
    // After 502 the next attempt is at least a minute away, so that the test can move the time.
    receiver.reply = () => ({ status: 502 });
    const { id, secret } = await webhooks.create(receiver.url, [channel]);
    await hub.publish(channel, 'important');
    await arrived(receiver, 1);
    const delivery = receiver.received[0]?.id ?? '';
    const typesOf = async () => (await webhooks.notices(id)).map(({ type }) => type);
    const waits = async (count: number) => {
      const waiting = await webhooks.settled(id, delivery, 'waiting');
      expect([waiting.attempts, receiver.received.length]).toMatchObject([
        numbers(count).map(() => ({ status: 502 })),
        count,
      ]);
    };
    await waits(1);
    expect(await typesOf()).toEqual([]);
    await on.tables.age(id, delivery, 3);
    await arrived(receiver, 2);
    await expect.poll(typesOf).toEqual(['webhook.failing']);
    await waits(2);
    await on.tables.age(id, delivery, 7);
    const failed = await webhooks.settled(id, delivery, 'failed');
    expect(failed).not.toHaveProperty('due');
    await expect.poll(typesOf).toEqual(['webhook.failing', 'webhook.exhausted']);
    expect((await webhooks.notices(id))[1]).toMatchObject({
      endpoint: id,
      host: new URL(receiver.url).host,
      delivery,
    });
    const last = { number: 3, status: 502 };
    expect(await on.tables.deadLetters(id)).toMatchObject([
      { delivery, channel, offset: failed.offset, last },
    ]);
    // Other messages do not change a dead letter.
    receiver.reply = () => ({ status: 204 });
    await hub.publish(channel, 'other');
    await arrived(receiver, 4);
    await expect.poll(typesOf).toEqual(['webhook.failing', 'webhook.exhausted', 'webhook.recovered']);
    expect((await webhooks.ask('GET', `/${id}/deliveries/${delivery}`)).body.status).toBe('failed');
    const { secret: rotated } = (await webhooks.ask('POST', `/${id}/rotate`)).body;
    expect((await on.tables.redrive()).moved).toBe(1);
    await arrived(receiver, 5);
    const again = receiver.received[4];
    if (!again) throw new Error('no request arrived');
    expect([again.id, again.body.data]).toEqual([delivery, 'important']);
    for (const one of [secret, String(rotated)]) verify(one, again);
    const settled = await webhooks.settled(id, delivery, 'delivered');
    expect(attemptsOf(settled).map(({ number, status }) => [number, status])).toEqual([
      [1, 502],
      [2, 502],
      [3, 502],
      [4, 204],
    ]);
    expect([await deadLetters(), (await on.tables.redrive()).moved]).toEqual([0, 0]);
  });

  test('of a delivery that succeeded meanwhile is harmless', async () => {
    const channel = newChannel();
    const { id } = await webhooks.create(receiver.url, [channel]);
    // The hub does not call itself, so the delivery fails for good at once.
    await on.tables.changeEndpoint(id, { url: `${on.running.stack.url}/channels/${channel}` });
    await hub.publish(channel, 'blocked');
    await expect.poll(() => on.tables.deadLetters(id)).toHaveLength(1);
    // The dead letter comes first, and then the end of the delivery is stored.
    await expect.poll(() => webhooks.deliveries(id, '?status=failed')).toHaveLength(1);
    const [{ id: delivery = '' } = {}] = await webhooks.deliveries(id, '?status=failed');
    const dead = await webhooks.settled(id, String(delivery), 'failed');
    expect(dead.attempts).toMatchObject([{ number: 1, error: 'blocked' }]);
    expect((await hub.readAll(channel)).messages).toEqual(['blocked']);
    await webhooks.ask('PATCH', `/${id}`, { url: receiver.url });
    await webhooks.ask('POST', `/${id}/deliveries/${delivery}/retry`);
    await arrived(receiver, 1);
    await webhooks.settled(id, String(delivery), 'delivered');
    expect((await on.tables.redrive()).moved).toBe(1);
    await expect.poll(deadLetters).toBe(0);
    // The redrive is done when a later task is done.
    const { body } = await webhooks.ask('POST', `/${id}/test`);
    await webhooks.settled(id, String(body.delivery), 'delivered');
    await hub.publish(channel, 'last');
    await arrived(receiver, 3);
    expect(dataOf(receiver)).toEqual(['blocked', { type: 'tidings.test', endpoint: id }, 'last']);
  });

  test('of an endpoint that was repaired is delivered by a redrive, with its original id', async () => {
    const channel = newChannel();
    const { id } = await webhooks.create(receiver.url, [channel]);
    await on.tables.changeEndpoint(id, { url: on.running.stack.url });
    await hub.publish(channel, 1);
    await hub.publish(channel, 2);
    await expect.poll(() => on.tables.deadLetters(id)).toHaveLength(2);
    await expect.poll(() => webhooks.deliveries(id, '?status=failed')).toHaveLength(2);
    const ids = (await webhooks.deliveries(id, '?status=failed')).map((one) => one.id);
    await webhooks.ask('PATCH', `/${id}`, { url: receiver.url });
    expect((await on.tables.redrive()).moved).toBe(2);
    await arrived(receiver, 2);
    expect(receiver.received.map((one) => one.id).toSorted()).toEqual(ids.toSorted());
    await expect.poll(() => webhooks.deliveries(id, '?status=delivered')).toHaveLength(2);
    expect(await deadLetters()).toBe(0);
  });
});

test('a notice is sent like any other message, except to the endpoint that it concerns', async () => {
  const channel = newChannel();
  const witness = await startReceiver();
  // Notices of other types may come from earlier tests.
  const types = ['message', 'webhook.disabled'];
  await webhooks.create(witness.url, ['tidings/webhooks'], { types });
  receiver.reply = () => ({ status: 410 });
  const { id } = await webhooks.create(receiver.url, [channel, 'tidings/webhooks'], { types });
  await hub.publish(channel, 'gone?');
  await arrived(witness, 1);
  expect(witness.received[0]?.body).toMatchObject({
    type: 'webhook.disabled',
    channel: 'tidings/webhooks',
    data: { endpoint: id, reason: 'gone' },
  });
  // The log of deliveries has the later message, but not the notice.
  await hub.publish(channel, 'still gone?');
  const logOf = async () => (await webhooks.everyDelivery(id)).map((one) => [one.channel, one.status]);
  await expect.poll(logOf).toEqual([
    [channel, 'skipped'],
    [channel, 'failed'],
  ]);
  await witness.close();
});

test('secrets are in no table, no queue, and no line of a log', async () => {
  const channel = newChannel();
  const given = `whsec_${Buffer.alloc(24, 'q').toString('base64')}`;
  const { id, secret } = await webhooks.create(receiver.url, [channel], { secret: given });
  expect(secret).toBe(given);
  const rotated = String((await webhooks.ask('POST', `/${id}/rotate`)).body.secret);
  receiver.reply = (_one, nth) => ({ status: nth === 1 ? 500 : 204 });
  await hub.publish(channel, 'twice');
  await arrived(receiver, 2);
  await webhooks.ask('POST', '', { url: receiver.url, channels: [channel], secret: `${given}!` });
  await on.tables.changeEndpoint(id, { sealed: 'v1.broken' });
  await hub.publish(channel, 'cannot be signed');
  await expect.poll(() => logged.some((line) => line.includes('sealed secrets cannot be opened'))).toBe(true);
  const rows = [...(await on.tables.rows('Endpoints')), ...(await on.tables.rows('Deliveries'))];
  expect(rows.some((row) => row.id === id)).toBe(true);
  const queued = await Promise.all(
    ['Deliver/Queue', 'Dispatch/Queue', 'Deliver/DeadLetters'].map((part) => on.tables.queue(part)),
  );
  const everything = JSON.stringify([rows, queued, logged, await webhooks.notices(id)]);
  for (const one of [given, rotated]) expect(everything).not.toContain(one.slice('whsec_'.length));
  expect(everything).not.toContain('whsec_');
  expect(everything).not.toContain(on.running.token);
});
