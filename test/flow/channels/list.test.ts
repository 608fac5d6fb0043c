/**
 * PROTOCOL.md §6.1 over the wire: the channels below a prefix.
 * @module
 */
import { describe, expect, inject, test } from 'vitest';
import {
  type Caller,
  callerAt,
  callerWith,
  EVERYTHING,
  newChannel,
  refusalOf,
} from '../../support/wire/wire.ts';

interface Page {
  readonly channels: readonly { readonly channel: string }[];
  readonly next?: string;
}

/** Reads a list to its end. */
async function listed(caller: Caller, query: string): Promise<Page[]> {
  const pages: Page[] = [];
  for (let after = ''; ; ) {
    const response = await caller.request(`/channels?${query}${after}`);
    if (response.status !== 200)
      throw new Error(`a list answered ${response.status}: ${await response.text()}`);
    expect(response.headers.get('Cache-Control')).toBe('no-store');
    const page: Page = JSON.parse(await response.text());
    pages.push(page);
    if (page.next === undefined) return pages;
    after = `&after=${encodeURIComponent(page.next)}`;
  }
}

const namesIn = (pages: readonly Page[]): string[] =>
  pages.flatMap(({ channels }) => channels.map(({ channel }) => channel)).toSorted();

test('lists what is below a prefix, with the state of each channel', async () => {
  const hub = callerWith(EVERYTHING);
  const prefix = newChannel('list');
  const [a, b, c] = ['a', 'b', 'c/d'].map((name) => `${prefix}/${name}`);
  await hub.publish(`${a}`, 1);
  await hub.publish(`${prefix}x`, 'not below it');
  const lifetime = { 'Content-Type': 'text/plain', 'Stream-TTL': '60' };
  await hub.request(`/channels/${b}`, { method: 'PUT', headers: lifetime });
  const closed = { 'Content-Type': 'application/json', 'Stream-Closed': 'true' };
  await hub.request(`/channels/${c}`, { method: 'PUT', headers: closed, body: '[1]' });
  const [page, ...rest] = await listed(hub, `prefix=${prefix}/`);
  expect(rest).toEqual([]);
  const offset = expect.stringMatching(/^\d{16}$/);
  expect(page?.channels.toSorted((one, other) => (one.channel < other.channel ? -1 : 1))).toEqual([
    { channel: a, contentType: 'application/json', offset },
    { channel: b, contentType: 'text/plain', offset, ttlSeconds: 60 },
    { channel: c, contentType: 'application/json', offset, closed: true },
  ]);
  await hub.request(`/channels/${a}`, { method: 'DELETE' });
  expect(namesIn(await listed(hub, `prefix=${prefix}/`))).toEqual([b, c]);
});

test('a list is read page by page, and each channel comes once', async () => {
  const hub = callerWith(EVERYTHING);
  const prefix = newChannel('list');
  const names = Array.from({ length: 7 }, (_, n) => `${prefix}/${n}`);
  for (const name of names) await hub.publish(name, 1);
  const pages = await listed(hub, `prefix=${prefix}/&limit=3`);
  expect(pages.every(({ channels }) => channels.length <= 3)).toBe(true);
  expect(namesIn(pages)).toEqual(names);
});

describe('a caller sees only what it may manage', () => {
  test('by the prefix', async () => {
    const prefix = newChannel('list');
    const own = callerWith({ [`${prefix}/*`]: ['manage', 'publish'] });
    await own.publish(`${prefix}/a`, 1);
    expect(namesIn(await listed(own, `prefix=${prefix}/`))).toEqual([`${prefix}/a`]);
    for (const query of ['', '?prefix=list/', '?prefix=other/'])
      expect(await refusalOf(await own.request(`/channels${query}`))).toEqual([403, 'forbidden']);
    const reader = callerWith({ '*': ['subscribe', 'publish', 'webhook'] });
    expect(await refusalOf(await reader.request(`/channels?prefix=${prefix}/`))).toEqual([403, 'forbidden']);
    const nobody = callerAt(inject('hub').url);
    expect(await refusalOf(await nobody.request('/channels'))).toEqual([401, 'unauthorized']);
    const manager = callerWith(EVERYTHING);
    expect(await refusalOf(await manager.request('/channels?prefix=tidings/'))).toEqual([403, 'forbidden']);
  });

  test('and a cursor shows no name', async () => {
    const hub = callerWith(EVERYTHING);
    const secret = newChannel('unspeakable');
    await hub.publish(secret, 1);
    const pages = await listed(hub, 'limit=1');
    const cursors = pages.flatMap(({ next }) => next ?? []);
    expect(cursors.length).toBeGreaterThan(0);
    for (const cursor of cursors) {
      const parts = cursor.split('.').map((part) => Buffer.from(part, 'base64url').toString('latin1'));
      expect(`${cursor} ${parts.join(' ')}`).not.toMatch(/unspeakable|test\/|list\//);
    }
  });
});

test.each([
  ['prefix=chat', 'bad_channel'],
  ['prefix=/', 'bad_channel'],
  ['prefix=a%2f%2f', 'bad_channel'],
  ['limit=0', 'bad_request'],
  ['limit=1001', 'bad_request'],
  ['after=x', 'bad_request'],
  ['after=', 'bad_request'],
  ['after=a.b.c.d.e', 'bad_request'],
  ['prefix=a/&prefix=b/', 'bad_request'],
  ['offset=-1', 'bad_request'],
])('%s is refused with %s', async (query, code) => {
  const hub = callerWith(EVERYTHING);
  expect(await refusalOf(await hub.request(`/channels?${query}`))).toEqual([400, code]);
});

test.each(['POST', 'PUT', 'DELETE', 'PATCH'])('%s is no method of the list', async (method) => {
  const hub = callerWith(EVERYTHING);
  expect(await refusalOf(await hub.request('/channels', { method }))).toEqual([405, 'method_not_allowed']);
});
