/**
 * PROTOCOL.md §13.4 and §13.6 over the wire: the effects of an endpoint's answers. An endpoint with a handshake receives
 * nothing before it has agreed.
 * @module
 */
import { createServer } from 'node:net';
import { afterAll, describe, expect, inject, onTestFinished, test } from 'vitest';
import { attemptsOf, isHubLocal, webhooksOf } from '../../support/webhooks/webhook-calls.ts';
import { arrived, dataOf, receiverOfEachTest, startReceiver, verify } from '../../support/wire/receiver.ts';
import { callerWith, EVERYTHING, newChannel } from '../../support/wire/wire.ts';

const hub = callerWith(EVERYTHING);
const webhooks = webhooksOf(hub);
const receiver = receiverOfEachTest();
afterAll(webhooks.removeAll);

const endpoint = async (id: string) => (await webhooks.ask('GET', `/${id}`)).body;

describe.runIf(isHubLocal)('an endpoint that answers', () => {
  test('a failure receives the message again with a new signature, and is shown as failing until then', async () => {
    const channel = newChannel();
    receiver.reply = (_one, nth) => (nth === 1 ? { status: 500, body: 'not\u0007 now' } : { status: 200 });
    const { id, secret } = await webhooks.create(receiver.url, [channel]);
    await hub.publish(channel, 'again');
    await arrived(receiver, 1);
    const read = () => endpoint(id);
    await expect.poll(read).toMatchObject({ status: 'enabled', failingSince: expect.stringMatching(/Z$/) });
    expect(await webhooks.deliveries(id)).toMatchObject([{ status: 'waiting', due: expect.any(String) }]);
    await arrived(receiver, 2);
    const [first, second] = receiver.received;
    expect(second?.id).toBe(first?.id);
    for (const one of receiver.received) verify(secret, one);
    expect(Number(second?.headers['webhook-timestamp'])).toBeGreaterThan(
      Number(first?.headers['webhook-timestamp']),
    );
    const { attempts } = await webhooks.settled(id, String(first?.id), 'delivered');
    expect(attempts).toMatchObject([
      { number: 1, status: 500, answer: 'not\ufffd now' },
      { number: 2, status: 200 },
    ]);
    await expect.poll(read).not.toHaveProperty('failingSince');
  });

  test('503 with Retry-After receives nothing during that time, and its other messages spend no attempt', async () => {
    const channel = newChannel();
    receiver.reply = (_one, nth) => ({
      status: receiver.received.length === 1 && nth === 1 ? 503 : 204,
      headers: { 'retry-after': '7' },
    });
    const { id } = await webhooks.create(receiver.url, [channel]);
    await hub.publish(channel, 'first');
    await arrived(receiver, 1);
    await expect.poll(() => webhooks.statuses(id)).toEqual(['waiting']);
    // The owner of the endpoint notes the pause when it has done what it can.
    await expect.poll(() => endpoint(id)).toHaveProperty('pausedUntil');
    await hub.publish(channel, 'second');
    await arrived(receiver, 3);
    const [refused, ...others] = receiver.received.map(({ at }) => at);
    for (const at of others) expect(at - (refused ?? 0)).toBeGreaterThan(6_500);
    await expect.poll(() => webhooks.statuses(id)).toEqual(['delivered', 'delivered']);
    const counts = (await webhooks.everyDelivery(id)).map((one) => attemptsOf(one).length);
    expect(counts).toEqual([1, 2]);
    expect(await endpoint(id)).not.toHaveProperty('pausedUntil');
  });

  test('a redirect has failed: the hub does not follow it, and sends nothing to the other URL', async () => {
    const other = await startReceiver();
    const { id } = await webhooks.create(receiver.url, [newChannel()]);
    for (const status of [301, 302, 303, 307, 308]) {
      receiver.reply = () => ({ status, headers: { location: other.url } });
      const { body } = await webhooks.ask('POST', `/${id}/test`);
      const { attempts } = await webhooks.settled(id, String(body.delivery), 'failed');
      expect(attempts).toMatchObject([{ number: 1, status }]);
    }
    expect([receiver.received.length, other.received.length, other.asked.length]).toEqual([5, 0, 0]);
    await other.close();
  });

  test.each([
    [
      '100 Continue without a request for it',
      'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n',
    ],
    ['a folded header', 'HTTP/1.1 200 OK\r\nx: a\r\n b\r\ncontent-length: 0\r\n\r\n'],
    ['lines that end with LF alone', 'HTTP/1.1 200 OK\ncontent-length: 0\n\n'],
    ['a body that is cut short', 'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nthat was'],
  ])('%s, then 200, has received the message', async (_what, answer) => {
    let asked = 0;
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => {
        asked++;
        socket.end(answer);
      });
    });
    onTestFinished(() => void server.close());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = Object(server.address());
    const channel = newChannel();
    const { id } = await webhooks.create(`http://127.0.0.1:${port}/`, [channel]);
    await hub.publish(channel, 'odd');
    await expect.poll(() => webhooks.statuses(id)).toEqual(['delivered']);
    expect(asked).toBe(1);
  });

  test('410 is disabled with a notice, and receives everything by a recovery after it is enabled again', async () => {
    const channel = newChannel();
    const since = new Date().toISOString();
    receiver.reply = () => ({ status: 410 });
    const { id } = await webhooks.create(receiver.url, [channel]);
    await hub.publish(channel, 'first');
    const read = () => endpoint(id);
    await expect.poll(read).toMatchObject({ status: 'disabled', reason: 'gone' });
    const { host } = new URL(receiver.url);
    const disabled = { type: 'webhook.disabled', endpoint: id, host, reason: 'gone' };
    await expect.poll(() => webhooks.notices(id)).toEqual([{ ...disabled, at: expect.any(Number) }]);
    await hub.publish(channel, 'second');
    await expect.poll(() => webhooks.statuses(id)).toEqual(['skipped', 'failed']);
    expect(dataOf(receiver)).toEqual(['first']);
    receiver.reply = () => ({ status: 204 });
    await webhooks.ask('POST', `/${id}/enable`);
    expect((await webhooks.ask('POST', `/${id}/recover`, { since })).status).toBe(202);
    await arrived(receiver, 3);
    expect(dataOf(receiver).slice(1).toSorted()).toEqual(['first', 'second']);
    await expect.poll(() => webhooks.statuses(id)).toEqual(['delivered', 'delivered']);
  });
});

describe.runIf(isHubLocal)('an endpoint with a handshake', () => {
  const isQuestion = (one: { readonly headers: Readonly<Record<string, string>> }) =>
    one.headers['webhook-request-origin'] !== undefined;

  test('is asked as CloudEvents says, receives nothing until it agrees, and then only later messages', async () => {
    const channel = newChannel();
    const witness = await startReceiver();
    await webhooks.create(witness.url, [channel]);
    const { id } = await webhooks.create(receiver.url, [channel], { handshake: true });
    await expect.poll(() => receiver.asked.length).toBe(1);
    const host = new URL(inject('hub').url).host;
    expect(receiver.asked).toMatchObject([
      { method: 'OPTIONS', headers: { 'webhook-request-origin': host } },
    ]);
    await expect.poll(() => webhooks.statuses(id)).toEqual(['failed']);
    const asked = (await webhooks.everyDelivery(id))[0];
    expect(asked).toMatchObject({ kind: 'handshake', attempts: [{ number: 1, status: 204 }] });
    for (const path of ['/enable', '/test', `/deliveries/${asked?.id}/retry`])
      expect(await webhooks.refusal('POST', `/${id}${path}`), path).toEqual([409, 'webhook_conflict']);
    await hub.publish(channel, 'too early');
    await arrived(witness, 1);
    receiver.reply = () => ({
      status: 200,
      headers: { 'webhook-allowed-origin': host, 'webhook-allowed-rate': '6000' },
    });
    const { body } = await webhooks.ask('POST', `/${id}/handshake`);
    await webhooks.settled(id, String(body.delivery), 'delivered');
    expect(await endpoint(id)).toMatchObject({ status: 'enabled', rate: 6_000, handshake: true });
    await hub.publish(channel, 'in time');
    await arrived(receiver, 1);
    expect(dataOf(receiver)).toEqual(['in time']);
    await expect.poll(() => webhooks.statuses(id)).toEqual(['delivered', 'delivered', 'failed']);
    await witness.close();
  });

  test.each([
    ['another origin', { 'webhook-allowed-origin': 'eventemitter.example.com' }, 200],
    ['no origin', {}, 200],
    ['a refusal', { 'webhook-allowed-origin': '*' }, 403],
    ['a redirect', { 'webhook-allowed-origin': '*', location: '/other' }, 307],
  ])('that answers with %s has not agreed', async (_name, headers, status) => {
    receiver.reply = () => ({ status, headers });
    const { id } = await webhooks.create(receiver.url, [newChannel()], { handshake: true });
    await expect.poll(() => webhooks.statuses(id)).toEqual(['failed']);
    expect(await endpoint(id)).toMatchObject({ status: 'pending' });
    expect(receiver.asked).toHaveLength(1);
  });

  test('is asked again after it was disabled, and at its new URL', async () => {
    const channel = newChannel();
    const moved = await startReceiver();
    const agree = () => ({ status: 204, headers: { 'webhook-allowed-origin': '*' } });
    receiver.reply = (one) => (isQuestion(one) ? agree() : { status: 204 });
    const { id } = await webhooks.create(receiver.url, [channel], { handshake: true });
    await expect.poll(() => endpoint(id)).toMatchObject({ status: 'enabled' });
    await webhooks.ask('PATCH', `/${id}`, { url: moved.url });
    expect(await endpoint(id)).toMatchObject({ status: 'pending' });
    await expect.poll(() => moved.asked.length).toBe(1);
    moved.reply = agree;
    await webhooks.ask('PATCH', `/${id}`, { enabled: false });
    await webhooks.ask('POST', `/${id}/enable`);
    await expect.poll(() => endpoint(id)).toMatchObject({ status: 'enabled' });
    await hub.publish(channel, 'now');
    await arrived(moved, 1);
    expect([receiver.asked.length, receiver.received.length, moved.asked.length]).toEqual([1, 0, 2]);
    await moved.close();
  });
});
