/**
 * The account is at its SNS publish quota: no publish is refused, sockets and webhooks get everything as usual, and a team's own
 * subscriptions to the topic get a hint of every channel in the end (docs/adr/0012).
 * @module
 */
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type RunningHub, startHub } from '../../../scripts/hub/local-hub.ts';
import { type Account, accountOf } from '../../support/webhooks/foreign-queue.ts';
import { type WebhookCaller, webhooksOf } from '../../support/webhooks/webhook-calls.ts';
import { clearFaults, type Fault, inject } from '../../support/wire/faults.ts';
import { saveGrants } from '../../support/wire/grants.ts';
import { type Listener, listen } from '../../support/wire/listener.ts';
import { sumsOf } from '../../support/wire/measured.ts';
import { dataOf, type Receiver, startReceiver } from '../../support/wire/receiver.ts';
import { openSocket } from '../../support/wire/socket.ts';
import { type Caller, callerAt, newChannel, refusalOf } from '../../support/wire/wire.ts';

/** The quota: 300 messages a second. */
const REGION = 'eu-west-3';
const RATE_EXCEEDED = { status: 400, type: 'ThrottlingException', message: 'Rate exceeded' };
const SECONDS = { timeout: 30_000, interval: 100 };
/** Where the machine is busy, calls of functions fail, and their messages come back when their visibility timeouts end: after 150 s. */
const COMES_BACK = { timeout: 170_000, interval: 250 };

const CHANNELS = 4;
const PUBLISHES = 10;

let running: RunningHub;
let hub: Caller;
let account: Account;
let webhooks: WebhookCaller;
let receiver: Receiver;
const listeners: Listener[] = [];

const subscribed = async (channel: string): Promise<Listener> => {
  const listener = await listen(running.stack.socketUrl ?? '', running.token, channel);
  listeners.push(listener);
  return listener;
};
const sums = () => sumsOf(running.stack.control);
const diverted = async () => (await sums()).HintsDiverted ?? 0;
const defects = async () => Object.keys(await sums()).filter((name) => name.startsWith('Defects'));
const offsetOf = (response: Response): string => {
  expect(response.status).toBe(204);
  return response.headers.get('Stream-Next-Offset') ?? '';
};
const throttle = (handler: Fault['function'], times = 1) =>
  inject(running.stack.control, {
    function: handler,
    action: 'sns:Publish',
    at: 'before',
    effect: RATE_EXCEEDED,
    times,
  });

/** Publishes, and retries while the store is busy, which happens on a machine with other work and does not concern the topic. */
async function publishSurely(channel: string, message: unknown): Promise<string> {
  const headers = { 'Content-Type': 'application/json', 'Idempotency-Key': `${channel} ${message}` };
  for (;;) {
    const init = { method: 'POST', headers, body: JSON.stringify([message]) };
    const response = await hub.request(`/channels/${channel}`, init);
    if (response.status !== 503) return offsetOf(response);
    expect(await response.text()).not.toContain('could not be told');
  }
}

/** One request in a process is as deployed; many are as in `npm start`. */
describe.each([1, 64])('with %i requests in a process', (concurrency) => {
  beforeAll(async () => {
    running = await startHub({ concurrency, region: REGION });
    hub = callerAt(running.stack.url, { Authorization: `Bearer ${running.token}` });
    account = await accountOf(running.stack.aws);
    webhooks = webhooksOf(hub);
    receiver = await startReceiver();
  });
  afterEach(async () => {
    await clearFaults(running.stack.control);
    await webhooks.removeAll();
    await Promise.all(listeners.splice(0).map((listener) => listener.close()));
  });
  afterAll(async () => {
    await saveGrants(`quota-${concurrency}`, running.stack.control);
    await running.close();
    await receiver.close();
  });

  test('many publishes at the same time all succeed, and every subscriber gets them', async () => {
    const channels = Array.from({ length: CHANNELS }, () => newChannel('busy'));
    const heard = await Promise.all(channels.map(subscribed));
    await webhooks.create(receiver.url, channels);
    const delivered = () => {
      const ours = receiver.received.filter(({ body }) => channels.includes(String(body.channel)));
      return new Set(ours.map(({ id }) => id)).size;
    };
    // Processes start one by one, before many of them are needed at once.
    for (const [nth, channel] of channels.entries()) {
      await publishSurely(channel, 'first');
      await expect.poll(() => heard[nth]?.taken, COMES_BACK).toEqual(['first']);
      await expect.poll(delivered, COMES_BACK).toBe(nth + 1);
    }
    const before = await diverted();
    await throttle('Publish', CHANNELS * PUBLISHES);
    await throttle('Push', 2);
    const ends = await Promise.all(
      channels.map(async (channel) => {
        let end = '';
        for (let n = 0; n < PUBLISHES; n++) end = await publishSurely(channel, n);
        return [channel, end] as const;
      }),
    );
    const all = ['first', ...Array.from({ length: PUBLISHES }, (_, n) => n)];
    await expect.poll(() => heard.map(({ taken }) => taken), COMES_BACK).toEqual(channels.map(() => all));
    await expect.poll(delivered, COMES_BACK).toBe(CHANNELS * all.length);
    expect(await diverted()).toBeGreaterThan(before);
    const told = async () => Object.fromEntries(await account.heard());
    await expect.poll(told, COMES_BACK).toMatchObject(Object.fromEntries(ends));
    expect(await defects()).toEqual([]);
  }, 600_000);

  test('the quota is that of the account, and other publishers use it up', async () => {
    const channel = newChannel('busy');
    const listener = await subscribed(channel);
    const before = await diverted();
    const elsewhere = await account.useUpQuota();
    onTestFinished(elsewhere.end);
    const published: number[] = [];
    let offset = '';
    for (let n = 0; (await diverted()) === before; n++) {
      offset = await publishSurely(channel, n);
      published.push(n);
    }
    await elsewhere.end();
    await expect.poll(() => listener.taken, COMES_BACK).toEqual(published);
    await expect.poll(async () => (await account.heard()).get(channel), COMES_BACK).toBe(offset);
  }, 600_000);

  test('the hint of a lone publish goes to the queues, and to the topic later', async () => {
    const channel = newChannel('busy');
    const listener = await subscribed(channel);
    const before = await diverted();
    await throttle('Publish');
    const offset = offsetOf(await hub.publish(channel, 'lone'));
    await expect.poll(() => listener.taken, SECONDS).toEqual(['lone']);
    await expect.poll(async () => (await account.heard()).get(channel), SECONDS).toBe(offset);
    await expect.poll(diverted, SECONDS).toBe(before + 1);
  });

  test('a delayed hint waits for as long as the topic is busy', async () => {
    const channel = newChannel('busy');
    await throttle('Publish');
    await throttle('Push', 2);
    const offset = offsetOf(await hub.publish(channel, 'lone'));
    await expect.poll(async () => (await account.heard()).get(channel), SECONDS).toBe(offset);
  });

  test('the hints of a publish on a socket and of a notice take the same way', async () => {
    const channel = newChannel('busy');
    const notices = await subscribed('tidings/webhooks');
    const { id } = await webhooks.create(receiver.url, [channel]);
    receiver.reply = ({ body }) => ({ status: body.channel === channel ? 410 : 204 });
    await throttle('Socket');
    await throttle('Dispatch');
    const socket = await openSocket({
      url: running.stack.socketUrl ?? '',
      headers: { Authorization: `Bearer ${running.token}` },
    });
    expect(await socket.ask({ action: 'publish', channel, messages: ['said'] })).toMatchObject({
      type: 'published',
    });
    await expect.poll(() => dataOf(receiver), SECONDS).toContain('said');
    await expect
      .poll(() => notices.taken, SECONDS)
      .toContainEqual(expect.objectContaining({ type: 'webhook.disabled', endpoint: id }));
    await socket.close();
    expect(await defects()).toEqual([]);
  });

  test.each(['HintsPush', 'WebhookQueuesDispatch'])(
    'if the queue %s cannot be reached either, the publish says that it is stored and not announced',
    async (resource) => {
      const channel = newChannel('busy');
      await throttle('Publish');
      const queue = { function: 'Publish', action: 'sqs:SendMessage', resource, at: 'before' } as const;
      await inject(running.stack.control, { ...queue, effect: 'reset', times: 3 });
      const refused = await hub.publish(channel, 'stored');
      expect(refused.headers.get('Retry-After')).toBe('1');
      expect(await refused.clone().text()).toContain(
        'stored, but subscribers could not be told for sure; retry',
      );
      expect(await refusalOf(refused)).toEqual([503, 'unavailable']);
      await clearFaults(running.stack.control);
      expect((await hub.readAll(channel)).messages).toEqual(['stored']);
      await expect.poll(async () => (await sums())['Unavailable Publish'], SECONDS).toBeGreaterThan(0);
      expect(await defects()).toEqual([]);
    },
  );
});
