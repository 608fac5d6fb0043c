/**
 * PROTOCOL.md §12.7 over the wire: which sockets are open, and the end of one of them.
 * @module
 */
import { expect, inject, test } from 'vitest';
import { subscribe } from '../../support/wire/follow.ts';
import { openSocket, type Socket } from '../../support/wire/socket.ts';
import {
  type Caller,
  callerAt,
  callerWith,
  EVERYTHING,
  newChannel,
  refusalOf,
  token,
} from '../../support/wire/wire.ts';

const hub = callerWith(EVERYTHING);

interface Listed {
  readonly id: string;
  readonly principal?: string;
  readonly since: string;
  readonly until: string;
  readonly subscriptions: readonly string[];
}

interface Page {
  readonly connections: readonly Listed[];
  readonly next?: string;
}

async function pageAt(query: string): Promise<Page> {
  const response = await hub.request(`/connections${query}`);
  expect([response.status, response.headers.get('Cache-Control')]).toEqual([200, 'no-store']);
  return JSON.parse(await response.text());
}

/** Reads the list to its end. Other tests have connections, too. */
async function pagesOf(limit: number): Promise<Page[]> {
  const pages: Page[] = [];
  for (let after = ''; ; ) {
    const page = await pageAt(`?limit=${limit}${after}`);
    pages.push(page);
    if (page.next === undefined) return pages;
    after = `&after=${encodeURIComponent(page.next)}`;
  }
}

const listedOf = async (sub: string, limit = 1_000): Promise<Listed[]> =>
  (await pagesOf(limit)).flatMap(({ connections }) =>
    connections.filter(({ principal }) => principal === sub),
  );

const idsOf = async (sub: string): Promise<string[]> => (await listedOf(sub)).map(({ id }) => id);

const newPrincipal = (): string => `listed ${newChannel()}`;

async function socketOf(principal: string, seconds = 600): Promise<Socket> {
  const bearer = await token(EVERYTHING, seconds, principal);
  return await openSocket({ headers: { Authorization: `Bearer ${bearer}` } });
}

const end = async (id: string): Promise<unknown> => {
  const response = await hub.request(`/connections?id=${encodeURIComponent(id)}`, { method: 'DELETE' });
  return [response.status, await response.json()];
};

test('a socket is in the list with its subscriptions and times, and leaves it when it ends', async () => {
  const [sub, channel, other] = [newPrincipal(), newChannel(), newChannel()];
  const before = Date.now();
  const socket = await socketOf(sub);
  await subscribe(socket, channel);
  await subscribe(socket, other);
  await expect.poll(async () => (await listedOf(sub))[0]?.subscriptions).toEqual([channel, other].toSorted());
  const [listed, ...more] = await listedOf(sub);
  expect(more).toEqual([]);
  const [since, until] = [Date.parse(listed?.since ?? ''), Date.parse(listed?.until ?? '')];
  expect(since - before).toBeGreaterThan(-60_000);
  // With its token, which the hub forgives 30 s (§7).
  expect(Math.abs(until - before - 600_000)).toBeLessThan(90_000);
  await socket.ask({ action: 'unsubscribe', channel: other });
  await expect.poll(async () => (await listedOf(sub))[0]?.subscriptions).toEqual([channel]);
  await socket.close();
  await expect.poll(async () => await listedOf(sub)).toEqual([]);
});

test('the list is read page by page: each socket comes once, and the cursor shows no name', async () => {
  const sub = newPrincipal();
  const sockets = await Promise.all([socketOf(sub), socketOf(sub), socketOf(sub)]);
  await expect.poll(async () => (await idsOf(sub)).length).toBe(3);
  const pages = await pagesOf(2);
  expect(pages.every(({ connections }) => connections.length <= 2)).toBe(true);
  const mine = pages.flatMap(({ connections }) => connections).filter(({ principal }) => principal === sub);
  expect(new Set(mine.map(({ id }) => id)).size).toBe(3);
  expect(mine.length).toBe(3);
  const cursors = pages.flatMap(({ next }) => next ?? []);
  expect(cursors.length).toBeGreaterThan(0);
  const [cursor = ''] = cursors;
  const parts = cursor.split('.').map((part) => Buffer.from(part, 'base64url').toString('latin1'));
  expect(`${cursor} ${parts.join(' ')}`).not.toMatch(/listed|pattern|connection/);
  // A cursor is of one list only.
  for (const query of [`/channels?after=${encodeURIComponent(cursor)}`, '/connections?after=x'])
    expect(await refusalOf(await hub.request(query)), query).toEqual([400, 'bad_request']);
  for (const socket of sockets) await socket.close();
});

test('one socket is ended by its id, and no other', async () => {
  const sub = newPrincipal();
  const [one, two] = [await socketOf(sub), await socketOf(sub)];
  const channel = newChannel();
  await subscribe(one, channel);
  const ofOne = async () =>
    (await listedOf(sub)).find(({ subscriptions }) => subscriptions.length > 0)?.id ?? '';
  await expect.poll(ofOne).not.toBe('');
  const id = await ofOne();
  expect(await end(id)).toEqual([200, { ended: 1 }]);
  await one.ended;
  expect(one.unread()).toEqual([
    { type: 'error', code: 'unauthorized', message: 'the hub was told to end this connection' },
  ]);
  expect((await two.ask({ action: 'ping' })).type).toBe('pong');
  await expect.poll(async () => await end(id)).toEqual([200, { ended: 0 }]);
  await expect.poll(async () => (await idsOf(sub)).length).toBe(1);
  expect(await end('nobody=')).toEqual([200, { ended: 0 }]);
  await two.close();
});

test('the list needs manage on everything, and shows nothing to others', async () => {
  const sub = newPrincipal();
  const socket = await socketOf(sub);
  await expect.poll(async () => (await idsOf(sub)).length).toBe(1);
  const refused: readonly (readonly [Caller, number, string])[] = [
    [callerWith(undefined), 401, 'unauthorized'],
    [
      callerAt(inject('hub').url, { Authorization: `Bearer ${await token(EVERYTHING, -60)}` }),
      401,
      'unauthorized',
    ],
    [callerWith({ '*': ['publish', 'subscribe', 'webhook'] }), 403, 'forbidden'],
    [callerWith({ 'a/*': ['manage'] }), 403, 'forbidden'],
  ];
  for (const [caller, status, code] of refused) {
    const response = await caller.request('/connections');
    expect(await response.clone().text()).not.toContain(sub);
    expect(await refusalOf(response)).toEqual([status, code]);
  }
  for (const query of ['?limit=0', '?limit=1001', '?limit=x', '?principal=a', '?after='])
    expect(await refusalOf(await hub.request(`/connections${query}`)), query).toEqual([400, 'bad_request']);
  await socket.close();
});
