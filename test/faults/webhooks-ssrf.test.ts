/**
 * Whoever may name a URL has the hub call it. So a hub as it is deployed calls nothing that is not on the public internet,
 * neither by what is written at its door nor by what is written past it (PROTOCOL.md §13.1, §13.4). Everything that is
 * dialled here, should the guard fail, is on this machine.
 * @module
 */
import { createServer, type Server } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type RunningHub, startHub } from '../../scripts/local-hub.ts';
import {
  attemptsOf,
  UNTHROTTLED,
  type WebhookCaller,
  webhooksOf,
} from '../support/webhooks/webhook-calls.ts';
import { tablesOf, type WebhookTables } from '../support/webhooks/webhook-tables.ts';
import { HOSTILE } from '../support/wire/addresses.ts';
import { saveGrants } from '../support/wire/grants.ts';
import { type Caller, callerAt, newChannel } from '../support/wire/wire.ts';

/** Nobody is there, and nothing is sent there: endpoints are turned elsewhere before anything is published. */
const URL_OF_NOBODY = 'https://receiver.example/hooks';
const CANARY = 'canary-payload-5e1d';

let running: RunningHub;
let hub: Caller;
let webhooks: WebhookCaller;
let tables: WebhookTables;
const lines: string[] = [];
beforeAll(async () => {
  running = await startHub({
    context: { ...UNTHROTTLED, 'tidings:allowInsecureWebhooks': false },
    log: (line) => lines.push(line),
  });
  hub = callerAt(running.stack.url, { Authorization: `Bearer ${running.token}` });
  webhooks = webhooksOf(hub);
  tables = tablesOf(running);
}, 60_000);
afterAll(async () => {
  await saveGrants('webhooks-ssrf', running.stack.control);
  await running.close();
});

let accepts = 0;
let port = 0;
const servers: Server[] = [];

/** Counts who comes. Where somebody else has the port already there is nothing to count, and `blocked` must do. */
async function count(on: number, host: string): Promise<number> {
  const server = createServer((socket) => {
    accepts++;
    socket.destroy();
  });
  await new Promise<void>((resolve) => {
    server.once('error', () => resolve()).listen(on, host, () => resolve());
  });
  servers.push(server);
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}
beforeAll(async () => {
  port = await count(0, '127.0.0.1');
  await count(port, '::1');
  // A port that the hub would call: there the address alone is what is wrong.
  for (const host of ['127.0.0.1', '::1']) await count(8_443, host);
});
afterAll(async () => {
  for (const server of servers) await new Promise((closed) => server.close(closed));
});

const REFUSED = [
  [400, 'bad_webhook_url'],
  [403, 'address_not_allowed'],
];

describe('at the door', () => {
  test('no address is taken that is not public, in whatever spelling, new or in the place of another', async () => {
    const { id } = await webhooks.create(URL_OF_NOBODY, [newChannel()]);
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
    expect(body).toMatchObject({ endpoints: [{ id, url: URL_OF_NOBODY }] });
    await webhooks.ask('DELETE', `/${id}`);
  });

  test.each([
    ['plain HTTP', 'http://receiver.example/hooks', 'bad_webhook_url'],
    ['a port of another service', 'https://receiver.example:22/', 'bad_webhook_url'],
    ['the port of HTTP', 'https://receiver.example:80/', 'bad_webhook_url'],
    ['localhost', 'https://localhost/', 'address_not_allowed'],
    ['a name below localhost', 'https://app.localhost/', 'address_not_allowed'],
  ])('%s is not taken', async (_name, url, code) => {
    const [, refused] = await webhooks.refusal('POST', '', { url, channels: [newChannel()] });
    expect(refused).toBe(code);
  });

  test('the hub itself is not taken', async () => {
    const url = running.stack.url.replace('http:', 'https:');
    expect(REFUSED).toContainEqual(await webhooks.refusal('POST', '', { url, channels: [newChannel()] }));
  });
});

/** What would lead to this machine. Nothing else may be tried: with a guard that fails it would be called. */
const TO_LOOPBACK = HOSTILE.filter(([, , address]) =>
  ['127.0.0.1', '127.255.255.254', '0.0.0.0', '::', '::1', '0:0:0:0:0:0:0:1', '::ffff:127.0.0.1'].includes(
    address,
  ),
).map(([, host]) => host);

describe('past the door', () => {
  const hostile = () => [
    ...TO_LOOPBACK.map((host) => `https://${host}:8443/`),
    'https://127.0.0.1/',
    'https://localhost:8443/',
    'https://app.localhost:8443/',
    `https://127.0.0.1:${port}/`,
    `http://127.0.0.1:${port}/`,
    `http://[::1]:${port}/`,
    running.stack.url,
    'ftp://127.0.0.1/',
    'not even a URL',
  ];

  test('a URL that was written into the table is dialled by nothing that the hub does', async () => {
    const ends = await Promise.all(
      hostile().map(async (url) => {
        const channel = newChannel();
        const { id } = await webhooks.create(URL_OF_NOBODY, [channel]);
        await tables.changeEndpoint(id, { url });
        return { id, channel, url };
      }),
    );
    const blocked = (number: number) => ({ number, error: 'blocked', ms: expect.any(Number) });
    const dead = (await tables.queue('Deliver/DeadLetters')).visible;
    for (const { channel } of ends) await hub.publish(channel, CANARY);
    await Promise.all(
      ends.map(async ({ id, channel, url }) => {
        const listed = () => webhooks.everyDelivery(id);
        await expect
          .poll(listed, { timeout: 60_000, message: url })
          .toMatchObject([{ channel, status: 'failed', attempts: [blocked(1)] }]);
        const [{ id: delivery } = {}] = await listed();
        const { body } = await webhooks.ask('POST', `/${id}/test`);
        const tried = await webhooks.settled(id, String(body.delivery), 'failed');
        expect(attemptsOf(tried), url).toMatchObject([blocked(1)]);
        await webhooks.ask('POST', `/${id}/deliveries/${delivery}/retry`);
        const again = async () =>
          attemptsOf((await webhooks.ask('GET', `/${id}/deliveries/${delivery}`)).body);
        await expect.poll(again, { timeout: 60_000, message: url }).toMatchObject([blocked(1), blocked(2)]);
        await webhooks.ask('POST', `/${id}/replay`, { channel, offset: '-1' });
        await expect
          .poll(again, { timeout: 60_000, message: url })
          .toMatchObject([blocked(1), blocked(2), blocked(3)]);
        expect((await listed()).map(({ status }) => status)).toEqual(['failed', 'failed']);
      }),
    );
    // One for the message, and one for its replay: who asks for one attempt sees himself what comes of it.
    await expect
      .poll(async () => (await tables.queue('Deliver/DeadLetters')).visible - dead, { timeout: 60_000 })
      .toBe(2 * ends.length);
    expect(accepts).toBe(0);
    // What is told of it, set aside and logged says which delivery, and nothing of the message.
    const exhausted = async () => {
      const told = await Promise.all(ends.map(({ id }) => webhooks.notices(id)));
      return told.map((notices) => notices.some(({ type }) => type === 'webhook.exhausted'));
    };
    await expect.poll(exhausted, { timeout: 60_000 }).toEqual(ends.map(() => true));
    const { messages: told } = await hub.readAll('tidings/webhooks');
    const { bodies } = await tables.queue('Deliver/DeadLetters');
    expect(JSON.stringify([told, bodies, lines])).not.toContain(CANARY);
  }, 300_000);

  test('neither is one that is to be asked whether it wants anything', async () => {
    const ends = await Promise.all(
      hostile().map(async (url) => {
        const { id } = await webhooks.create(URL_OF_NOBODY, [newChannel()]);
        await tables.changeEndpoint(id, { url, status: 'pending', handshake: true });
        return { id, url };
      }),
    );
    await Promise.all(
      ends.map(async ({ id, url }) => {
        const { status, body } = await webhooks.ask('POST', `/${id}/handshake`);
        expect(status, url).toBe(202);
        const asked = await webhooks.settled(id, String(body.delivery), 'failed');
        expect(attemptsOf(asked), url).toMatchObject([{ number: 1, error: 'blocked' }]);
        expect((await webhooks.ask('GET', `/${id}`)).body.status).toBe('pending');
      }),
    );
    expect(accepts).toBe(0);
  }, 120_000);
});
