/**
 * PROTOCOL.md §14 over the wire: who comes and goes on each transport, and who may know it.
 * @module
 */
import { beforeAll, describe, expect, inject, test } from 'vitest';
import type { Capability } from '../../../protocol/capability.ts';
import { openStream } from '../../support/wire/event-stream.ts';
import { openSocket, type Socket, socketWith } from '../../support/wire/socket.ts';
import { type Caller, callerAt, callerWith, EVERYTHING, newChannel, token } from '../../support/wire/wire.ts';

let hub: Caller;
beforeAll(async () => {
  hub = await callerWith(EVERYTHING);
});

/** A channel that has presence (test/flow/setup.ts). */
const newPlace = () => newChannel('present');

const bearing = async (capability: Capability, sub?: string, ttlSeconds = 600): Promise<Caller> =>
  callerAt(inject('hub').url, { Authorization: `Bearer ${await token(capability, ttlSeconds, sub)}` });

const socketOf = async (sub: string, ttlSeconds = 600): Promise<Socket> =>
  await openSocket({ headers: { Authorization: `Bearer ${await token(EVERYTHING, ttlSeconds, sub)}` } });

interface Member {
  readonly key: string;
  readonly principal: string | null;
  readonly transport: string;
  readonly since: string;
  readonly data: unknown;
}

async function rollOf(channel: string, query = ''): Promise<{ count: number; members: Member[] }> {
  const response = await hub.request(`/presence/${channel}${query}`);
  expect(response.status).toBe(200);
  const { count, members } = Object(await response.json());
  return { count, members };
}

/** Returns the members as the presence channel says: the fold of its messages. */
async function shown(channel: string): Promise<Record<string, Omit<Member, 'key'>>> {
  const { messages } = await hub.readAll(`tidings/presence/${channel}`);
  const known: Record<string, Omit<Member, 'key'>> = {};
  for (const message of messages) {
    const { type, key, value, headers } = Object(message);
    expect(type).toBe('presence');
    if (headers.operation === 'delete') delete known[key];
    else known[key] = value;
  }
  return known;
}

const dataShown = async (channel: string) => Object.values(await shown(channel)).map(({ data }) => data);

const operations = async (channel: string): Promise<string[]> =>
  (await hub.readAll(`tidings/presence/${channel}`)).messages.map(
    (message) => Object(message).headers.operation,
  );

describe('a socket', () => {
  test('comes with its subscription and what it says, changes that, and leaves when it unsubscribes', async () => {
    const channel = newPlace();
    const socket = await socketOf('alice');
    const { connection } = await socket.ask({ action: 'ping' });
    const answer = await socket.ask({ action: 'subscribe', channel, presence: { name: 'Alice' } });
    expect(answer).toMatchObject({ type: 'subscribed', presence: true });
    await expect.poll(() => dataShown(channel)).toEqual([{ name: 'Alice' }]);
    const { count, members } = await rollOf(channel);
    expect([count, members]).toEqual([
      1,
      [
        {
          key: connection,
          principal: 'alice',
          transport: 'websocket',
          since: expect.any(String),
          data: { name: 'Alice' },
        },
      ],
    ]);
    expect(await shown(channel)).toEqual({
      [String(connection)]: {
        principal: 'alice',
        transport: 'websocket',
        since: members[0]?.since,
        data: { name: 'Alice' },
      },
    });
    await socket.ask({ action: 'subscribe', channel, presence: 'away' });
    await expect.poll(() => dataShown(channel)).toEqual(['away']);
    expect((await socket.ask({ action: 'unsubscribe', channel })).type).toBe('unsubscribed');
    await expect.poll(() => shown(channel)).toEqual({});
    expect(await operations(channel)).toEqual(['insert', 'update', 'delete']);
    expect(await rollOf(channel)).toEqual({ count: 0, members: [] });
  });

  test('leaves with its connection, and each socket counts; those that came first come first', async () => {
    const channel = newPlace();
    const sockets = [await socketOf('alice'), await socketOf('alice'), await socketOf('bob')];
    for (const [at, socket] of sockets.entries())
      await socket.ask({ action: 'subscribe', channel, presence: at });
    expect((await rollOf(channel)).members.map(({ data }) => data)).toEqual([0, 1, 2]);
    const first = await rollOf(channel, '?limit=1');
    expect([first.count, first.members.map(({ data }) => data)]).toEqual([3, [0]]);
    await expect.poll(async () => (await dataShown(channel)).toSorted()).toEqual([0, 1, 2]);
    await sockets[0]?.close();
    await expect.poll(async () => (await dataShown(channel)).toSorted()).toEqual([1, 2]);
  });

  test('is no member by a pattern, nor of a channel without presence', async () => {
    const channel = newPlace();
    const socket = await socketWith(EVERYTHING);
    expect(await socket.ask({ action: 'subscribe', channel: 'present/*' })).not.toHaveProperty('presence');
    const plain = newChannel();
    expect(await socket.ask({ action: 'subscribe', channel: plain })).not.toHaveProperty('presence');
    const other = await socketWith(EVERYTHING);
    await other.ask({ action: 'subscribe', channel });
    expect((await rollOf(channel)).members.map(({ principal, data }) => [principal, data])).toEqual([
      [null, null],
    ]);
  });

  test('leaves when it is ended by DELETE /connections', async () => {
    const channel = newPlace();
    const sub = `kicked-${process.pid}-${Date.now()}`;
    const socket = await socketOf(sub);
    await socket.ask({ action: 'subscribe', channel, presence: 1 });
    await expect.poll(() => dataShown(channel)).toEqual([1]);
    const answer = await hub.request(`/connections?principal=${sub}`, { method: 'DELETE' });
    expect(answer.status).toBe(200);
    await socket.ended;
    await expect.poll(() => shown(channel)).toEqual({});
  });

  test('leaves with its token', async () => {
    const channel = newPlace();
    // It has ended 15 s ago, and the hub forgives 30 s of clock difference (§7).
    const socket = await socketOf('brief', -15);
    await socket.ask({ action: 'subscribe', channel, presence: 1 });
    await expect.poll(() => dataShown(channel)).toEqual([1]);
    await socket.ended;
    await expect.poll(() => shown(channel)).toEqual({});
  });
});

describe('a reader over HTTP', () => {
  const reader = { 'present/*': ['subscribe'] } as const;

  test('of a long poll is one member however often it is answered and comes again', async () => {
    const channel = newPlace();
    const said = encodeURIComponent(JSON.stringify({ tab: 1 }));
    const alice = await bearing(reader, 'alice');
    let offset = 'now';
    for (let polls = 0; polls < 4; polls++) {
      const url = `/channels/${channel}?offset=${offset}&live=long-poll&reader=tab-1&presence=${said}`;
      const held = alice.request(url);
      if (polls === 0) await expect.poll(() => dataShown(channel)).toEqual([{ tab: 1 }]);
      await hub.publish(channel, polls);
      const response = await held;
      expect(response.status).toBe(200);
      offset = response.headers.get('Stream-Next-Offset') ?? '';
    }
    expect(Object.values(await shown(channel))).toMatchObject([
      { principal: 'alice', transport: 'long-poll', data: { tab: 1 } },
    ]);
    expect(await operations(channel)).toEqual(['insert']);
  });

  test('of a stream is a member, of each channel of /events that has presence, and stays the same one on another transport', async () => {
    const [one, two, plain] = [newPlace(), newPlace(), newChannel()];
    const names = [one, two, plain].map((name) => `channel=${name}`).join('&');
    const alice = await bearing({ '*': ['subscribe'] }, 'alice');
    await openStream(alice, `/events?${names}&offset=now&reader=r&presence=7`);
    await openStream(alice, `/channels/${one}?offset=now&live=sse&reader=r`);
    await openStream(alice, `/channels/${one}?reader=other`, { Accept: 'text/event-stream' });
    await expect.poll(async () => (await dataShown(one)).length).toBe(2);
    await expect.poll(() => dataShown(two)).toEqual([7]);
    const transports = Object.values(await shown(one)).map(({ transport, data }) => [transport, data]);
    expect(transports).toEqual(
      expect.arrayContaining([
        ['sse', 7],
        ['sse', null],
      ]),
    );
    await alice.request(`/channels/${two}?offset=now&live=long-poll&reader=r`, {
      headers: { Prefer: 'wait=0' },
    });
    expect((await rollOf(two)).members.map(({ transport, data }) => [transport, data])).toEqual([['sse', 7]]);
  });

  test('without an id of its own is known by the sub of its token, and otherwise not counted', async () => {
    const channel = newPlace();
    const poll = `/channels/${channel}?offset=now&live=long-poll`;
    const brief = { headers: { Prefer: 'wait=1' } };
    const [alice, nobody] = [await bearing(reader, 'alice'), await bearing(reader)];
    // A poll that does not wait makes no member: its caller could make up as many as it likes.
    expect((await alice.request(poll, { headers: { Prefer: 'wait=0' } })).status).toBe(204);
    expect((await rollOf(channel)).members).toEqual([]);
    expect((await alice.request(poll, brief)).status).toBe(204);
    expect((await alice.request(`${poll}&cursor=1`, brief)).status).toBe(204);
    expect((await nobody.request(poll, brief)).status).toBe(204);
    expect((await rollOf(channel)).members.map(({ principal }) => principal)).toEqual(['alice']);
    // The id of another reader does not make a caller that reader.
    await nobody.request(`${poll}&reader=mine`, brief);
    const bob = await bearing(reader, 'bob');
    await bob.request(`${poll}&reader=mine`, brief);
    expect((await rollOf(channel)).members.map(({ principal }) => principal)).toEqual(['alice', null, 'bob']);
  });
});

describe('the presence channel', () => {
  test('is read on each transport by who may read the channel, and by nobody else', async () => {
    const channel = newPlace();
    const presence = `tidings/presence/${channel}`;
    const may = await bearing({ [channel]: ['subscribe'] });
    const listening = await socketWith({ 'present/*': ['subscribe'] });
    for (const wanted of [presence, 'tidings/presence/present/*'])
      expect((await listening.ask({ action: 'subscribe', channel: wanted })).type).toBe('subscribed');
    const stream = await openStream(may, `/channels/${presence}?offset=now&live=sse`);
    const held = may.request(`/channels/${presence}?offset=-1&live=long-poll`);
    const socket = await socketOf('alice');
    await socket.ask({ action: 'subscribe', channel, presence: 'hello' });
    const message = {
      type: 'presence',
      key: expect.any(String),
      value: { principal: 'alice', transport: 'websocket', since: expect.any(String), data: 'hello' },
      headers: { operation: 'insert' },
    };
    expect(await (await held).json()).toEqual([message]);
    const frame = await listening.next(({ type, pattern }) => type === 'messages' && pattern === undefined);
    expect(frame).toMatchObject({ channel: presence, messages: [message] });
    for (let event = await stream.next(); !event?.data.includes('hello'); event = await stream.next())
      expect(event).toBeDefined();
    const less = await bearing({ 'present/other': ['subscribe'], [channel]: ['publish'] });
    expect((await less.read(presence)).status).toBe(403);
    expect((await callerAt(inject('hub').url).read(presence)).status).toBe(401);
    const deaf = await socketWith({ 'present/other': ['subscribe'] });
    expect(await deaf.ask({ action: 'subscribe', channel: presence })).toMatchObject({ code: 'forbidden' });
  });
});
