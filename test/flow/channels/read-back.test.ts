/**
 * PROTOCOL.md §5.3 over the wire: the last messages, messages since a time, and the history backwards, on every transport.
 * @module
 */
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { connect, type Hub } from '../../../client/index.ts';
import { openStream } from '../../support/wire/event-stream.ts';
import { follow } from '../../support/wire/follow.ts';
import { socketWith } from '../../support/wire/socket.ts';
import { callerWith, EVERYTHING, newChannel, refusalOf, token } from '../../support/wire/wire.ts';

const hub = callerWith(EVERYTHING);
/** A channel with the messages 0 to 9, in entries of 1, 2, 3 and 4. */
const channel = newChannel();
const offsets: string[] = [];
beforeAll(async () => {
  for (const batch of [[0], [1, 2], [3, 4, 5], [6, 7, 8, 9]]) {
    const answer = await hub.publish(channel, ...batch);
    offsets.push(answer.headers.get('Stream-Next-Offset') ?? '');
  }
});

const header = (response: Response, name: string): string | null => response.headers.get(name);
const get = (query: string): Promise<Response> => hub.request(`/channels/${channel}?${query}`);

describe('the last messages', () => {
  test('by short polling, cut within an entry, and the reader continues from there', async () => {
    const response = await get('last=5');
    expect(await response.json()).toEqual([5, 6, 7, 8, 9]);
    expect(header(response, 'Stream-Up-To-Date')).toBe('true');
    const start = header(response, 'Stream-Start-Offset') ?? '';
    expect(await (await hub.read(channel, start)).json()).toEqual([5, 6, 7, 8, 9]);
    expect(header(response, 'Stream-Next-Offset')).toBe(offsets[3]);
  });

  test('by long polling: at once if there is a message, else the next one', async () => {
    expect(await (await get('last=1&live=long-poll')).json()).toEqual([9]);
    const empty = newChannel();
    const held = hub.request(`/channels/${empty}?last=3&live=long-poll`);
    await hub.publish(empty, 'first');
    expect(await (await held).json()).toEqual(['first']);
  });

  test('by both framings of a stream', async () => {
    const sse = await openStream(hub, `/channels/${channel}?last=2&live=sse`);
    expect((await sse.next())?.data).toBe('[8,9]');
    const start = header(sse.response, 'Stream-Start-Offset');
    await sse.close();
    const browser = await openStream(hub, `/channels/${channel}?last=2`, { Accept: 'text/event-stream' });
    expect([header(browser.response, 'Stream-Start-Offset'), (await browser.next())?.data]).toEqual([
      start,
      '8',
    ]);
    const second = await browser.next();
    expect(second?.data).toBe('9');
    await browser.close();
    const again = { Accept: 'text/event-stream', 'Last-Event-ID': second?.id ?? '' };
    const back = await openStream(hub, `/channels/${channel}?last=2`, again);
    await hub.publish(channel, 10);
    expect((await back.next())?.data).toBe('10');
    await back.close();
  });

  test('of each channel of /events', async () => {
    const [a, b] = [newChannel(), newChannel()];
    await hub.publish(a, 'a1', 'a2');
    await hub.publish(b, 'b1');
    const stream = await openStream(hub, `/events?channel=${a}&channel=${b}&last=1`);
    const seen = [await stream.next(), await stream.next()].map(
      (event) => JSON.parse(event?.data ?? '').message,
    );
    expect(seen.toSorted()).toEqual(['a2', 'b1']);
    await stream.close();
  });

  test('on a socket', async () => {
    const own = newChannel();
    await hub.publish(own, 0, 1, 2);
    const socket = await socketWith(EVERYTHING);
    const { offset } = await socket.ask({ action: 'subscribe', channel: own, last: 2 });
    expect((await follow(socket, { channel: own, from: offset }, 2)).messages).toEqual([1, 2]);
  });
});

describe('since a time', () => {
  test('a read begins with the first message of that time, and after the last one it is at the end', async () => {
    const own = newChannel();
    await hub.publish(own, 'early');
    const { timestamp } = await timeBetween(own);
    await hub.publish(own, 'late');
    const since = await hub.request(`/channels/${own}?since=${encodeURIComponent(timestamp)}`);
    expect(await since.json()).toEqual(['late']);
    const future = await hub.request(`/channels/${own}?since=2100-01-01T00:00:00Z`);
    expect([await future.json(), header(future, 'Stream-Up-To-Date')]).toEqual([[], 'true']);
    const past = await hub.request(`/channels/${own}?since=2020-01-01T00:00:00%2B01:00`);
    expect(await past.json()).toEqual(['early', 'late']);
    const socket = await socketWith(EVERYTHING);
    const { offset } = await socket.ask({ action: 'subscribe', channel: own, since: timestamp });
    expect((await follow(socket, { channel: own, from: offset }, 1)).messages).toEqual(['late']);
  });

  /** Returns a time after everything that was published, by the clock of the hub. */
  async function timeBetween(own: string): Promise<{ timestamp: string }> {
    const published = Date.now();
    await expect.poll(() => Date.now()).toBeGreaterThan(published + 10);
    await hub.read(own);
    return { timestamp: new Date(published + 5).toISOString() };
  }
});

describe('backwards', () => {
  test('page by page to the start of the history', async () => {
    const own = newChannel();
    for (const batch of [[0], [1, 2], [3, 4, 5], [6, 7, 8, 9]]) await hub.publish(own, ...batch);
    const pages: unknown[] = [];
    for (let before = 'now'; ; ) {
      const response = await hub.request(`/channels/${own}?before=${before}&limit=4`);
      pages.push(await response.json());
      if (before !== 'now') expect(header(response, 'Stream-Next-Offset')).toBe(before);
      expect(header(response, 'Cache-Control')).toBe(before === 'now' ? 'no-store' : 'private, no-cache');
      if (header(response, 'Stream-Start-Of-History') === 'true') break;
      before = header(response, 'Stream-Start-Offset') ?? '';
    }
    expect(pages).toEqual([
      [6, 7, 8, 9],
      [2, 3, 4, 5],
      [0, 1],
    ]);
  });

  test('a page has an ETag, and does not change', async () => {
    const first = await get(`before=${offsets[3]}&limit=3`);
    const etag = header(first, 'ETag') ?? '';
    expect(await first.json()).toEqual([7, 8, 9]);
    const again = await hub.request(`/channels/${channel}?before=${offsets[3]}&limit=3`, {
      headers: { 'If-None-Match': etag },
    });
    expect(again.status).toBe(304);
  });

  test('bytes are joined as in every answer', async () => {
    const own = newChannel();
    const headers = { 'Content-Type': 'text/plain' };
    for (const body of ['one ', 'two ', 'three'])
      await hub.request(`/channels/${own}`, { method: 'POST', headers, body });
    const response = await hub.request(`/channels/${own}?before=now&limit=2`);
    expect([await response.text(), header(response, 'Content-Type')]).toEqual(['two three', 'text/plain']);
  });
});

test('a limit cuts an answer', async () => {
  const response = await get('offset=-1&limit=4');
  expect([await response.json(), header(response, 'Stream-Up-To-Date')]).toEqual([[0, 1, 2, 3], null]);
  const next = header(response, 'Stream-Next-Offset');
  const rest = await get(`offset=${next}&limit=2&live=long-poll`);
  expect(await rest.json()).toEqual([4, 5]);
});

test('an answer at the end says when to ask again, and no other does', async () => {
  const advice = async (query: string): Promise<string | null> =>
    header(await get(query), 'Stream-Poll-After');
  for (const query of ['offset=-1', 'last=1', 'offset=now'])
    expect(await advice(query)).toMatch(/^[1-9]\d?$/);
  expect(await advice('offset=-1&limit=1')).toBeNull();
  expect(await advice('before=now')).toBeNull();
  const own = newChannel();
  const headers = { 'Stream-Closed': 'true', 'Content-Type': 'application/json' };
  await hub.request(`/channels/${own}`, { method: 'POST', headers, body: '[1]' });
  const closed = await hub.read(own);
  expect([header(closed, 'Stream-Closed'), header(closed, 'Stream-Poll-After')]).toEqual(['true', null]);
  const empty = await hub.read(newChannel());
  expect(header(empty, 'Stream-Poll-After')).toBe('5');
});

describe('bad input is refused, and names the parameter', () => {
  test.each([
    ['last=5&offset=-1', 'bad_request', 'last'],
    ['last=5&since=2026-01-01T00:00:00Z', 'bad_request', 'since'],
    ['last=0', 'bad_request', 'last'],
    ['last=1001', 'bad_request', 'last'],
    ['last=-1', 'bad_request', 'last'],
    ['last=1e3', 'bad_request', 'last'],
    ['last=5&last=5', 'bad_request', 'last'],
    ['limit=0', 'bad_request', 'limit'],
    ['limit=x', 'bad_request', 'limit'],
    ['since=yesterday', 'bad_request', 'since'],
    ['since=2026-02-30T00:00:00Z', 'bad_request', 'since'],
    ['since=', 'bad_request', 'since'],
    ['before=-1', 'bad_offset', 'before'],
    ['before=5', 'bad_offset', 'offset'],
    ['before=now&offset=now', 'bad_request', 'before'],
    ['before=now&last=3', 'bad_request', 'before'],
    ['before=now&limit=1001', 'bad_request', 'limit'],
    ['before=now&live=long-poll', 'bad_request', 'before'],
    ['before=now&live=sse', 'bad_request', 'before'],
    ['last=5&limit=5&live=sse', 'bad_request', 'limit'],
  ])('%s: %s', async (query, code, named) => {
    const response = await get(query);
    const body = await response.clone().text();
    expect([...(await refusalOf(response)), body.includes(named)]).toEqual([400, code, true]);
  });

  test('before an offset of another life of the channel is gone', async () => {
    expect(await refusalOf(await get('before=9999999999990000'))).toEqual([410, 'offset_gone']);
  });

  test('on /events', async () => {
    const events = await hub.request(`/events?channel=${channel}&last=5&offset=-1`);
    expect(await refusalOf(events)).toEqual([400, 'bad_request']);
    expect(await refusalOf(await hub.request(`/events?channel=${channel}&last=0`))).toEqual([
      400,
      'bad_request',
    ]);
  });
});

describe('the client', () => {
  let client: Hub;
  beforeAll(async () => {
    const { url, socketUrl } = inject('hub');
    client = connect({ url, socketUrl, token: await token(EVERYTHING) });
  });
  afterAll(() => client.close());

  test('shows the last messages, and what comes, and scrolls back', async () => {
    const own = newChannel();
    await hub.publish(own, ...Array.from({ length: 10 }, (_, n) => n));
    const live = client.messages(own, { last: 3 });
    const { value: first } = await live.next();
    expect(first?.messages).toEqual([7, 8, 9]);
    await client.publish(own, [10]);
    expect((await live.next()).value?.messages).toEqual([10]);
    const pages: (readonly unknown[])[] = [];
    for await (const { messages } of client.history(own, { before: first?.from, limit: 4 }))
      pages.push(messages);
    expect(pages).toEqual([
      [3, 4, 5, 6],
      [0, 1, 2],
    ]);
  });
});
