/**
 * PROTOCOL.md §13.2 and §13.3 over the wire: published messages reach a URL, signed and in the chosen format. Nothing else
 * does.
 * @module
 */
import { CloudEvent, HTTP } from 'cloudevents';
import { afterAll, describe, expect, test } from 'vitest';
import { isHubLocal, webhooksOf } from '../../support/webhooks/webhook-calls.ts';
import {
  arrived,
  type Delivered,
  dataOf,
  receiverOfEachTest,
  startReceiver,
  verify,
} from '../../support/wire/receiver.ts';
import { callerWith, EVERYTHING, newChannel } from '../../support/wire/wire.ts';

const hub = callerWith(EVERYTHING);
const webhooks = webhooksOf(hub);
const receiver = receiverOfEachTest();
afterAll(webhooks.removeAll);

const publishAs = (channel: string, contentType: string, body: string | Uint8Array) =>
  hub.request(`/channels/${channel}`, { method: 'POST', headers: { 'Content-Type': contentType }, body });

describe.runIf(isHubLocal)('a delivery', () => {
  test('is signed by the standard, has the published text, and is in the log', async () => {
    const channel = newChannel('orders');
    const { id, secret } = await webhooks.create(receiver.url, [channel]);
    await publishAs(
      channel,
      'application/json',
      '[{"type":"order.paid","sum":12345678901234567890.10},"two"]',
    );
    await arrived(receiver, 2);
    for (const one of receiver.received) {
      verify(secret, one);
      expect(one.headers).toMatchObject({ 'content-type': 'application/json', 'user-agent': 'Tidings/0.1' });
      expect(Number(one.headers['webhook-timestamp'])).toBeCloseTo(Date.now() / 1_000, -1);
    }
    const first = receiver.received.find(({ body }) => body.type === 'order.paid');
    expect(first?.body).toEqual({
      type: 'order.paid',
      timestamp: expect.stringMatching(/Z$/),
      data: expect.objectContaining({ type: 'order.paid' }),
      channel,
      offset: expect.stringMatching(/^\d{16}$/),
    });
    // A number of JavaScript cannot hold so many digits.
    expect(first?.raw).toContain('"data":{"type":"order.paid","sum":12345678901234567890.10},');
    await expect
      .poll(() => webhooks.deliveries(id))
      .toMatchObject([
        { channel, status: 'delivered', attempts: [{ number: 1, status: 204, ms: expect.any(Number) }] },
        { channel, status: 'delivered' },
      ]);
    // One cursor: a reader continues from the offset of a delivery.
    expect((await hub.readAll(channel, String(first?.body.offset))).messages).toEqual(['two']);
  });

  test('exists for the types of the endpoint, and for no others', async () => {
    const channel = newChannel();
    const { id } = await webhooks.create(receiver.url, [channel], { types: ['order.*', 'invoice'] });
    const others = [
      { type: 'orders.paid' },
      { type: 'order' },
      { type: 'invoice.sent' },
      { type: 1 },
      'order.x',
    ];
    const wanted = [{ type: 'order.paid' }, { type: 'invoice' }, { type: 'order.a.b' }];
    await hub.publish(channel, ...others);
    await hub.publish(channel, ...others, ...wanted);
    await arrived(receiver, 3);
    expect(dataOf(receiver)).toEqual(expect.arrayContaining(wanted));
    // The log shows all deliveries, so no other message will be sent.
    await expect.poll(() => webhooks.statuses(id)).toEqual(['delivered', 'delivered', 'delivered']);
    expect(receiver.received).toHaveLength(3);
  });

  test('exists for the channels of the endpoint, and for no others', async () => {
    const channel = newChannel();
    const witness = await startReceiver();
    const { id } = await webhooks.create(receiver.url, [`${channel}/*`, `${channel}-b`]);
    const wanted = [`${channel}/x`, `${channel}/x/y`, `${channel}-b`];
    const published = [channel, `${channel}x`, `${channel}-b/c`, newChannel(), ...wanted];
    await webhooks.create(witness.url, published);
    for (const name of published) await hub.publish(name, name);
    // When the witness has all messages, all were dispatched.
    await expect.poll(() => dataOf(witness)).toEqual(expect.arrayContaining(published));
    await arrived(receiver, 3);
    expect(dataOf(receiver)).toEqual(expect.arrayContaining(wanted));
    await expect.poll(() => webhooks.statuses(id)).toEqual(['delivered', 'delivered', 'delivered']);
    await witness.close();
  });

  test('of text or of bytes has a member of another name', async () => {
    const prefix = newChannel();
    await webhooks.create(receiver.url, [`${prefix}/*`]);
    await publishAs(`${prefix}/text`, 'text/plain; charset=utf-8', 'é☃ "quoted"\n');
    await publishAs(`${prefix}/bytes`, 'application/octet-stream', Uint8Array.of(0, 255, 128));
    await arrived(receiver, 2);
    const [text, bytes] = ['text', 'bytes'].map((kind) =>
      receiver.received.find(({ body }) => body.channel === `${prefix}/${kind}`),
    );
    const common = { type: 'message', timestamp: expect.any(String), offset: expect.any(String) };
    expect(text?.body).toEqual({ ...common, channel: `${prefix}/text`, text: 'é☃ "quoted"\n' });
    expect(bytes?.body).toEqual({ ...common, channel: `${prefix}/bytes`, base64: 'AP+A' });
  });

  test('is signed with both secrets of a rotation, and with no other', async () => {
    const channel = newChannel();
    const { id, secret } = await webhooks.create(receiver.url, [channel]);
    const rotate = async () => String((await webhooks.ask('POST', `/${id}/rotate`)).body.secret);
    const second = await rotate();
    await hub.publish(channel, 1);
    await arrived(receiver, 1);
    const third = await rotate();
    await hub.publish(channel, 2);
    await arrived(receiver, 2);
    for (const [at, good, bad] of [
      [0, [secret, second], third],
      [1, [second, third], secret],
    ] as const) {
      const one = receiver.received[at];
      if (!one) throw new Error('no request arrived');
      expect(one.headers['webhook-signature']?.split(' ')).toHaveLength(2);
      for (const key of good) verify(key, one);
      expect(() => verify(bad, one)).toThrow();
    }
  });

  test('goes to the present URL of the endpoint, at its rate', async () => {
    const channel = newChannel();
    const moved = await startReceiver();
    const { id } = await webhooks.create(receiver.url, [channel], { rate: 120 });
    await hub.publish(channel, 'before');
    await arrived(receiver, 1);
    expect((await webhooks.ask('PATCH', `/${id}`, { url: moved.url })).status).toBe(200);
    const publishedAt = Date.now();
    await hub.publish(channel, 1, 2, 3, 4);
    await arrived(moved, 4);
    expect(dataOf(receiver)).toEqual(['before']);
    // Half a second between two deliveries. Timers may be a moment early.
    expect(Math.max(...moved.received.map(({ at }) => at)) - publishedAt).toBeGreaterThan(1_490);
    await moved.close();
  });

  test('is one of at most ten that are under way to an endpoint', async () => {
    const channel = newChannel();
    let open = 0;
    let most = 0;
    const answers: (() => void)[] = [];
    receiver.reply = async () => {
      most = Math.max(most, ++open);
      // The first ten wait for each other. Then all are answered at once.
      if (most >= 10) for (const answer of answers) answer();
      else await new Promise<void>((answer) => answers.push(answer));
      open--;
      return { status: 204 };
    };
    const { id } = await webhooks.create(receiver.url, [channel]);
    await hub.publish(channel, ...Array.from({ length: 40 }, (_, n) => n));
    await arrived(receiver, 40);
    await expect.poll(() => webhooks.statuses(id)).toEqual(Array.from({ length: 40 }, () => 'delivered'));
    expect(most).toBe(10);
  });
});

describe.runIf(isHubLocal)('a CloudEvent', () => {
  /** Parses and validates an event with the SDK of CloudEvents. */
  function eventOf({ headers, raw }: Delivered): CloudEvent<unknown> {
    expect(headers['content-type']).toBe('application/cloudevents+json; charset=utf-8');
    const event = HTTP.toEvent<unknown>({ headers, body: raw });
    if (Array.isArray(event)) throw new Error('one message to a request');
    return new CloudEvent(event);
  }

  test('is valid for the SDK of CloudEvents with every content type, and is signed', async () => {
    const prefix = newChannel();
    const more = { format: 'cloudevents', types: ['order.paid', 'message'] };
    const { secret } = await webhooks.create(receiver.url, [`${prefix}/*`], more);
    await hub.publish(`${prefix}/json`, { type: 'order.paid', sum: 1 });
    await publishAs(`${prefix}/text`, 'text/plain', 'é☃');
    await publishAs(`${prefix}/bytes`, 'application/octet-stream', Uint8Array.of(0, 255, 128));
    await arrived(receiver, 3);
    const events = new Map(receiver.received.map((one) => [eventOf(one).source, one]));
    for (const [kind, expected] of [
      [
        'json',
        { type: 'order.paid', datacontenttype: 'application/json', data: { type: 'order.paid', sum: 1 } },
      ],
      ['text', { type: 'message', datacontenttype: 'text/plain', data: 'é☃' }],
      ['bytes', { type: 'message', datacontenttype: 'application/octet-stream', data_base64: 'AP+A' }],
    ] as const) {
      const one = events.get(`/channels/${prefix}/${kind}`);
      if (!one) throw new Error(`no request arrived of ${kind}`);
      verify(secret, one);
      expect(eventOf(one)).toMatchObject({ specversion: '1.0', id: one.id });
      expect(one.body).toEqual({
        ...expected,
        specversion: '1.0',
        id: one.id,
        source: `/channels/${prefix}/${kind}`,
        time: expect.stringMatching(/Z$/),
        tidingsoffset: expect.stringMatching(/^\d{16}$/),
      });
    }
  });
});
