/**
 * PROTOCOL.md §2 over the wire: a content type that nobody chose does not create a channel that keeps it.
 * @module
 */
import { describe, expect, test } from 'vitest';
import { callerWith, EVERYTHING, newChannel, refusalOf } from '../../support/wire/wire.ts';

const hub = callerWith(EVERYTHING);

const FETCH_TYPE = 'text/plain;charset=UTF-8';

const send = (channel: string, type: string | undefined, body: string, method = 'POST') =>
  hub.request(`/channels/${channel}`, {
    method,
    body,
    ...(type === undefined ? {} : { headers: { 'Content-Type': type } }),
  });

describe('a first publish of JSON as another type', () => {
  test.each([
    // What fetch sends by itself with a string.
    [undefined, '{"a":1}'],
    [FETCH_TYPE, '{"a":1}'],
    ['text/plain', ' \n [1,2]'],
    ['text/plain', '\ufeff{}'],
    ['TEXT/Plain', '[]'],
    ['application/octet-stream', '{"a":1}'],
    ['application/x-www-form-urlencoded', '{"a":1}'],
    ['application/x-www-form-urlencoded', 'a=1'],
  ])('%s %j is refused with a hint, and a correct publish then succeeds', async (type, body) => {
    const channel = newChannel();
    const response = await send(channel, type, body);
    const text = await response.clone().text();
    expect(await refusalOf(response)).toEqual([409, 'content_type_mismatch']);
    expect(JSON.parse(text).error.message).toContain('application/json');
    expect((await hub.publish(channel, { a: 1 })).status).toBe(204);
    expect((await hub.readAll(channel)).messages).toEqual([{ a: 1 }]);
  });

  test('is refused with a key too, and the key may be used again', async () => {
    const channel = newChannel();
    const headers = { 'Content-Type': FETCH_TYPE, 'Idempotency-Key': 'k' };
    const init = { method: 'POST', body: '{"a":1}' };
    const refused = await hub.request(`/channels/${channel}`, { ...init, headers });
    expect(await refusalOf(refused)).toEqual([409, 'content_type_mismatch']);
    const right = { ...headers, 'Content-Type': 'application/json' };
    expect((await hub.request(`/channels/${channel}`, { ...init, headers: right })).status).toBe(204);
  });
});

describe('a first publish of text creates a text channel', () => {
  test.each([
    ['text/plain', '42'],
    ['text/plain', 'hello'],
    ['text/plain', '"hello"'],
    ['text/plain', 'null'],
    ['text/plain', '{not json}'],
    ['text/plain', '[INFO] started'],
    ['text/plain', '{"a":1}\n{"a":2}'],
    ['text/markdown', '[1]'],
    ['application/x-ndjson', '{"a":1}'],
    ['application/cloudevents+json', '{"a":1}'],
    ['application/octet-stream', 'x'],
  ])('%s %j', async (type, body) => {
    const channel = newChannel();
    expect((await send(channel, type, body)).status).toBe(204);
    const read = await hub.request(`/channels/${channel}`);
    expect([read.headers.get('Content-Type'), await read.text()]).toEqual([type, body]);
  });
});

test('PUT creates a text channel with any body, and JSON is plain text in it', async () => {
  const channel = newChannel();
  expect((await send(channel, 'text/plain', '{"a":1}', 'PUT')).status).toBe(201);
  expect((await send(channel, FETCH_TYPE, '{"a":2}')).status).toBe(204);
  expect(await (await hub.request(`/channels/${channel}`)).text()).toBe('{"a":1}{"a":2}');
});

test('a text channel that its first publish created accepts JSON as text', async () => {
  const channel = newChannel();
  expect((await send(channel, 'text/plain', 'log:')).status).toBe(204);
  expect((await send(channel, 'text/plain', '{"a":1}')).status).toBe(204);
});
