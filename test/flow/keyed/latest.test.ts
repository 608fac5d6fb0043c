/**
 * PROTOCOL.md §5.4 and §5.5 over the wire: the newest message of each key on every transport, page by page, and what is refused.
 * @module
 */
import { beforeAll, describe, expect, test } from 'vitest';
import { openStream } from '../../support/wire/event-stream.ts';
import { follow, subscribe } from '../../support/wire/follow.ts';
import { socketWith } from '../../support/wire/socket.ts';
import { type Caller, callerWith, EVERYTHING, newChannel, refusalOf } from '../../support/wire/wire.ts';

let hub: Caller;
beforeAll(async () => {
  hub = await callerWith(EVERYTHING);
});

const quote = (symbol: string, price: number) => ({ symbol, price });
const removal = (symbol: string) => ({ symbol, headers: { operation: 'delete' } });

/** A channel whose newest messages are C 3 and A 4. */
async function prices(): Promise<string> {
  const channel = newChannel('keyed');
  const headers = { 'Content-Type': 'application/json', 'Stream-Key': '/symbol' };
  expect((await hub.request(`/channels/${channel}`, { method: 'PUT', headers })).status).toBe(201);
  await hub.publish(channel, quote('A', 1), quote('B', 2), quote('C', 3));
  await hub.publish(channel, quote('A', 4), removal('B'));
  return channel;
}

const NOW = [quote('C', 3), quote('A', 4)];
const offsetIn = (response: Response): string => response.headers.get('Stream-Next-Offset') ?? '';

describe('a reader that begins at latest has the newest message of each key, then what follows', () => {
  test('by short polls and long polls', async () => {
    const channel = await prices();
    for (const live of ['', '&live=long-poll']) {
      const first = await hub.request(`/channels/${channel}?offset=latest${live}`);
      expect(await first.json()).toEqual(NOW);
      expect(first.headers.get('Stream-Up-To-Date')).toBe('true');
      expect(first.headers.get('Stream-Start-Offset')).toMatch(/^0{16}_\d{16}$/);
      await hub.publish(channel, quote('D', 5), removal('D'));
      const next = await hub.request(`/channels/${channel}?offset=${offsetIn(first)}${live}`);
      expect(await next.json()).toEqual([quote('D', 5), removal('D')]);
    }
  });

  test('by a stream in both framings, which goes on after it was cut between two of them', async () => {
    const channel = await prices();
    const stream = await openStream(hub, `/channels/${channel}?live=sse&offset=latest`);
    expect(JSON.parse((await stream.next())?.data ?? '')).toEqual(NOW);
    await stream.close();
    const headers = { Accept: 'text/event-stream' };
    const path = `/channels/${channel}?offset=latest`;
    const browser = await openStream(hub, path, headers);
    const first = await browser.next();
    expect([JSON.parse(first?.data ?? ''), first?.id]).toEqual([
      NOW[0],
      expect.stringMatching(/^\d{16}_\d{16}$/),
    ]);
    await browser.close();
    const again = await openStream(hub, path, { ...headers, 'Last-Event-ID': first?.id ?? '' });
    const second = await again.next();
    expect([JSON.parse(second?.data ?? ''), second?.id]).toEqual([NOW[1], expect.stringMatching(/^\d{16}$/)]);
    await hub.publish(channel, quote('E', 6));
    expect(JSON.parse((await again.next())?.data ?? '')).toEqual(quote('E', 6));
    await again.close();
  });

  test('by a stream of several channels', async () => {
    const [one, other] = [await prices(), await prices()];
    const path = `/events?channel=${one}&channel=${other}&offset=latest`;
    const stream = await openStream(hub, path);
    const seen = [await stream.next(), await stream.next(), await stream.next()];
    await stream.close();
    const again = await openStream(hub, path, { 'Last-Event-ID': seen.at(-1)?.id ?? '' });
    seen.push(await again.next());
    await again.close();
    const messages = seen.map((event) => JSON.parse(event?.data ?? ''));
    for (const channel of [one, other])
      expect(messages.flatMap((each) => (each.channel === channel ? [each.message] : []))).toEqual(NOW);
  });

  test('by a socket', async () => {
    const channel = await prices();
    const socket = await socketWith(EVERYTHING);
    const from = await subscribe(socket, channel, 'latest');
    const { messages, next } = await follow(socket, { channel, from }, 2);
    expect(messages).toEqual(NOW);
    await hub.publish(channel, quote('F', 7));
    const live = await follow(socket, { channel, from: next }, 1);
    expect([live.messages, live.next]).toEqual([[quote('F', 7)], expect.stringMatching(/^\d{16}$/)]);
  });

  test('by a socket before there is a message, and in a channel of which every key was removed', async () => {
    const channel = newChannel('keyed');
    const headers = { 'Content-Type': 'application/json', 'Stream-Key': '/symbol' };
    await hub.request(`/channels/${channel}`, { method: 'PUT', headers });
    const socket = await socketWith(EVERYTHING);
    const from = await subscribe(socket, channel, 'latest');
    await hub.publish(channel, quote('A', 1), removal('A'));
    const first = await follow(socket, { channel, from }, 2);
    expect(first.messages).toEqual([quote('A', 1), removal('A')]);
    const other = await socketWith(EVERYTHING);
    const empty = await subscribe(other, channel, 'latest');
    await hub.publish(channel, quote('B', 2));
    expect((await follow(other, { channel, from: empty }, 1)).messages).toEqual([quote('B', 2)]);
  });

  test('page by page, on one transport after the other', async () => {
    const channel = await prices();
    await hub.publish(channel, quote('G', 8), quote('H', 9));
    const page = await hub.request(`/channels/${channel}?offset=latest&limit=1`);
    expect([await page.json(), page.headers.get('Stream-Up-To-Date')]).toEqual([[NOW[0]], null]);
    const held = await hub.request(`/channels/${channel}?offset=${offsetIn(page)}&limit=1&live=long-poll`);
    expect(await held.json()).toEqual([NOW[1]]);
    // What changes after the read began comes from the log, in its new place.
    await hub.publish(channel, quote('G', 10));
    const stream = await openStream(hub, `/channels/${channel}?live=sse&offset=${offsetIn(held)}`);
    const seen: unknown[] = [];
    while (seen.length < 3) {
      const event = await stream.next();
      if (event?.event === 'data') seen.push(...JSON.parse(event.data));
    }
    await stream.close();
    expect(seen).toEqual([quote('G', 8), quote('H', 9), quote('G', 10)]);
    const socket = await socketWith(EVERYTHING);
    await subscribe(socket, channel, offsetIn(held));
    const course = { channel, from: offsetIn(held) };
    expect((await follow(socket, course, 3)).messages).toEqual(seen);
  });

  test('of a channel that does not exist is nothing, and its first message follows', async () => {
    const channel = newChannel('keyed');
    const first = await hub.request(`/channels/${channel}?offset=latest`);
    expect(await first.json()).toEqual([]);
    await hub.publish(channel, quote('A', 1));
    const next = await hub.request(`/channels/${channel}?offset=${offsetIn(first)}`);
    expect(await next.json()).toEqual([quote('A', 1)]);
  });
});

describe('conflate', () => {
  test('leaves out what was replaced, over HTTP and by a stream', async () => {
    const channel = await prices();
    const expected = [quote('C', 3), quote('A', 4), removal('B')];
    for (const live of ['', '&live=long-poll']) {
      const response = await hub.request(`/channels/${channel}?offset=-1&conflate=true${live}`);
      expect(await response.json()).toEqual(expected);
    }
    const stream = await openStream(hub, `/channels/${channel}?live=sse&offset=-1&conflate=true`);
    expect(JSON.parse((await stream.next())?.data ?? '')).toEqual(expected);
    await stream.close();
    const events = await openStream(hub, `/events?channel=${channel}&offset=-1&conflate=true`);
    for (const message of expected)
      expect(JSON.parse((await events.next())?.data ?? '')).toEqual({ channel, message });
    await events.close();
  });

  test('a socket that begins in the history gets it without what was replaced, and is told so', async () => {
    const channel = await prices();
    const socket = await socketWith(EVERYTHING);
    const { offset: from } = await socket.ask({ action: 'subscribe', channel, offset: '-1', conflate: true });
    const { messages, frames, next } = await follow(socket, { channel, from }, 3);
    expect([messages, frames[0]?.conflated]).toEqual([[quote('C', 3), quote('A', 4), removal('B')], true]);
    await hub.publish(channel, quote('A', 5));
    const live = await follow(socket, { channel, from: next }, 1);
    expect([live.messages, live.frames[0]?.conflated]).toEqual([[quote('A', 5)], undefined]);
  });
});

describe('refused', () => {
  const PLAIN = ['offset=latest', 'conflate=true&offset=-1'];

  test.each(PLAIN)('on a channel without a key: %s', async (query) => {
    const channel = newChannel('plain');
    await hub.publish(channel, 1);
    const code = query === 'offset=latest' ? 'bad_offset' : 'bad_request';
    const paths = [
      `/channels/${channel}?${query}`,
      `/channels/${channel}?${query}&live=long-poll`,
      `/channels/${channel}?${query}&live=sse`,
      `/events?channel=${channel}&${query}`,
    ];
    for (const path of paths) expect(await refusalOf(await hub.request(path))).toEqual([400, code]);
    const headers = { Accept: 'text/event-stream' };
    expect(await refusalOf(await hub.request(`/channels/${channel}?${query}`, { headers }))).toEqual([
      400,
      code,
    ]);
    const socket = await socketWith(EVERYTHING);
    const member = query === 'offset=latest' ? { offset: 'latest' } : { offset: '-1', conflate: true };
    expect(await socket.ask({ action: 'subscribe', channel, ...member })).toMatchObject({
      type: 'error',
      code,
    });
  });

  test.each([
    ['conflate=false', 'bad_request'],
    ['conflate=1', 'bad_request'],
    ['conflate=true&conflate=true', 'bad_request'],
    ['before=now&conflate=true', 'bad_request'],
    ['offset=latest&last=1', 'bad_request'],
    ['offset=Latest', 'bad_offset'],
    ['offset=0000000000000000_', 'bad_offset'],
    ['offset=0000000000000001_0000000000000001', 'bad_offset'],
    ['before=0000000000000000_0000000000010000', 'bad_offset'],
  ])('%s', async (query, code) => {
    const channel = await prices();
    expect(await refusalOf(await hub.request(`/channels/${channel}?${query}`))).toEqual([400, code]);
  });

  test('a page of another life of the channel', async () => {
    const channel = await prices();
    const page = await hub.request(`/channels/${channel}?offset=latest&limit=1`);
    await page.json();
    await hub.request(`/channels/${channel}`, { method: 'DELETE' });
    const headers = { 'Content-Type': 'application/json', 'Stream-Key': '/symbol' };
    await hub.request(`/channels/${channel}`, { method: 'PUT', headers });
    expect(await refusalOf(await hub.read(channel, offsetIn(page)))).toEqual([410, 'offset_gone']);
    const socket = await socketWith(EVERYTHING);
    const frame = { action: 'subscribe', channel, offset: offsetIn(page) };
    expect(await socket.ask(frame)).toMatchObject({ type: 'error', code: 'offset_gone' });
    socket.sayAnything(JSON.stringify({ ...frame, offset: 'latest', conflate: 1, id: 'odd' }));
    const odd = await socket.next(({ id }) => id === 'odd');
    expect(odd).toMatchObject({ code: 'bad_request' });
    expect(await socket.ask({ ...frame, channel: 'keyed/*', offset: 'latest' })).toMatchObject({
      code: 'bad_offset',
    });
    expect(await socket.ask({ ...frame, channel: 'keyed/*', offset: 'now', conflate: true })).toMatchObject({
      code: 'bad_request',
    });
  });
});
