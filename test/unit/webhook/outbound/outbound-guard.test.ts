/**
 * The hub does not connect to an address that is not allowed. Servers on the loopback count their connections, and the test
 * counts every attempt of the process to connect by TCP.
 * @module
 */
import type { LookupAddress } from 'node:dns';
import { request } from 'node:https';
import { isIPv6 } from 'node:net';
import { describe, expect, test } from 'vitest';
import { guardedAgents } from '../../../../lambda/webhook/outbound/guard.ts';
import type { Resolve } from '../../../../lambda/webhook/outbound/resolve.ts';
import { senderTo } from '../../../../lambda/webhook/outbound/send-webhook.ts';
import type { SendResult } from '../../../../lambda/webhook/webhook-ports.ts';
import { HOSTILE } from '../../../support/network/addresses.ts';
import { countConnects, httpLoopback, loopback } from '../../../support/network/loopback.ts';
import { keeping, requestTo } from '../../../support/webhooks/webhook-request.ts';

/** An address of the former 6bone: public by every list. No test connects to it. */
const NOWHERE = '3ffe::1';

const addressesOf = (...addresses: readonly string[]): LookupAddress[] =>
  addresses.map((address) => ({ address, family: isIPv6(address) ? 6 : 4 }));

/** Returns its answers in turn, then the last one again and again, and counts the questions. */
function nameServer(...answers: readonly (readonly string[])[]) {
  let asked = 0;
  const resolve: Resolve = async () => addressesOf(...(answers[asked++] ?? answers.at(-1) ?? []));
  return { resolve, asked: () => asked };
}

const deployed = (port: number, resolve: Resolve) =>
  senderTo({ rules: { isInsecureAllowed: false, ownHosts: [], ports: [port] }, resolve, deadlineMs: 500 });

const local = (resolve?: Resolve, ownHosts: readonly string[] = []) =>
  senderTo({ rules: { isInsecureAllowed: true, ownHosts }, deadlineMs: 500, ...(resolve && { resolve }) });

const blocked: SendResult = { kind: 'error', error: 'blocked', ms: expect.any(Number) };

describe('a hostile address', () => {
  test.each(HOSTILE)('%s: %s', async (_what, host, address) => {
    const { port, accepts } = await loopback();
    const connects = countConnects();
    const { resolve } = nameServer([address]);
    const sender = deployed(port, resolve);
    expect(await sender.post(requestTo(`https://${host}:${port}/`))).toEqual(blocked);
    expect(await sender.post(requestTo(`https://hooks.example:${port}/`))).toEqual(blocked);
    expect(await sender.askHandshake(`https://hooks.example:${port}/`, 'hub.example')).toEqual(blocked);
    expect([accepts(), connects()]).toEqual([0, 0]);
  });

  test.each(['0.0.0.0', '::', '::ffff:127.0.0.1', '::127.0.0.1', '169.254.169.254', '10.0.0.1'])(
    'is refused on a local stack too: %s',
    async (address) => {
      const { port, accepts } = await loopback();
      const connects = countConnects();
      const sender = local(nameServer([address]).resolve);
      const literal = isIPv6(address) ? `[${address}]` : address;
      expect(await sender.post(requestTo(`http://hooks.example:${port}/`))).toEqual(blocked);
      expect(await sender.post(requestTo(`http://${literal}:${port}/`))).toEqual(blocked);
      expect([accepts(), connects()]).toEqual([0, 0]);
    },
  );

  test('is refused by the guard alone, without an earlier check', async () => {
    const { port, accepts } = await loopback();
    const connects = countConnects();
    const rules = { isInsecureAllowed: false, ownHosts: [], ports: [port] };
    const { https: agent } = guardedAgents({
      rules,
      resolve: nameServer(['127.0.0.1']).resolve,
      timeoutMs: 500,
    });
    for (const host of [...HOSTILE.map(([, literal]) => literal), 'localhost', 'hooks.example']) {
      const call = request(`https://${host}:${port}/`, { agent, method: 'POST' });
      const refused = new Promise((answered, failed) => {
        call.on('response', answered).on('error', failed).end();
      });
      await expect(refused, host).rejects.toMatchObject({ name: 'OutboundFailure', kind: 'blocked' });
    }
    expect([accepts(), connects()]).toEqual([0, 0]);
  });

  test('would be counted by these counters', async () => {
    const { port, accepts } = await httpLoopback(keeping().listener);
    const connects = countConnects();
    const { resolve, asked } = nameServer(['127.0.0.1']);
    const outcome = await local(resolve).post(requestTo(`http://hooks.example:${port}/`));
    expect(outcome).toMatchObject({ kind: 'answer', status: 200 });
    expect([accepts(), connects(), asked()]).toEqual([1, 1, 1]);
  });
});

describe('a name that changes its mind', () => {
  test('is looked up once for each socket, which connects to the address that was checked', async () => {
    const { port, accepts } = await httpLoopback(
      (_request, response) => void response.writeHead(204, { connection: 'close' }).end(),
    );
    const connects = countConnects();
    // The loopback stands for an allowed address: a test calls no other.
    const { resolve, asked } = nameServer(['127.0.0.1'], ['10.0.0.1'], ['127.0.0.1', '10.0.0.1']);
    const sender = local(resolve);
    const url = `http://hooks.example:${port}/`;
    expect(await sender.post(requestTo(url))).toMatchObject({ kind: 'answer', status: 204 });
    expect([accepts(), connects(), asked()]).toEqual([1, 1, 1]);
    expect(await sender.post(requestTo(url))).toEqual(blocked);
    expect(await sender.post(requestTo(url))).toEqual(blocked);
    expect([accepts(), connects(), asked()]).toEqual([1, 1, 3]);
  });

  test.each([
    [[NOWHERE, '127.0.0.1']],
    [['127.0.0.1', NOWHERE]],
    [[NOWHERE, '::1', '1.1.1.1']],
    [['1.1.1.1', NOWHERE, '169.254.169.254']],
    [[...Array.from({ length: 50 }, () => NOWHERE), '::ffff:127.0.0.1']],
    [['not an address']],
  ])('is refused because of one bad address: %j', async (addresses) => {
    const { port, accepts } = await loopback();
    const connects = countConnects();
    const sender = deployed(port, nameServer(addresses).resolve);
    expect(await sender.post(requestTo(`https://hooks.example:${port}/`))).toEqual(blocked);
    expect([accepts(), connects()]).toEqual([0, 0]);
  });

  test('with thousands of addresses has only some of them tried', async () => {
    const { port } = await loopback((socket) => socket.destroy());
    const connects = countConnects();
    const many = Array.from({ length: 4_000 }, (_, n) => `127.0.${n >> 8}.${n & 255}`).slice(2);
    await local(nameServer(many).resolve).post(requestTo(`http://hooks.example:${port}/`));
    expect(connects()).toBe(8);
  });
});

describe('a redirect is an answer like any other', () => {
  test.each([301, 302, 303, 307, 308])('%i', async (status) => {
    const secret = await httpLoopback(keeping().listener);
    const location = `http://127.0.0.1:${secret.port}/`;
    const redirecting = await httpLoopback(
      (_request, response) => void response.writeHead(status, { location }).end(),
    );
    const sender = local();
    expect(await sender.post(requestTo(`http://127.0.0.1:${redirecting.port}/`))).toMatchObject({
      kind: 'answer',
      status,
    });
    expect(await sender.askHandshake(`http://127.0.0.1:${redirecting.port}/`, 'hub')).toMatchObject({
      kind: 'answer',
      status,
    });
    expect([redirecting.accepts() > 0, secret.accepts()]).toEqual([true, 0]);
  });
});

describe('the hub does not call itself', () => {
  test.each(['127.0.0.1', 'localhost', '[::1]', '127.9.9.9'])('as %s', async (host) => {
    const { port, accepts } = await loopback();
    const connects = countConnects();
    const sender = local(undefined, [`localhost:${port}`]);
    expect(await sender.post(requestTo(`http://${host}:${port}/channels/a`))).toEqual(blocked);
    expect([accepts(), connects()]).toEqual([0, 0]);
  });
});

test.each(['', ' ', 'https://hub.example/', 'hub.example/ws', 'hub.example:x', 'u@hub.example'])(
  'a host of its own that guards nothing is a defect, told at start: %j',
  (own) => {
    expect(() => local(undefined, ['localhost:1', own])).toThrow('is not a host of the hub');
  },
);

test.each([
  'http://hooks.example/',
  'https://u:p@hooks.example/',
  'https://hooks.example:22/',
  'hooks.example',
  '',
])('a URL that cannot be stored is not called: %j', async (url) => {
  const connects = countConnects();
  const { resolve, asked } = nameServer(['1.1.1.1']);
  const sender = senderTo({ rules: { isInsecureAllowed: false, ownHosts: [] }, resolve, deadlineMs: 500 });
  expect(await sender.post(requestTo(url))).toEqual(blocked);
  expect([connects(), asked()]).toEqual([0, 0]);
});
