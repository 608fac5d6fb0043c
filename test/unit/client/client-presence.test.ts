/**
 * The client as a member of a channel, with a clock that stands still: its pings, what it says on each socket, and what it knows of the
 * others (PROTOCOL.md §14).
 * @module
 */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { connectOver, type Hub } from '../../../client/connect.ts';
import type { PresenceMember } from '../../../client/index.ts';
import { PRESENCE_KEPT_MS, PRESENCE_PING_MS } from '../../../protocol/limits.ts';
import { type FakeWire, type StillHost, settled, stillHost } from '../../support/client/still-host.ts';
import { offsetAt } from '../../support/domain/fake-log.ts';

const CHANNEL = 'chat/room1';
const PRESENCE = `tidings/presence/${CHANNEL}`;

let host: StillHost;
let hub: Hub;
beforeEach(() => {
  host = stillHost();
  host.respond = answerOf;
  hub = connectOver(host, { url: 'https://hub.example' });
});
afterEach(async () => {
  hub.close();
  await settled();
  expect([host.timers(), host.open().length]).toEqual([0, 0]);
});

const change = (
  operation: string,
  key: string,
  data: unknown = null,
  since = '2026-01-01T00:00:00.000Z',
) => ({
  type: 'presence',
  key,
  value: { principal: key, transport: 'websocket', since, data },
  headers: { operation },
});

/** Answers a read at the end of a channel. */
function answerOf(url: string): Response {
  const offset = /offset=(\d+)/.exec(url)?.[1] ?? offsetAt(0);
  const headers = {
    'Content-Type': 'application/json',
    'Stream-Start-Offset': offset,
    'Stream-Next-Offset': offset,
    'Stream-Up-To-Date': 'true',
  };
  return new Response('[]', { headers });
}

/** Opens the newest socket, and answers its subscriptions: the client is a member of the channel. */
async function live(): Promise<FakeWire> {
  await settled();
  const wire = host.wires.at(-1);
  if (!wire) throw new Error('no socket was opened');
  wire.open();
  await settled();
  answerAll(wire);
  await settled();
  return wire;
}

function answerAll(wire: FakeWire): void {
  for (const { id, channel } of wire.said.filter(({ action }) => action === 'subscribe')) {
    const member = channel === CHANNEL ? { presence: true } : {};
    wire.say({ type: 'subscribed', id, channel, offset: offsetAt(0), ...member });
  }
}

const said = (wire: FakeWire, action: string) => wire.said.filter((each) => each.action === action);

test('a member pings every 25 s, however much comes, and any other socket only after silence', async () => {
  hub.presence(CHANNEL, { data: 1 });
  const wire = await live();
  const chatter = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 1_000) {
      wire.say({ type: 'pong', id: 'other' });
      await host.pass(1_000);
    }
  };
  await chatter(10 * PRESENCE_PING_MS);
  const pings = said(wire, 'ping').length;
  expect(pings).toBeGreaterThanOrEqual(10);
  expect(pings).toBeLessThanOrEqual(11);
  expect(2 * PRESENCE_PING_MS).toBeLessThan(PRESENCE_KEPT_MS);
});

test('a subscription that makes the client a member is enough, since the hub says so', async () => {
  hub.subscribe(CHANNEL, { onMessages() {} });
  const wire = await live();
  await host.pass(PRESENCE_PING_MS + 1_000);
  expect(said(wire, 'ping')).toHaveLength(1);
});

test('each socket is told what the client says, and a subscription that is there is told it, too', async () => {
  hub.subscribe(CHANNEL, { onMessages() {} });
  const first = await live();
  expect(said(first, 'subscribe')).toMatchObject([{ channel: CHANNEL }]);
  expect(said(first, 'subscribe')[0]).not.toHaveProperty('presence');
  hub.presence(CHANNEL, { data: { name: 'Alice' } });
  await settled();
  const told = said(first, 'subscribe').filter(({ channel }) => channel === CHANNEL);
  expect(told[1]).toMatchObject({ presence: { name: 'Alice' } });
  answerAll(first);
  await settled();
  first.end();
  while (host.wires.length === 1) await host.pass(1_000);
  const second = await live();
  expect(said(second, 'subscribe').find(({ channel }) => channel === CHANNEL)).toMatchObject({
    presence: { name: 'Alice' },
  });
});

test('the members are those of the newest messages, with each change after them', async () => {
  const latest = [change('insert', 'b', 2, '2026-01-02T00:00:00.000Z'), change('insert', 'a', 1)];
  const changes: (readonly PresenceMember[])[] = [];
  const presence = hub.presence(CHANNEL, { onChange: (members) => changes.push(members) });
  const wire = await live();
  expect(said(wire, 'subscribe').find(({ channel }) => channel === PRESENCE)).toMatchObject({
    offset: 'latest',
  });
  const first = { type: 'messages', channel: PRESENCE, from: offsetAt(0), next: offsetAt(7) };
  wire.say({ ...first, messages: latest });
  await settled();
  expect(presence.members.map(({ key, data }) => [key, data])).toEqual([
    ['a', 1],
    ['b', 2],
  ]);
  const frame = { type: 'messages', channel: PRESENCE, from: offsetAt(7), next: offsetAt(8) };
  wire.say({ ...frame, messages: [change('update', 'a', 3), change('delete', 'b'), 'of a newer hub'] });
  await settled();
  expect(presence.members).toEqual([
    { key: 'a', principal: 'a', transport: 'websocket', since: '2026-01-01T00:00:00.000Z', data: 3 },
  ]);
  expect(changes.map((members) => members.length)).toEqual([2, 1]);
  presence.leave();
  await settled();
  expect(
    said(wire, 'unsubscribe')
      .map(({ channel }) => channel)
      .toSorted(),
  ).toEqual([CHANNEL, PRESENCE]);
});

test('over HTTP all held requests of a client have one id', async () => {
  hub.close();
  hub = connectOver(host, { url: 'https://hub.example', transports: ['long-poll'] });
  host.respond = (url) => (url.includes('live=') ? new Promise(() => {}) : answerOf(url));
  hub.presence(CHANNEL, { data: { name: 'A&B' } });
  await host.pass(1_000);
  const held = host.requests.filter((url) => url.includes('live=long-poll'));
  expect(held.some((url) => url.includes(`/${CHANNEL}?`))).toBe(true);
  for (const url of held) {
    const { searchParams, pathname } = new URL(url);
    expect(searchParams.get('reader')).toBe('key-1');
    const data = pathname === `/channels/${CHANNEL}` ? '{"name":"A&B"}' : null;
    expect(searchParams.get('presence')).toBe(data);
  }
});
