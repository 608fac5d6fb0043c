/**
 * Webhooks over the wire: what is published reaches a URL, signed, and everything about it can be read (PROTOCOL.md §13).
 * @module
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Receiver, startReceiver, verify } from '../support/receiver.ts';
import { type Caller, callerWith, EVERYTHING, newChannel } from '../support/wire.ts';

let hub: Caller;
let receiver: Receiver;
beforeAll(async () => {
  hub = await callerWith(EVERYTHING);
});
beforeEach(async () => {
  receiver = await startReceiver();
  return async () => await receiver.close();
});
const made: string[] = [];
afterAll(async () => {
  for (const id of made) await hub.request(`/webhooks/${id}`, { method: 'DELETE' });
});

interface Made {
  readonly id: string;
  readonly secret: string;
}

const post = async (path: string, body: object = {}) =>
  await hub.request(path, { method: 'POST', body: JSON.stringify(body) });

async function json(response: Response): Promise<Record<string, unknown>> {
  const value: unknown = await response.json();
  if (typeof value !== 'object' || value === null) throw new Error(`no object: ${response.status}`);
  return { ...value };
}

async function create(channel: string, more: object = {}): Promise<Made> {
  const response = await post('/webhooks', { url: receiver.url, channels: [channel], ...more });
  const { id, secret } = await json(response);
  expect(response.status).toBe(201);
  made.push(String(id));
  return { id: String(id), secret: String(secret) };
}

async function deliveries(id: string): Promise<Record<string, unknown>[]> {
  const { deliveries: listed } = await json(await hub.request(`/webhooks/${id}/deliveries`));
  return Array.isArray(listed) ? listed : [];
}

const arrived = async (count: number) =>
  await expect.poll(() => receiver.received.length, { timeout: 10_000 }).toBe(count);

describe('a delivery', () => {
  test('is signed by the standard, has the very text, and is in the log', async () => {
    const channel = newChannel('orders');
    const { id, secret } = await create(channel);
    await hub.publish(channel, { type: 'order.paid', sum: 12_345 }, 'two');
    await arrived(2);
    for (const one of receiver.received) {
      verify(secret, one);
      expect(one.headers).toMatchObject({ 'content-type': 'application/json', 'user-agent': 'Tidings/0.1' });
    }
    expect(receiver.received.map(({ body }) => body)).toEqual(
      expect.arrayContaining([
        {
          type: 'order.paid',
          timestamp: expect.stringMatching(/Z$/),
          data: { type: 'order.paid', sum: 12_345 },
          channel,
          offset: expect.stringMatching(/^\d{16}$/),
        },
      ]),
    );
    await expect
      .poll(() => deliveries(id))
      .toMatchObject([
        { channel, status: 'delivered', attempts: [{ number: 1, status: 204, ms: expect.any(Number) }] },
        { channel, status: 'delivered' },
      ]);
    // One cursor: from the offset of a delivery on, a reader gets what comes after it.
    const first = receiver.received.find(({ body }) => body.type === 'order.paid');
    expect((await hub.readAll(channel, String(first?.body.offset))).messages).toEqual(['two']);
  });
});
