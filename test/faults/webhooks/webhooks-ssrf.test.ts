/**
 * A caller that may create endpoints decides which URLs the hub calls. So a deployed hub calls only the public internet, both
 * for URLs that the API receives and for URLs that are written into the table (PROTOCOL.md §13.1, §13.4). If the guard fails,
 * these tests call only this machine.
 * @module
 */
import { createServer, type Server } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HOSTILE } from '../../support/network/addresses.ts';
import { attemptsOf } from '../../support/webhooks/webhook-calls.ts';
import { webhookHub } from '../../support/webhooks/webhook-hub.ts';
import { BUSY_MS, isToRepeat, newChannel } from '../../support/wire/wire.ts';

/** No server is there, and nothing is sent there: the endpoints have another URL before a message is published. */
const UNUSED_URL = 'https://receiver.example/hooks';
const CANARY = 'canary-payload-5e1d';

const on = webhookHub('webhooks-ssrf', { 'tidings:allowInsecureWebhooks': false });
const { hub, webhooks, logged } = on;

let accepts = 0;
let port = 0;
const servers: Server[] = [];

/** Counts connections. If another process has the port there is nothing to count, and the error `blocked` must be enough. */
async function count(from: number, host: string): Promise<number> {
  const server = createServer((socket) => {
    accepts++;
    socket.destroy();
  });
  await new Promise<void>((resolve) => {
    server.once('error', () => resolve()).listen(from, host, () => resolve());
  });
  servers.push(server);
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}
beforeAll(async () => {
  port = await count(0, '127.0.0.1');
  await count(port, '::1');
  // A port that the hub may call, so that only the address is wrong.
  for (const host of ['127.0.0.1', '::1']) await count(8_443, host);
});
afterAll(async () => {
  for (const server of servers) await new Promise((closed) => server.close(closed));
});

const REFUSED = [
  [400, 'bad_webhook_url'],
  [403, 'address_not_allowed'],
];

describe('the API', () => {
  test('refuses every address that is not public, in every spelling, in a creation and in a change', async () => {
    const { id } = await webhooks.create(UNUSED_URL, [newChannel()]);
    const channels = [newChannel()];
    for (const [what, host] of HOSTILE)
      for (const url of [`https://${host}/hooks`, `https://${host}:8443/`]) {
        const refused = [
          await webhooks.refusal('POST', '', { url, channels }),
          await webhooks.refusal('PATCH', `/${id}`, { url }),
        ];
        for (const one of refused) expect(REFUSED, `${what}: ${url}`).toContainEqual(one);
      }
    const { body } = await webhooks.ask('GET', '');
    expect(body).toMatchObject({ endpoints: [{ id, url: UNUSED_URL }] });
    await webhooks.ask('DELETE', `/${id}`);
  });

  test.each([
    ['plain HTTP', 'http://receiver.example/hooks', 'bad_webhook_url'],
    ['a port of another service', 'https://receiver.example:22/', 'bad_webhook_url'],
    ['the port of HTTP', 'https://receiver.example:80/', 'bad_webhook_url'],
    ['localhost', 'https://localhost/', 'address_not_allowed'],
    ['a name below localhost', 'https://app.localhost/', 'address_not_allowed'],
  ])('refuses %s', async (_name, url, code) => {
    const [, refused] = await webhooks.refusal('POST', '', { url, channels: [newChannel()] });
    expect(refused).toBe(code);
  });

  test('refuses the hub itself', async () => {
    const url = on.running.stack.url.replace('http:', 'https:');
    expect(REFUSED).toContainEqual(await webhooks.refusal('POST', '', { url, channels: [newChannel()] }));
  });
});

/** Hosts that lead to this machine. The test tries no others, since a guard that fails would call them. */
const TO_LOOPBACK = HOSTILE.filter(([, , address]) =>
  ['127.0.0.1', '127.255.255.254', '0.0.0.0', '::', '::1', '0:0:0:0:0:0:0:1', '::ffff:127.0.0.1'].includes(
    address,
  ),
).map(([, host]) => host);

describe('a URL that is written into the table', () => {
  const hostile = () => [
    ...TO_LOOPBACK.map((host) => `https://${host}:8443/`),
    'https://127.0.0.1/',
    'https://localhost:8443/',
    'https://app.localhost:8443/',
    `https://127.0.0.1:${port}/`,
    `http://127.0.0.1:${port}/`,
    `http://[::1]:${port}/`,
    on.running.stack.url,
    'ftp://127.0.0.1/',
    'not even a URL',
  ];

  /** Sends a request again while a busy store refuses it, and returns the body of the answer. */
  async function accepted(path: string, body?: object): Promise<Readonly<Record<string, unknown>>> {
    for (;;) {
      const answer = await webhooks.ask('POST', path, body);
      if (answer.status === 202) return answer.body;
      const { status, headers, text } = answer;
      expect(isToRepeat({ status, retryAfter: headers.get('Retry-After'), text }), text).toBe(true);
      await wait(BUSY_MS);
    }
  }

  test('is not called for a message, a test, a retry or a replay', async () => {
    const ends: { readonly id: string; readonly channel: string; readonly url: string }[] = [];
    for (const url of hostile()) {
      const channel = newChannel();
      const { id } = await webhooks.create(UNUSED_URL, [channel]);
      await on.tables.changeEndpoint(id, { url });
      ends.push({ id, channel, url });
    }
    const blocked = (number: number) => ({ number, error: 'blocked', ms: expect.any(Number) });
    const dead = (await on.tables.queue('Deliver/DeadLetters')).visible;
    for (const { channel } of ends) await hub.publish(channel, CANARY);
    await Promise.all(
      ends.map(async ({ id, channel, url }) => {
        const listed = () => webhooks.everyDelivery(id);
        await expect
          .poll(listed, { timeout: 60_000, message: url })
          .toMatchObject([{ channel, status: 'failed', attempts: [blocked(1)] }]);
        const [{ id: delivery } = {}] = await listed();
        const { delivery: test } = await accepted(`/${id}/test`);
        const tried = await webhooks.settled(id, String(test), 'failed');
        expect(attemptsOf(tried), url).toMatchObject([blocked(1)]);
        await accepted(`/${id}/deliveries/${delivery}/retry`);
        const again = async () =>
          attemptsOf((await webhooks.ask('GET', `/${id}/deliveries/${delivery}`)).body);
        await expect.poll(again, { timeout: 60_000, message: url }).toMatchObject([blocked(1), blocked(2)]);
        await accepted(`/${id}/replay`, { channel, offset: '-1' });
        await expect
          .poll(again, { timeout: 60_000, message: url })
          .toMatchObject([blocked(1), blocked(2), blocked(3)]);
        expect((await listed()).map(({ status }) => status)).toEqual(['failed', 'failed']);
      }),
    );
    // One dead letter for the message, and one for its replay. A single attempt causes none.
    await expect
      .poll(async () => (await on.tables.queue('Deliver/DeadLetters')).visible - dead, { timeout: 60_000 })
      .toBe(2 * ends.length);
    expect(accepts).toBe(0);
    // Notices, dead letters and log lines name the delivery, and contain nothing of the message.
    const exhausted = async () => {
      const noticesOfAll = await Promise.all(ends.map(({ id }) => webhooks.notices(id)));
      return noticesOfAll.map((notices) => notices.some(({ type }) => type === 'webhook.exhausted'));
    };
    await expect.poll(exhausted, { timeout: 60_000 }).toEqual(ends.map(() => true));
    const { messages: notices } = await hub.readAll('tidings/webhooks');
    const { bodies } = await on.tables.queue('Deliver/DeadLetters');
    expect(JSON.stringify([notices, bodies, logged])).not.toContain(CANARY);
  }, 300_000);

  test('is not called for a handshake', async () => {
    const ends: { readonly id: string; readonly url: string }[] = [];
    for (const url of hostile()) {
      const { id } = await webhooks.create(UNUSED_URL, [newChannel()]);
      await on.tables.changeEndpoint(id, { url, status: 'pending', handshake: true });
      ends.push({ id, url });
    }
    await Promise.all(
      ends.map(async ({ id, url }) => {
        const { delivery } = await accepted(`/${id}/handshake`);
        const asked = await webhooks.settled(id, String(delivery), 'failed');
        expect(attemptsOf(asked), url).toMatchObject([{ number: 1, error: 'blocked' }]);
        expect((await webhooks.ask('GET', `/${id}`)).body.status).toBe('pending');
      }),
    );
    expect(accepts).toBe(0);
  });
});
