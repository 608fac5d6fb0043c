/**
 * Webhooks that come to nothing: the end of the retry schedule, dead letters and their way back, endpoints that answer nothing and
 * messages that nobody can read, which hold up nobody else; and what can be found out about secrets (PROTOCOL.md §13.4).
 * @module
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type RunningHub, startHub } from '../../scripts/local-hub.ts';
import {
  attemptsOf,
  UNTHROTTLED,
  type WebhookCaller,
  webhooksOf,
} from '../support/webhooks/webhook-calls.ts';
import { tablesOf, type WebhookTables } from '../support/webhooks/webhook-tables.ts';
import { saveGrants } from '../support/wire/grants.ts';
import { arrived, dataOf, type Receiver, startReceiver, verify } from '../support/wire/receiver.ts';
import { type Caller, callerAt, newChannel } from '../support/wire/wire.ts';

let running: RunningHub;
let hub: Caller;
let webhooks: WebhookCaller;
let tables: WebhookTables;
let receiver: Receiver;
const logged: string[] = [];
beforeAll(async () => {
  running = await startHub({ context: UNTHROTTLED, log: (line) => logged.push(line) });
  hub = callerAt(running.stack.url, { Authorization: `Bearer ${running.token}` });
  webhooks = webhooksOf(hub);
  tables = tablesOf(running);
}, 60_000);
beforeEach(async () => {
  receiver = await startReceiver();
  return async () => await receiver.close();
});
afterAll(async () => {
  await saveGrants('webhooks-dead', running.stack.control);
  await running.close();
});

const deadLetters = async () => (await tables.queue('Deliver/DeadLetters')).visible;
const numbers = (to: number) => Array.from({ length: to }, (_, at) => at);

// First, while nothing else is hidden in the queues.
describe('held up is nobody', () => {
  test('by messages that nobody can read', async () => {
    const channels = numbers(5).map(() => newChannel());
    await webhooks.create(receiver.url, channels);
    const poison = ['not JSON', '{}', '[]', 'null', '{"endpoint":""}', '{"endpoint":7}'];
    for (const [at, body] of poison.entries()) {
      await tables.send('Deliver/Queue', body);
      await tables.send('Dispatch/Queue', body);
      await hub.publish(channels[at % channels.length] ?? '', at);
    }
    // Endpoints and channels that are not there are no defect: they were there when somebody wrote that.
    await tables.send('Deliver/Queue', '{"endpoint":"ep_none"}');
    await tables.send('Deliver/Queue', '{"endpoint":"ep_none","delivery":"msg_none"}');
    await tables.send('Dispatch/Queue', '{"channel":"none/at-all"}');
    await arrived(receiver, poison.length);
    expect(dataOf(receiver).toSorted()).toEqual(numbers(poison.length));
    for (const part of ['Deliver', 'Dispatch']) {
      const states = async () => {
        const { visible, inFlight } = await tables.queue(`${part}/Queue`);
        return [visible, inFlight];
      };
      // They stay, hidden for a while, and come again until they are set aside.
      await expect.poll(states, { timeout: 15_000, message: part }).toEqual([0, poison.length]);
      const told = logged.filter((line) => line.startsWith(`[${part}/`) && line.includes('request failed'));
      expect(told.length, part).toBe(poison.length);
    }
  });

  test('by an endpoint that answers nothing', async () => {
    const channel = newChannel();
    const hole = await startReceiver();
    hole.reply = () => ({ status: undefined });
    const { id } = await webhooks.create(hole.url, [channel]);
    await hub.publish(channel, ...numbers(50));
    await arrived(hole, 10);
    await webhooks.create(receiver.url, [channel]);
    const began = Date.now();
    for (const n of numbers(10)) await hub.publish(channel, n);
    await arrived(receiver, 10);
    expect(Date.now() - began).toBeLessThan(15_000);
    // It holds its own ten, and no more.
    const read = async () =>
      (await webhooks.deliveries(id, '?status=waiting')).map(({ attempts }) => attempts);
    const timeout = [expect.objectContaining({ number: 1, error: 'timeout' })];
    await expect.poll(read, { timeout: 30_000 }).toEqual(numbers(10).map(() => timeout));
    await webhooks.ask('DELETE', `/${id}`);
    await hole.close();
  }, 60_000);
});

describe('a dead letter', () => {
  test('is what has failed to the end of the retry schedule, is told of, and comes back by a redrive', async () => {
    const channel = newChannel();
    // The next attempt is a minute away at the least: time to let time pass.
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
    await tables.age(id, delivery, 3);
    await arrived(receiver, 2);
    await expect.poll(typesOf, { timeout: 15_000 }).toEqual(['webhook.failing']);
    await waits(2);
    await tables.age(id, delivery, 7);
    const failed = await webhooks.settled(id, delivery, 'failed');
    expect(failed).not.toHaveProperty('due');
    await expect.poll(typesOf, { timeout: 15_000 }).toEqual(['webhook.failing', 'webhook.exhausted']);
    expect((await webhooks.notices(id))[1]).toMatchObject({
      endpoint: id,
      host: new URL(receiver.url).host,
      delivery,
    });
    const last = { number: 3, status: 502 };
    expect(await tables.deadLetters(id)).toMatchObject([{ delivery, channel, offset: failed.offset, last }]);
    // What is dead is left alone, whatever else comes.
    receiver.reply = () => ({ status: 204 });
    await hub.publish(channel, 'other');
    await arrived(receiver, 4);
    await expect
      .poll(typesOf, { timeout: 15_000 })
      .toEqual(['webhook.failing', 'webhook.exhausted', 'webhook.recovered']);
    expect((await webhooks.ask('GET', `/${id}/deliveries/${delivery}`)).body.status).toBe('failed');
    const { secret: rotated } = (await webhooks.ask('POST', `/${id}/rotate`)).body;
    expect((await tables.redrive()).moved).toBe(1);
    await arrived(receiver, 5);
    const again = receiver.received[4];
    if (!again) throw new Error('nothing came');
    expect([again.id, again.body.data]).toEqual([delivery, 'important']);
    for (const one of [secret, String(rotated)]) verify(one, again);
    const settled = await webhooks.settled(id, delivery, 'delivered');
    expect(attemptsOf(settled).map(({ number, status }) => [number, status])).toEqual([
      [1, 502],
      [2, 502],
      [3, 502],
      [4, 204],
    ]);
    expect([await deadLetters(), (await tables.redrive()).moved]).toEqual([0, 0]);
  }, 60_000);

  test('of what was delivered meanwhile is harmless', async () => {
    const channel = newChannel();
    const { id } = await webhooks.create(receiver.url, [channel]);
    // The hub itself, which it calls by no means: that is the end at once.
    await tables.changeEndpoint(id, { url: `${running.stack.url}/channels/${channel}` });
    await hub.publish(channel, 'to whom?');
    await expect.poll(() => tables.deadLetters(id), { timeout: 15_000 }).toHaveLength(1);
    const [{ id: delivery = '' } = {}] = await webhooks.deliveries(id, '?status=failed');
    const dead = await webhooks.settled(id, String(delivery), 'failed');
    expect(dead.attempts).toMatchObject([{ number: 1, error: 'blocked' }]);
    expect((await hub.readAll(channel)).messages).toEqual(['to whom?']);
    await webhooks.ask('PATCH', `/${id}`, { url: receiver.url });
    await webhooks.ask('POST', `/${id}/deliveries/${delivery}/retry`);
    await arrived(receiver, 1);
    await webhooks.settled(id, String(delivery), 'delivered');
    expect((await tables.redrive()).moved).toBe(1);
    await expect.poll(deadLetters, { timeout: 15_000 }).toBe(0);
    // The redrive has been done, once what was left later is.
    const { body } = await webhooks.ask('POST', `/${id}/test`);
    await webhooks.settled(id, String(body.delivery), 'delivered');
    await hub.publish(channel, 'last');
    await arrived(receiver, 3);
    expect(dataOf(receiver)).toEqual(['to whom?', { type: 'tidings.test', endpoint: id }, 'last']);
  });

  test('of an endpoint that was mended is delivered by a redrive, with the id that it had', async () => {
    const channel = newChannel();
    const { id } = await webhooks.create(receiver.url, [channel]);
    await tables.changeEndpoint(id, { url: running.stack.url });
    await hub.publish(channel, 1);
    await hub.publish(channel, 2);
    await expect.poll(() => tables.deadLetters(id), { timeout: 15_000 }).toHaveLength(2);
    const ids = (await webhooks.deliveries(id, '?status=failed')).map((one) => one.id);
    await webhooks.ask('PATCH', `/${id}`, { url: receiver.url });
    expect((await tables.redrive()).moved).toBe(2);
    await arrived(receiver, 2);
    expect(receiver.received.map((one) => one.id).toSorted()).toEqual(ids.toSorted());
    await expect.poll(() => webhooks.deliveries(id, '?status=delivered')).toHaveLength(2);
    expect(await deadLetters()).toBe(0);
  });
});

test('a notice is a message like any other, but not to the endpoint that it is about', async () => {
  const channel = newChannel();
  const witness = await startReceiver();
  // Of the other types there may be some of a moment ago.
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
  // What comes after the notice is in the log, and the notice is not.
  await hub.publish(channel, 'still gone?');
  const logOf = async () => (await webhooks.everyDelivery(id)).map((one) => [one.channel, one.status]);
  await expect.poll(logOf, { timeout: 15_000 }).toEqual([
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
  await tables.changeEndpoint(id, { sealed: 'v1.broken' });
  await hub.publish(channel, 'nobody can sign this');
  await expect
    .poll(() => logged.some((line) => line.includes('sealed secrets cannot be opened')), { timeout: 10_000 })
    .toBe(true);
  const rows = [...(await tables.rows('Endpoints')), ...(await tables.rows('Deliveries'))];
  expect(rows.some((row) => row.id === id)).toBe(true);
  const queued = await Promise.all(
    ['Deliver/Queue', 'Dispatch/Queue', 'Deliver/DeadLetters'].map((part) => tables.queue(part)),
  );
  const everything = JSON.stringify([rows, queued, logged, await webhooks.notices(id)]);
  for (const one of [given, rotated]) expect(everything).not.toContain(one.slice('whsec_'.length));
  expect(everything).not.toContain('whsec_');
  expect(everything).not.toContain(running.token);
});
