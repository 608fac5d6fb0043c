/**
 * PROTOCOL.md §5.1 and §5.2 over the wire: long polling and Server-Sent Events through one front door.
 * @module
 */
import { describe, expect, test } from 'vitest';
import { MAX_RECONNECT_MS, MIN_RECONNECT_MS } from '../../../protocol/limits.ts';
import { openStream } from '../../support/wire/event-stream.ts';
import { callerWith, EVERYTHING, newChannel, refusalOf } from '../../support/wire/wire.ts';

const hub = callerWith(EVERYTHING);

const nextOf = (response: Response): string => response.headers.get('Stream-Next-Offset') ?? 'none';
const hold = (channel: string, query: string, headers: Record<string, string> = {}) =>
  hub.request(`/channels/${channel}?live=long-poll&${query}`, { headers });

describe('long polling', () => {
  test('is held until a publish, and answers with its message and a cursor', async () => {
    const channel = newChannel();
    const { next } = await hub.readAll(channel);
    const held = hold(channel, `offset=${next}`);
    let isAnswered = false;
    void held.then(() => {
      isAnswered = true;
    });
    // A publish to another channel does not answer it.
    await hub.publish(newChannel(), 'elsewhere');
    await hub.readAll(channel);
    expect(isAnswered).toBe(false);
    await hub.publish(channel, { n: 1 });
    const response = await held;
    expect([response.status, await response.json()]).toEqual([200, [{ n: 1 }]]);
    expect(response.headers.get('Stream-Cursor')).toMatch(/^\d+$/);
    expect(response.headers.get('Cache-Control')).toBe('private, no-cache');
  });

  test('ends with 204 after the time that the caller prefers, with the offset of the end', async () => {
    const channel = newChannel();
    const end = nextOf(await hub.publish(channel, 1));
    const response = await hold(channel, `offset=${end}`, { Prefer: 'respond-async, wait=1' });
    expect([response.status, nextOf(response), response.headers.get('Stream-Up-To-Date')]).toEqual([
      204,
      end,
      'true',
    ]);
    expect(response.headers.get('Cache-Control')).toBe('no-store');
  });

  test('answers existing messages at once, and also the end of a closed channel', async () => {
    const channel = newChannel();
    await hub.publish(channel, 1);
    const there = await hold(channel, 'offset=-1');
    expect(await there.json()).toEqual([1]);
    await hub.request(`/channels/${channel}`, { method: 'POST', headers: { 'Stream-Closed': 'true' } });
    const closed = await hold(channel, `offset=${nextOf(there)}`);
    expect([closed.status, closed.headers.get('Stream-Closed')]).toEqual([204, 'true']);
  });

  test('never keeps a client at one cached answer: its cursor changes', async () => {
    const channel = newChannel();
    await hub.publish(channel, 1);
    const first = await hold(channel, 'offset=-1');
    const cursor = first.headers.get('Stream-Cursor') ?? '';
    const second = await hold(channel, `offset=-1&cursor=${cursor}`);
    expect(Number(second.headers.get('Stream-Cursor'))).toBeGreaterThan(Number(cursor));
  });
});

describe('Server-Sent Events', () => {
  test('live=sse: batches and control events, in the framing of Durable Streams', async () => {
    const channel = newChannel();
    await hub.publish(channel, 1, 2);
    const stream = await openStream(hub, `/channels/${channel}?offset=-1&live=sse`);
    expect(await stream.next()).toMatchObject({ event: 'data', data: '[1,2]' });
    const control = JSON.parse((await stream.next())?.data ?? '');
    expect(control).toMatchObject({ streamNextOffset: expect.stringMatching(/^\d{16}$/), upToDate: true });
    await hub.publish(channel, 3);
    expect(await stream.next()).toMatchObject({ event: 'data', data: '[3]' });
    await stream.close();
  });

  test('for browsers: open before anything is published, one event per message, resumed by its id', async () => {
    const channel = newChannel();
    const accept = { Accept: 'text/event-stream' };
    const stream = await openStream(hub, `/channels/${channel}`, accept);
    expect(stream.response.headers.get('Content-Type')).toBe('text/event-stream');
    await hub.publish(channel, { n: 1 }, { n: 2 });
    const first = await stream.next();
    expect(first).toMatchObject({ event: 'message', data: '{"n":1}' });
    await stream.close();
    const again = await openStream(hub, `/channels/${channel}?offset=now`, {
      ...accept,
      'Last-Event-ID': first?.id ?? '',
    });
    expect(await again.next()).toMatchObject({ data: '{"n":2}' });
    await again.close();
  });

  test('for polyfills of EventSource: resumed by a parameter of the query, unless the header says otherwise', async () => {
    const channel = newChannel();
    const accept = { Accept: 'text/event-stream' };
    const ids = [nextOf(await hub.publish(channel, 1)), nextOf(await hub.publish(channel, 2))];
    await hub.publish(channel, 3);
    const firstAt = async (query: string, headers = {}) => {
      const stream = await openStream(hub, `/channels/${channel}?${query}`, { ...accept, ...headers });
      const first = await stream.next();
      await stream.close();
      return first?.data;
    };
    expect(await firstAt(`lastEventId=${ids[0]}`)).toBe('2');
    expect(await firstAt(`offset=-1&lastEventId=${ids[0]}`)).toBe('2');
    expect(await firstAt(`offset=-1&lastEventId=${ids[0]}`, { 'Last-Event-ID': ids[1] })).toBe('3');
    expect(await firstAt('lastEventId=')).toBe('1');
    const twice = `/channels/${channel}?lastEventId=${ids[0]}&lastEventId=${ids[1]}`;
    expect(await refusalOf(await hub.request(twice, { headers: accept }))).toEqual([400, 'bad_request']);
    const wrong = await hub.request(`/channels/${channel}?lastEventId=x`, { headers: accept });
    expect(await refusalOf(wrong)).toEqual([400, 'bad_offset']);
  });

  test('tells proxies not to buffer it, and readers to come back at different moments', async () => {
    const channel = newChannel();
    const retryOf = async (path: string) => {
      const response = await hub.request(path, { headers: { Accept: 'text/event-stream' } });
      expect(response.headers.get('X-Accel-Buffering')).toBe('no');
      const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
      const [, ms] = /^retry: (\d+)$/m.exec((await reader?.read())?.value ?? '') ?? [];
      await reader?.cancel();
      return Number(ms);
    };
    const times: number[] = [];
    for (const path of [`/channels/${channel}`, `/events?channel=${channel}`])
      for (let stream = 0; stream < 4; stream++) times.push(await retryOf(path));
    expect(Math.min(...times)).toBeGreaterThanOrEqual(MIN_RECONNECT_MS);
    expect(Math.max(...times)).toBeLessThanOrEqual(MAX_RECONNECT_MS);
    expect(new Set(times).size).toBeGreaterThan(1);
    const forClients = await openStream(hub, `/channels/${channel}?offset=-1&live=sse`);
    expect(forClients.response.headers.get('X-Accel-Buffering')).toBe('no');
    await forClients.close();
  });

  test('a payload cannot end its event and begin another', async () => {
    const channel = newChannel();
    const payload = 'a\n\nid: 9\ndata: forged\r\n\r\nevent: forged\rdata: x';
    await hub.request(`/channels/${channel}`, {
      method: 'POST',
      headers: { 'Content-Type': 'text/plain' },
      body: payload,
    });
    await hub.request(`/channels/${channel}`, {
      method: 'POST',
      headers: { 'Content-Type': 'text/plain' },
      body: 'next',
    });
    const stream = await openStream(hub, `/channels/${channel}`, { Accept: 'text/event-stream' });
    expect(await stream.next()).toMatchObject({ event: 'message', data: payload.replace(/\r\n?/g, '\n') });
    expect(await stream.next()).toMatchObject({ event: 'message', data: 'next' });
    await stream.close();
  });

  test('bytes are sent as base64, and the header says so', async () => {
    const channel = newChannel();
    const bytes = Buffer.from([0, 10, 13, 255]);
    await hub.request(`/channels/${channel}`, {
      method: 'POST',
      headers: { 'Content-Type': 'image/png' },
      body: bytes,
    });
    const stream = await openStream(hub, `/channels/${channel}`, { Accept: 'text/event-stream' });
    expect(stream.response.headers.get('Stream-SSE-Data-Encoding')).toBe('base64');
    expect((await stream.next())?.data).toBe(bytes.toString('base64'));
    await stream.close();
  });

  test('a stream that began at now comes back to that moment', async () => {
    const channel = newChannel();
    await hub.publish(channel, 'old');
    const accept = { Accept: 'text/event-stream' };
    const response = await hub.request(`/channels/${channel}?offset=now`, { headers: accept });
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    const [, id = ''] = /^id: (\d{16})$/m.exec((await reader?.read())?.value ?? '') ?? [];
    await reader?.cancel();
    await hub.publish(channel, 'meanwhile');
    const again = await openStream(hub, `/channels/${channel}?offset=now`, {
      ...accept,
      'Last-Event-ID': id,
    });
    expect((await again.next())?.data).toBe('"meanwhile"');
    await again.close();
  });

  test('a closed channel ends its stream, and tells the browser not to come back', async () => {
    const channel = newChannel();
    await hub.publish(channel, 1);
    await hub.request(`/channels/${channel}`, { method: 'POST', headers: { 'Stream-Closed': 'true' } });
    const accept = { Accept: 'text/event-stream' };
    const stream = await openStream(hub, `/channels/${channel}`, accept);
    const last = await stream.next();
    expect(last?.data).toBe('1');
    expect(await stream.next()).toBeUndefined();
    const again = await hub.request(`/channels/${channel}`, {
      headers: { ...accept, 'Last-Event-ID': last?.id ?? '' },
    });
    expect(again.status).toBe(204);
  });
});

describe('refusals come before the request is held', () => {
  test.each([
    ['an unknown mode', '?offset=-1&live=forever', 400, 'bad_request'],
    ['two modes', '?offset=-1&live=sse&live=sse', 400, 'bad_request'],
    ['long polling without an offset', '?live=long-poll', 400, 'bad_offset'],
    ['a stream without an offset', '?live=sse', 400, 'bad_offset'],
    ['a malformed offset', '?offset=1&live=long-poll', 400, 'bad_offset'],
    ['a stream from a malformed offset', '?offset=1&live=sse', 400, 'bad_offset'],
    ['history that is gone', '?offset=0000000000010000&live=long-poll', 410, 'offset_gone'],
    ['a stream of history that is gone', '?offset=0000000000010000&live=sse', 410, 'offset_gone'],
  ])('%s', async (_name, query, status, code) => {
    const channel = newChannel();
    await hub.publish(channel, 1);
    expect(await refusalOf(await hub.request(`/channels/${channel}${query}`))).toEqual([status, code]);
  });

  test.each([
    ['long polling', '?offset=-1&live=long-poll', {}],
    ['live=sse', '?offset=-1&live=sse', {}],
    ['an EventSource', '', { Accept: 'text/event-stream' }],
  ])('%s needs a token, and one for this channel', async (_name, query, headers) => {
    const channel = newChannel();
    await hub.publish(channel, 1);
    const nobody = callerWith(undefined);
    expect((await nobody.request(`/channels/${channel}${query}`, { headers })).status).toBe(401);
    const other = callerWith({ 'elsewhere/*': ['subscribe'] });
    expect((await other.request(`/channels/${channel}${query}`, { headers })).status).toBe(403);
  });
});
