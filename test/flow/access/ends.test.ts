/**
 * PROTOCOL.md §12.6 and §5 over the wire: nothing that a token opened outlives it, and a client that comes back without a token gets no
 * history.
 * @module
 */
import { SignJWT } from 'jose';
import { expect, inject, test } from 'vitest';
import type { Capability } from '../../../protocol/capability.ts';
import { type EventStream, openStream } from '../../support/wire/event-stream.ts';
import { subscribe } from '../../support/wire/follow.ts';
import { openSocket, type Socket, socketWith, statusOf } from '../../support/wire/socket.ts';
import { newTicket } from '../../support/wire/ticket.ts';
import {
  type Caller,
  callerAt,
  callerWith,
  EVERYTHING,
  newChannel,
  refusalOf,
  token,
} from '../../support/wire/wire.ts';

/**
 * Lifetime of a token that has ended 15 s ago. The hub forgives 30 s of clock difference (§7), and opens nothing in the last five of
 * them. So such a token opens sockets and streams for nine to ten seconds more.
 */
const BRIEF_SECONDS = -15;
const FORGIVEN_MS = 30_000;
const BROWSER = { Accept: 'text/event-stream' };

const hub = callerWith(EVERYTHING);

const bearing = (bearer: string): Caller =>
  callerAt(inject('hub').url, { Authorization: `Bearer ${bearer}` });

/** Returns the time at which all of these have ended, in milliseconds since 1970. */
async function overAt(ends: readonly Promise<unknown>[]): Promise<number> {
  await Promise.all(ends);
  return Date.now();
}

async function drained(stream: EventStream): Promise<void> {
  while (await stream.next());
}

test('within 30 s of the end of a token its sockets, streams and long polls end, although nothing is published', async () => {
  const channel = newChannel();
  await hub.publish(channel, 'old');
  const ends = Date.now() + BRIEF_SECONDS * 1_000;
  const brief = bearing(await token(EVERYTHING, BRIEF_SECONDS));
  const ticket = () => newTicket(EVERYTHING, BRIEF_SECONDS);
  const ticketed = async () =>
    await openSocket({ url: `${inject('hub').socketUrl}?ticket=${await ticket()}` });
  const [lasting, anonymous, listening, ...idle] = await Promise.all([
    socketWith(EVERYTHING),
    openSocket({}),
    socketWith(EVERYTHING, {}, BRIEF_SECONDS),
    socketWith(EVERYTHING, {}, BRIEF_SECONDS),
    ticketed(),
  ]);
  await subscribe(listening, channel);
  const streams = await Promise.all([
    openStream(brief, `/channels/${channel}?offset=-1&live=sse`),
    openStream(brief, `/channels/${channel}`, BROWSER),
    openStream(brief, `/events?channel=${channel}`),
    ticket().then((one) =>
      openStream(callerAt(inject('hub').url), `/events?channel=${channel}&ticket=${one}`),
    ),
  ]);
  const held = brief.request(`/channels/${channel}?offset=now&live=long-poll`);
  const sockets = [listening, ...idle];
  const over = await overAt([...sockets.map(({ ended }) => ended), ...streams.map(drained), held]);
  expect(over - ends).toBeGreaterThan(0);
  expect(over - ends).toBeLessThan(FORGIVEN_MS);
  expect((await held).status).toBe(204);
  for (const socket of sockets) {
    const frames = socket.unread().filter(({ type }) => type === 'error');
    expect(frames).toEqual([
      { type: 'error', code: 'unauthorized', message: 'the token of this connection has ended' },
    ]);
  }
  for (const other of [lasting, anonymous]) {
    expect(other.unread()).toEqual([]);
    expect((await other.ask({ action: 'ping' })).type).toBe('pong');
  }
});

test('a client that comes back after the end of its token gets no history, on any transport', async () => {
  const channel = newChannel();
  const response = await hub.publish(channel, 'CANARY');
  const offset = '0000000000000000';
  const ended = await token(EVERYTHING, -60);
  const late = bearing(ended);
  const asked = [
    await late.request(`/channels/${channel}?offset=-1`),
    await late.request(`/channels/${channel}?offset=${offset}&live=long-poll`),
    await late.request(`/channels/${channel}?offset=${offset}&live=sse`),
    await late.request(`/channels/${channel}`, { headers: { ...BROWSER, 'Last-Event-ID': '-1' } }),
    await late.request(`/events?channel=${channel}`, { headers: { 'Last-Event-ID': offset } }),
    await late.request('/tickets', { method: 'POST' }),
    await late.request(`/channels/${channel}?offset=-1`, {
      headers: { 'If-None-Match': response.headers.get('ETag') ?? '"x"' },
    }),
  ];
  for (const answer of asked) {
    expect([answer.status, await answer.text()]).toEqual([401, expect.not.stringContaining('CANARY')]);
  }
  expect(await statusOf({ headers: { Authorization: `Bearer ${ended}` } })).toBe(401);
});

test('a client that comes back with a weaker token gets nothing that it may no longer read', async () => {
  const channel = newChannel();
  await hub.publish(channel, 'CANARY');
  const before = await socketWith({ [channel]: ['subscribe'] });
  const offset = await subscribe(before, channel);
  const less: Capability = { 'elsewhere/*': ['subscribe'], [channel]: ['publish'] };
  const after = callerWith(less);
  const asked = [
    await after.request(`/channels/${channel}?offset=-1`),
    await after.request(`/channels/${channel}?offset=-1&live=sse`),
    await after.request(`/channels/${channel}`, { headers: { ...BROWSER, 'Last-Event-ID': '-1' } }),
    await after.request(`/events?channel=${channel}`, { headers: { 'Last-Event-ID': '-1' } }),
  ];
  for (const answer of asked) expect(await refusalOf(answer)).toEqual([403, 'forbidden']);
  const socket = await socketWith(less);
  for (const from of ['-1', 'now', offset]) {
    expect((await socket.ask({ action: 'subscribe', channel, offset: from })).code).toBe('forbidden');
  }
  expect((await socket.ask({ action: 'subscribe', channel: '*' })).code).toBe('forbidden');
});

async function socketOf(principal: string, capability: Capability = EVERYTHING): Promise<Socket> {
  return await openSocket({
    headers: { Authorization: `Bearer ${await token(capability, 600, principal)}` },
  });
}

const disconnect = (caller: Caller, query: string): Promise<Response> =>
  caller.request(`/connections${query}`, { method: 'DELETE' });

test('DELETE /connections ends every socket of a principal and no other, and says how many', async () => {
  const mallory = `mallory ${newChannel()}`;
  const channel = newChannel();
  const mine = await Promise.all([socketOf(mallory), socketOf(mallory), socketOf(mallory)]);
  const others = [await socketOf(`${mallory}x`), await socketWith(EVERYTHING), await openSocket({})];
  for (const socket of mine) await subscribe(socket, channel);
  await mine[2]?.close();
  const query = `?principal=${encodeURIComponent(mallory)}`;
  // The hub learns of the end of a connection a moment later.
  const first = await disconnect(hub, query);
  expect([first.status, first.headers.get('Cache-Control')]).toEqual([200, 'no-store']);
  const { ended } = Object(await first.json());
  expect([2, 3]).toContain(ended);
  for (const socket of mine.slice(0, 2)) {
    await socket.ended;
    expect(socket.unread()).toEqual([
      { type: 'error', code: 'unauthorized', message: 'the hub was told to end this connection' },
    ]);
  }
  for (const other of others) expect((await other.ask({ action: 'ping' })).type).toBe('pong');
  // A client whose token is still valid may come back (§12.6).
  const back = await socketOf(mallory);
  expect((await back.ask({ action: 'ping' })).type).toBe('pong');
  const again = async () => Object(await (await disconnect(hub, query)).json()).ended;
  await expect.poll(again).toBe(0);
  await back.ended;
});

test.each([
  ['an emoji', '😀'],
  ['U+FFFE', '\ufffe'],
  ['U+FFFF', '\uffff'],
  ['U+FFFD', '\ufffd'],
  ['a byte order mark', '\ufeff'],
  ['a control character', '\u0000\u0001\u000b\u007f\u0085'],
  ['line separators', '\u2028\u2029'],
  ['the last code point of Unicode', '\u{10ffff}'],
])('DELETE /connections ends the socket of a principal with %s in its name', async (_name, text) => {
  const principal = `${text}${newChannel()}${text}`;
  const socket = await socketOf(principal);
  const other = await socketOf(`${principal}x`);
  const answer = await disconnect(hub, `?principal=${encodeURIComponent(principal)}`);
  expect([answer.status, await answer.json()]).toEqual([200, { ended: 1 }]);
  await socket.ended;
  expect((await other.ask({ action: 'ping' })).type).toBe('pong');
});

test('a sub that is not well-formed Unicode makes a bad token, on every transport', async () => {
  const principal = `\ud800${newChannel()}`;
  const bearer = { Authorization: `Bearer ${await token(EVERYTHING, 600, principal)}` };
  expect(await statusOf({ headers: bearer })).toBe(401);
  for (const path of ['/channels/a', '/events?channel=a', '/webhooks'])
    expect(await refusalOf(await hub.request(path, { headers: bearer })), path).toEqual([
      401,
      'unauthorized',
    ]);
});

test('DELETE /connections needs manage on everything, and exactly one principal or id', async () => {
  const nobodys = `?principal=${newChannel()}`;
  expect(await (await disconnect(hub, nobodys)).json()).toEqual({ ended: 0 });
  const nobody = callerWith(undefined);
  expect(await refusalOf(await disconnect(nobody, nobodys))).toEqual([401, 'unauthorized']);
  for (const capability of [{ '*': ['publish', 'subscribe', 'webhook'] }, { 'a/*': ['manage'] }] as const) {
    expect(await refusalOf(await disconnect(callerWith(capability), nobodys))).toEqual([403, 'forbidden']);
  }
  for (const query of [
    '',
    '?principal=',
    '?principal=a&principal=b',
    `?principal=${'x'.repeat(256)}`,
    '?principal=a&id=b',
    '?id=',
    '?id=a&id=b',
    `?id=${'x'.repeat(129)}`,
  ]) {
    expect(await refusalOf(await disconnect(hub, query)), query).toEqual([400, 'bad_request']);
  }
  for (const method of ['POST', 'PUT']) {
    const response = await hub.request('/connections?principal=a', { method });
    expect(response.headers.get('Allow'), method).toBe('GET, DELETE, OPTIONS');
    expect(await refusalOf(response), method).toEqual([405, 'method_not_allowed']);
  }
});

test('the sub of a token that opens a socket may be as long as OpenID Connect allows', async () => {
  const statusWith = async (length: number) => {
    // mint() is not used, because it refuses the longer one itself.
    const { key, audience } = inject('hub');
    const bearer = await new SignJWT({ capability: EVERYTHING, sub: 'é'.repeat(length) })
      .setProtectedHeader({ alg: 'HS256' })
      .setAudience(audience)
      .setExpirationTime('10m')
      .sign(Buffer.from(key));
    return await statusOf({ headers: { Authorization: `Bearer ${bearer}` } });
  };
  expect([await statusWith(255), await statusWith(256)]).toEqual([101, 400]);
});
