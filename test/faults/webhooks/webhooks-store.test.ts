/**
 * Webhooks when the store is busy, late or silent, and when the processes of publishers and of the webhooks handler die.
 * Every message arrives, a failed request is refused, and a request that a crash interrupted can be completed
 * (PROTOCOL.md §13).
 * @module
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { webhookHub } from '../../support/webhooks/webhook-hub.ts';
import { type Line, Lines } from '../../support/webhooks/webhook-lines.ts';
import { clearFaults, type Fault, inject } from '../../support/wire/faults.ts';
import { arrived, dataOf, receiverOfEachTest, startReceiver } from '../../support/wire/receiver.ts';
import { newChannel } from '../../support/wire/wire.ts';

const on = webhookHub('webhooks-store');
const { hub, webhooks, logged } = on;
const receiver = receiverOfEachTest();
afterEach(async () => {
  await clearFaults(on.running.stack.control);
  await webhooks.removeAll();
});

const arm = (fault: Fault) => inject(on.running.stack.control, fault);
const throttled = { status: 400, type: 'ProvisionedThroughputExceededException', message: 'x' };
const busy = { status: 400, type: 'ThrottlingException', message: 'x' };
/** Longer than the SDK waits for one attempt. It then tries again, and finds its own write. */
const late = { delayMs: 1_200 };

/** The AWS calls of dispatch and deliver for a message: alone, and while the endpoint has an owner. */
const CALLS = (
  [
    ['Dispatch', 'dynamodb:BatchGetItem', 'WebhooksEndpoints'],
    ['Dispatch', 'dynamodb:GetItem', 'LogChannels'],
    ['Dispatch', 'dynamodb:Query', 'LogEntries'],
    ['Dispatch', 'dynamodb:PutItem', 'WebhooksDeliveries'],
    ['Dispatch', 'dynamodb:UpdateItem', 'WebhooksDeliveries'],
    ['Dispatch', 'sqs:SendMessage', 'DeliverQueue'],
    ['Dispatch', 'dynamodb:UpdateItem', 'WebhooksEndpoints'],
    ['Deliver', 'dynamodb:UpdateItem', 'WebhooksDeliveries'],
    ['Deliver', 'dynamodb:BatchGetItem', 'LogEntries'],
    ['Deliver', 'dynamodb:GetItem', 'WebhooksEndpoints'],
    ['Deliver', 'dynamodb:Query', 'WebhooksDeliveries'],
    ['Deliver', 'dynamodb:GetItem', 'LogChannels'],
    ['Deliver', 'dynamodb:Query', 'LogEntries'],
    ['Deliver', 'dynamodb:PutItem', 'WebhooksDeliveries'],
    ['Deliver', 'dynamodb:DeleteItem', 'WebhooksDeliveries'],
  ] as const
).map(([handler, action, resource]) => ({ function: handler, action, resource }));

describe('a store that is', () => {
  let lines: Lines;
  let open: Line[];
  beforeEach(async () => {
    lines = new Lines(hub, receiver);
    open = [];
    for (const { function: handler, action, resource } of CALLS)
      open.push(await lines.open(`${handler} ${action} ${resource}`));
    return () => lines.webhooks.removeAll();
  });
  const effectOn = ({ action }: (typeof CALLS)[number]) => (action.startsWith('sqs:') ? busy : throttled);

  test('busy once or twice has no effect', async () => {
    for (const call of CALLS) await arm({ ...call, at: 'before', effect: effectOn(call), times: 2 });
    for (const line of open) await lines.publish(line);
    await lines.settle(open, 'busy twice');
    console.info(`busy twice: ${await lines.judge(open)}`);
  });

  test('busy for longer delays messages, and loses none', async () => {
    for (const [at, call] of CALLS.entries()) {
      await arm({ ...call, at: 'before', effect: effectOn(call), times: 5 });
      const line = open[at];
      if (line) await lines.publish(line);
    }
    await lines.recover(open, 'busy for longer');
    console.info(`busy for longer: ${await lines.judge(open)}`);
  });

  test('late is called again by the SDK, and recognizes the repeated write', async () => {
    for (const call of CALLS) await arm({ ...call, at: 'after', effect: late });
    for (const line of open) await lines.publish(line);
    await lines.settle(open, 'late');
    console.info(`late: ${await lines.judge(open)}`);
  });
});

test('a gap before the next message of an endpoint is sealed without another publish', async () => {
  const channel = newChannel();
  await webhooks.create(receiver.url, [channel]);
  await hub.publish(channel, 0);
  await arrived(receiver, 1);
  await arm({ function: 'Publish', at: 'before', action: 'dynamodb:PutItem', effect: 'kill' });
  expect((await hub.publish(channel, 'lost')).status).toBe(500);
  await hub.publish(channel, 1);
  await arrived(receiver, 2);
  expect(dataOf(receiver)).toEqual([0, 1]);
});

test('a notice whose write was answered with an error is published once', async () => {
  receiver.reply = () => ({ status: 410 });
  const channel = newChannel();
  const { id } = await webhooks.create(receiver.url, [channel]);
  const effect = { status: 500, type: 'InternalServerError', message: 'x' };
  await arm({
    function: 'Dispatch',
    at: 'after',
    action: 'dynamodb:PutItem',
    resource: 'LogEntries',
    effect,
  });
  await hub.publish(channel, 'gone?');
  const notice = { type: 'webhook.disabled', endpoint: id, reason: 'gone' };
  await expect.poll(() => webhooks.notices(id)).toMatchObject([notice]);
});

describe('the webhooks handler', () => {
  const KILLS = ['before', 'after'] as const;

  test('that dies during a creation leaves nothing, or an endpoint that its caller can find and complete', async () => {
    const points = ['dynamodb:PutItem', 'dynamodb:UpdateItem'].flatMap((action) =>
      KILLS.map((at) => ({ at, action, resource: 'WebhooksEndpoints' })),
    );
    const tried: { readonly channel: string; readonly path: string }[] = [];
    for (const point of [...points, { at: 'response' } as const]) {
      const channel = newChannel();
      const path = `/${tried.length}`;
      await arm({ function: 'Webhooks', effect: 'kill', ...point });
      const { status } = await webhooks.ask('POST', '', {
        url: `${receiver.url}${path}`,
        channels: [channel],
      });
      expect(status, JSON.stringify(point)).toBe(500);
      tried.push({ channel, path });
    }
    const endpoints = await webhooks.endpoints();
    const found = tried.map(({ path }) => endpoints.find(({ url }) => url === `${receiver.url}${path}`));
    // Only the first crash is before the row was written.
    expect(found.map((one) => one !== undefined)).toEqual([false, true, true, true, true]);
    for (const [at, { channel }] of tried.entries()) {
      const completed = await webhooks.ask('PATCH', `/${found[at]?.id}`, { channels: [channel] });
      expect(completed.status).toBe(found[at] ? 200 : 404);
      await hub.publish(channel, at);
    }
    await arrived(receiver, 4);
    expect(dataOf(receiver).toSorted()).toEqual([1, 2, 3, 4]);
    for (const one of found) if (one) await webhooks.ask('DELETE', `/${one.id}`);
  });

  test('that dies during a removal completes it at the next request, and nothing more arrives', async () => {
    const points = ['dynamodb:UpdateItem', 'dynamodb:DeleteItem'].flatMap((action) =>
      KILLS.map((at) => ({ at, action, resource: 'WebhooksEndpoints' })),
    );
    const channel = newChannel();
    const witness = await startReceiver();
    await webhooks.create(witness.url, [channel]);
    for (const point of points) {
      const { id } = await webhooks.create(receiver.url, [channel]);
      await arm({ function: 'Webhooks', effect: 'kill', ...point });
      expect((await webhooks.ask('DELETE', `/${id}`)).status, JSON.stringify(point)).toBe(500);
      const isGone = point.action === 'dynamodb:DeleteItem' && point.at === 'after';
      expect((await webhooks.ask('DELETE', `/${id}`)).status).toBe(isGone ? 404 : 204);
      expect((await webhooks.ask('GET', `/${id}`)).status).toBe(404);
    }
    await hub.publish(channel, 'anyone?');
    await arrived(witness, 1);
    await hub.publish(channel, 'anyone else?');
    await arrived(witness, 2);
    expect(receiver.received).toEqual([]);
    await witness.close();
  });

  test('that dies during a change leaves at most a registration, which the next message removes', async () => {
    const channel = newChannel();
    const witness = await startReceiver();
    await webhooks.create(witness.url, [`${channel}/*`]);
    const { id } = await webhooks.create(receiver.url, [newChannel()]);
    const registered = async () =>
      (await on.tables.rows('Endpoints')).filter((row) => row.kind === `pattern#${channel}/new` && id in row);
    const point = { at: 'before', action: 'dynamodb:PutItem', resource: 'WebhooksEndpoints' } as const;
    await arm({ function: 'Webhooks', effect: 'kill', ...point });
    expect((await webhooks.ask('PATCH', `/${id}`, { channels: [`${channel}/new`] })).status).toBe(500);
    expect((await webhooks.ask('DELETE', `/${id}`)).status).toBe(204);
    expect(await registered()).toHaveLength(1);
    await hub.publish(`${channel}/new`, 'anyone?');
    await expect.poll(registered).toEqual([]);
    await hub.publish(`${channel}/new`, 'anyone else?');
    await arrived(witness, 2);
    expect(receiver.received).toEqual([]);
    await witness.close();
  });

  test('that fails answers without the reason, and logs the reason without the secret', async () => {
    const effect = { status: 400, type: 'ValidationException', message: 'CANARY of webhooks' };
    const secret = `whsec_${Buffer.alloc(32, 'z').toString('base64')}`;
    const creation = { url: receiver.url, channels: [newChannel()], secret };
    await arm({ function: 'Webhooks', at: 'before', action: 'dynamodb:PutItem', effect });
    const answer = await webhooks.ask('POST', '', creation);
    expect([answer.status, answer.code]).toEqual([500, 'internal']);
    expect(answer.text).not.toMatch(/CANARY|Validation|dynamodb|whsec_/i);
    await expect.poll(() => logged.some((line) => line.includes('CANARY of webhooks'))).toBe(true);
    expect(logged.filter((line) => line.includes('whsec_') || line.includes(on.running.token))).toEqual([]);
    await arm({
      function: 'Webhooks',
      at: 'before',
      action: 'dynamodb:PutItem',
      effect: throttled,
      times: 3,
    });
    const refused = await webhooks.ask('POST', '', creation);
    expect([refused.status, refused.code, refused.headers.get('Retry-After')]).toEqual([
      503,
      'unavailable',
      '1',
    ]);
    await clearFaults(on.running.stack.control);
    expect((await webhooks.ask('POST', '', creation)).body.secret).toBe(secret);
  });
});
