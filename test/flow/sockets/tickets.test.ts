/**
 * PROTOCOL.md §12 and §12.5 over the wire: which tokens and tickets open a socket.
 * @module
 */
import { setTimeout as wait } from 'node:timers/promises';
import { SignJWT } from 'jose';
import { beforeAll, describe, expect, inject, test } from 'vitest';
import type { Capability } from '../../../protocol/capability.ts';
import { mint } from '../../../scripts/mint.ts';
import { type Opening, openSocket, type Socket, statusOf } from '../../support/wire/socket.ts';
import {
  BUSY_MS,
  callerAt,
  callerWith,
  EVERYTHING,
  isBusy,
  newChannel,
  refusalOf,
  token,
} from '../../support/wire/wire.ts';

const VERSION = 'tidings.v1';

let bearer: string;
beforeAll(async () => {
  bearer = await token(EVERYTHING);
});

const asHeader = (value: string): Opening => ({ headers: { Authorization: `Bearer ${value}` } });
const asSubprotocol = (value: string): Opening => ({ protocols: [VERSION, `bearer.${value}`] });
const asTicket = (value: string): Opening => ({
  url: `${inject('hub').socketUrl}?ticket=${encodeURIComponent(value)}`,
});

async function newTicket(
  capability: Capability = EVERYTHING,
): Promise<{ ticket: string; expiresAt: string }> {
  const response = await callerWith(capability).request('/tickets', { method: 'POST' });
  expect([response.status, response.headers.get('Cache-Control')]).toEqual([201, 'no-store']);
  const { ticket, expiresAt, ...rest } = Object.fromEntries(Object.entries(Object(await response.json())));
  expect(rest).toEqual({});
  return { ticket: String(ticket), expiresAt: String(expiresAt) };
}

/** A ticket as the hub makes it, with the hub's own key. */
async function ticketOf(
  claims: object,
  ttlSeconds: number,
  { key, audience } = inject('hub'),
): Promise<string> {
  const now = Math.floor(Date.now() / 1_000);
  const good = { capability: EVERYTHING, allowedUntil: Date.now() + 60_000, jti: crypto.randomUUID() };
  return await new SignJWT({ ...good, ...claims })
    .setProtectedHeader({ alg: 'HS256' })
    .setAudience(`${audience}:ticket`)
    .setExpirationTime(now + ttlSeconds)
    .sign(new TextEncoder().encode(key));
}

async function expectToPublish(socket: Socket): Promise<void> {
  const channel = newChannel();
  expect(await socket.ask({ action: 'publish', channel, messages: [1] })).toMatchObject({
    type: 'published',
  });
  expect((await callerWith(EVERYTHING).readAll(channel)).messages).toEqual([1]);
}

describe.each([
  ['through the front door', () => inject('hub').socketUrl],
  ['at the API itself', () => inject('hub').apiSocketUrl],
])('%s, a token is accepted', (_name, urlOf) => {
  test('as a header', async () => {
    const socket = await openSocket({ url: urlOf(), ...asHeader(bearer) });
    expect(socket.protocol).toBe('');
    await expectToPublish(socket);
  });

  test('as a subprotocol, and is not in the answer', async () => {
    const socket = await openSocket({ url: urlOf(), ...asSubprotocol(bearer) });
    expect(socket.protocol).toBe(VERSION);
    await expectToPublish(socket);
    const other = await openSocket({ url: urlOf(), protocols: [`bearer.${bearer}`, 'x', VERSION] });
    expect(other.protocol).toBe(VERSION);
  });

  test('as a ticket, with a subprotocol or without', async () => {
    const { ticket } = await newTicket();
    await expectToPublish(await openSocket({ url: `${urlOf()}?ticket=${ticket}` }));
    const again = await newTicket();
    const socket = await openSocket({ url: `${urlOf()}?ticket=${again.ticket}`, protocols: [VERSION] });
    expect(socket.protocol).toBe(VERSION);
  });
});

test('a socket needs no token if anonymous callers may do something', async () => {
  expect(await statusOf({})).toBe(101);
  expect(await statusOf({ protocols: [VERSION] })).toBe(101);
});

describe('401 instead of the upgrade', () => {
  const WAYS = [
    ['a header', asHeader],
    ['a subprotocol', asSubprotocol],
    ['a ticket', asTicket],
  ] as const;
  const BAD: Readonly<Record<string, () => Promise<string>>> = {
    'no token at all': async () => 'x',
    'one that has ended': async () => await token(EVERYTHING, -60),
    'one of another hub': async () => await minted({ audience: 'tidings:another' }),
    'one that another key signed': async () => await minted({ key: 'k'.repeat(64) }),
    'one without its signature': async () => bearer.slice(0, bearer.lastIndexOf('.') + 1),
    'one with another signature': async () =>
      bearer.slice(0, bearer.lastIndexOf('.') + 1) + bearer.slice(0, bearer.indexOf('.')),
    'a ticket that another key signed': async () =>
      await ticketOf({}, 60, { ...inject('hub'), key: 'k'.repeat(64) }),
    'a ticket of another hub': async () =>
      await ticketOf({}, 60, { ...inject('hub'), audience: 'tidings:another' }),
    'a ticket that has ended': async () => await ticketOf({}, -60),
    'a ticket without an id': async () => await ticketOf({ jti: undefined }, 60),
    'a ticket without the end of its token': async () => await ticketOf({ allowedUntil: undefined }, 60),
  };
  const minted = async (other: object) =>
    await mint({ ...inject('hub'), capability: EVERYTHING, ttlSeconds: 600, ...other });

  describe.each(Object.entries(BAD))('%s', (_name, make) => {
    test.each(WAYS)('as %s', async (_way, opening) => {
      expect(await statusOf(opening(await make()))).toBe(401);
    });
  });

  test('the tickets of this test are accepted if nothing is wrong with them', async () => {
    expect(await statusOf(asTicket(await ticketOf({}, 60)))).toBe(101);
  });

  test('a ticket instead of a token, and a token instead of a ticket', async () => {
    const { ticket } = await newTicket();
    expect(await statusOf(asHeader(ticket))).toBe(401);
    expect(await statusOf(asSubprotocol(ticket))).toBe(401);
    expect(await statusOf(asTicket(bearer))).toBe(401);
    const caller = callerAt(inject('hub').url, { Authorization: `Bearer ${ticket}` });
    expect(await refusalOf(await caller.publish(newChannel(), 1))).toEqual([401, 'unauthorized']);
    expect(await refusalOf(await caller.request('/tickets', { method: 'POST' }))).toEqual([
      401,
      'unauthorized',
    ]);
    // None of these requests has used up the ticket.
    expect(await statusOf(asTicket(ticket))).toBe(101);
  });

  test('another scheme than Bearer, and a bad header beside a good ticket', async () => {
    expect(await statusOf({ headers: { Authorization: `Basic ${bearer}` } })).toBe(401);
    const { ticket } = await newTicket();
    expect(await statusOf({ ...asTicket(ticket), ...asHeader('x') })).toBe(401);
  });
});

test.each(['token', 'access_token', 'Authorization', 'auth', 'jwt', 'id-token'])(
  '400 for a token in the query, as %s, whatever else the request has',
  async (name) => {
    const url = `${inject('hub').socketUrl}?${name}=${bearer}`;
    expect(await statusOf({ url })).toBe(400);
    expect(await statusOf({ url, ...asHeader(bearer) })).toBe(400);
  },
);

describe('400 for subprotocols', () => {
  test.each([
    ['a foreign one', () => ['mqtt']],
    ['another version', () => ['tidings.v2']],
    ['the token alone', () => [`bearer.${bearer}`]],
  ])('%s', async (_name, protocolsOf) => {
    expect(await statusOf({ ...asHeader(bearer), protocols: protocolsOf() })).toBe(400);
  });
});

describe('a ticket', () => {
  test('is valid once, however many use it at the same time', async () => {
    for (;;) {
      const { ticket } = await newTicket();
      const statuses = await Promise.all(Array.from({ length: 8 }, () => statusOf(asTicket(ticket))));
      expect(statuses.filter((status) => status === 101).length).toBeLessThanOrEqual(1);
      if (!statuses.some(isBusy)) {
        expect(statuses.toSorted()).toEqual([101, ...Array(7).fill(401)]);
        return expect(await statusOf(asTicket(ticket))).toBe(401);
      }
      // A busy machine had no room for some of them, and nobody knows what their ticket is worth now. They all try with another one.
      await wait(BUSY_MS);
    }
  });

  test('is valid for a minute after it was issued', async () => {
    const before = Date.now();
    const { expiresAt } = await newTicket();
    expect(expiresAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(Date.parse(expiresAt)).toBeGreaterThanOrEqual(before + 60_000);
    expect(Date.parse(expiresAt)).toBeLessThanOrEqual(Date.now() + 60_000);
  });

  test('may do what its token may, and no more', async () => {
    const channel = newChannel();
    const { ticket } = await newTicket({ [channel]: ['subscribe'] });
    const socket = await openSocket(asTicket(ticket));
    expect((await socket.ask({ action: 'subscribe', channel })).type).toBe('subscribed');
    expect((await socket.ask({ action: 'publish', channel, messages: [1] })).code).toBe('forbidden');
    expect((await socket.ask({ action: 'subscribe', channel: newChannel() })).code).toBe('forbidden');
  });

  test('opens a socket for as long as its token lasts', async () => {
    const url = inject('hub').url;
    const brief = callerAt(url, { Authorization: `Bearer ${await token(EVERYTHING, -15)}` });
    const response = await brief.request('/tickets', { method: 'POST' });
    const { ticket } = Object(await response.json());
    const socket = await openSocket(asTicket(String(ticket)));
    expect((await socket.ask({ action: 'subscribe', channel: newChannel() })).type).toBe('subscribed');
    expect((await socket.next()).code).toBe('unauthorized');
    await socket.ended;
  });

  test('is issued only for a token', async () => {
    const post = async (headers: Record<string, string>) =>
      await refusalOf(await callerAt(inject('hub').url, headers).request('/tickets', { method: 'POST' }));
    expect(await post({})).toEqual([401, 'unauthorized']);
    expect(await post({ Authorization: 'Bearer x' })).toEqual([401, 'unauthorized']);
    const ended = await token(EVERYTHING, -60);
    expect(await post({ Authorization: `Bearer ${ended}` })).toEqual([401, 'unauthorized']);
  });

  test('is issued only for POST, and to pages of any origin', async () => {
    const caller = callerWith(EVERYTHING);
    for (const method of ['GET', 'PUT', 'DELETE']) {
      const response = await caller.request('/tickets', { method });
      expect(response.headers.get('Allow'), method).toBe('POST, OPTIONS');
      expect(await refusalOf(response), method).toEqual([405, 'method_not_allowed']);
    }
    const preflight = await caller.request('/tickets', {
      method: 'OPTIONS',
      headers: { Origin: 'https://app.example', 'Access-Control-Request-Method': 'POST' },
    });
    expect([preflight.status, preflight.headers.get('Access-Control-Allow-Origin')]).toEqual([204, '*']);
  });
});
