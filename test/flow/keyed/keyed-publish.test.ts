/**
 * PROTOCOL.md §4.8 over the wire: keyed channels are created, described and listed, and refuse messages without a key.
 * @module
 */
import { beforeAll, describe, expect, test } from 'vitest';
import { socketWith } from '../../support/wire/socket.ts';
import { type Caller, callerWith, EVERYTHING, newChannel, refusalOf } from '../../support/wire/wire.ts';

let hub: Caller;
beforeAll(async () => {
  hub = await callerWith(EVERYTHING);
});

const JSON_TYPE = { 'Content-Type': 'application/json' };
const put = (channel: string, headers: Record<string, string>, messages?: readonly unknown[]) =>
  hub.request(`/channels/${channel}`, {
    method: 'PUT',
    headers: { ...JSON_TYPE, ...headers },
    ...(messages ? { body: JSON.stringify(messages) } : {}),
  });

const [a, b] = [
  { symbol: 'A', price: 1 },
  { symbol: 'B', price: 2 },
];

test('a keyed channel is created once, described and listed', async () => {
  const prefix = newChannel('keyed');
  const channel = `${prefix}/prices`;
  expect((await put(channel, { 'Stream-Key': ' /symbol , /venue/0 ' })).status).toBe(201);
  expect((await put(channel, { 'Stream-Key': '/symbol,/venue/0' })).status).toBe(200);
  for (const headers of [{}, { 'Stream-Key': '/symbol' }, { 'Stream-Key': '/venue/0,/symbol' }])
    expect(await refusalOf(await put(channel, headers))).toEqual([409, 'channel_exists']);
  const head = await hub.request(`/channels/${channel}`, { method: 'HEAD' });
  expect(head.headers.get('Stream-Key')).toBe('/symbol,/venue/0');
  const list = await hub.request(`/channels?prefix=${prefix}/`);
  expect(await list.json()).toMatchObject({ channels: [{ channel, streamKey: '/symbol,/venue/0' }] });
});

test('messages with the key are stored as they were published, and nothing of a batch with one without it', async () => {
  const channel = newChannel('keyed');
  await put(channel, { 'Stream-Key': '/symbol' }, [a]);
  expect((await hub.publish(channel, b, a)).status).toBe(204);
  const others = [{}, { symbol: null }, { symbol: { a: 1 } }, { symbol: ['A'] }, 'A', 1, ['A'], null];
  for (const other of [...others, { symbol: 'x'.repeat(257) }])
    expect(await refusalOf(await hub.publish(channel, b, other))).toEqual([400, 'bad_key']);
  expect((await hub.readAll(channel)).messages).toEqual([a, b, a]);
});

test('a socket is refused in the same way', async () => {
  const channel = newChannel('keyed');
  await put(channel, { 'Stream-Key': '/symbol' });
  const socket = await socketWith(EVERYTHING);
  const frame = { action: 'publish', channel };
  expect(await socket.ask({ ...frame, messages: [a, {}] })).toMatchObject({ type: 'error', code: 'bad_key' });
  expect(await socket.ask({ ...frame, messages: [a, b] })).toMatchObject({ type: 'published' });
  expect((await hub.readAll(channel)).messages).toEqual([a, b]);
});

describe('PUT is refused, and creates nothing', () => {
  test.each([
    ['five pointers', { 'Stream-Key': '/a,/b,/c,/d,/e' }, 'bad_request'],
    ['no pointer', { 'Stream-Key': '' }, 'bad_request'],
    ['a name in place of a pointer', { 'Stream-Key': 'symbol' }, 'bad_request'],
    ['an escape that is none', { 'Stream-Key': '/a~2' }, 'bad_request'],
    ['a key of bytes', { 'Stream-Key': '/a', 'Content-Type': 'text/plain' }, 'bad_request'],
    ['a key and a TTL', { 'Stream-Key': '/a', 'Stream-TTL': '60' }, 'bad_request'],
    ['a message without the key', { 'Stream-Key': '/symbol' }, 'bad_key', [a, {}]],
  ])('with %s', async (_name, headers, code, messages?: readonly unknown[]) => {
    const channel = newChannel('keyed');
    expect(await refusalOf(await put(channel, headers, messages))).toEqual([400, code]);
    expect(await refusalOf(await hub.request(`/channels/${channel}`, { method: 'DELETE' }))).toEqual([
      404,
      'channel_not_found',
    ]);
  });
});
