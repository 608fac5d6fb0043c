/**
 * PROTOCOL.md §4 and §5 over the wire: what is published is read back by polling.
 * @module
 */
import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { type Caller, callerWith, EVERYTHING, newChannel, throughBusy } from '../../support/wire/wire.ts';

const hub = callerWith(EVERYTHING);

const nextOf = (response: Response): string => response.headers.get('Stream-Next-Offset') ?? 'none';

describe('JSON', () => {
  test('a subscriber may come before the publisher, and polls again from its last offset', async () => {
    const channel = newChannel();
    const early = await hub.readAll(channel);
    expect(early.messages).toEqual([]);
    expect((await hub.publish(channel, { n: 1 }, { n: 2 })).status).toBe(204);
    const first = await hub.readAll(channel, early.next);
    expect(first.messages).toEqual([{ n: 1 }, { n: 2 }]);
    expect((await hub.readAll(channel, first.next)).messages).toEqual([]);
    await hub.publish(channel, { n: 3 });
    expect((await hub.readAll(channel, first.next)).messages).toEqual([{ n: 3 }]);
  });

  test('JSON text is kept exactly as it was published', async () => {
    const channel = newChannel();
    const exact = '{"big":12345678901234567890, "price":1.10,"text":"\\u00e9é☃\\n"}';
    const headers = { 'Content-Type': 'application/json; charset=utf-8' };
    await hub.request(`/channels/${channel}`, { method: 'POST', headers, body: exact });
    expect(await (await hub.read(channel)).text()).toBe(`[${exact}]`);
  });

  test('a batch of 1,000 is one publish and 1,000 messages', async () => {
    const channel = newChannel();
    const batch = Array.from({ length: 1_000 }, (_, n) => ({ n }));
    expect((await hub.publish(channel, ...batch)).status).toBe(204);
    expect((await hub.readAll(channel)).messages).toEqual(batch);
  });

  test('a long history is read page by page', async () => {
    const channel = newChannel();
    const large = 'x'.repeat(60_000);
    for (let n = 0; n < 12; n++) await hub.publish(channel, [n, large], [n, large]);
    const page = await hub.read(channel);
    expect(page.headers.has('Stream-Up-To-Date')).toBe(false);
    expect(page.headers.get('Cache-Control')).toBe('private, no-cache');
    expect((await hub.readAll(channel)).messages).toHaveLength(24);
  });
});

describe('bytes', () => {
  const FORWARD = Array.from({ length: 256 }, (_, value) => value);

  test.each(['application/octet-stream', 'image/png', 'application/x-protobuf; v=1'])(
    '%s: every byte',
    async (type) => {
      const channel = newChannel();
      const sent = [Buffer.from(FORWARD), Buffer.from(FORWARD.toReversed())];
      for (const body of sent) {
        const init = { method: 'POST', headers: { 'Content-Type': type }, body };
        expect((await hub.request(`/channels/${channel}`, init)).status).toBe(204);
      }
      const response = await hub.read(channel);
      expect(response.headers.get('Content-Type')).toBe(type);
      expect(Buffer.from(await response.arrayBuffer())).toEqual(Buffer.concat(sent));
    },
  );

  test('text: every character, as UTF-8', async () => {
    const channel = newChannel();
    const text = 'a\u0000\r\n é☃\u{1f600}';
    const headers = { 'Content-Type': 'text/plain; charset=utf-8' };
    await hub.request(`/channels/${channel}`, { method: 'POST', headers, body: text });
    expect(await (await hub.read(channel)).text()).toBe(text);
  });
});

describe('offsets', () => {
  test('are 16 digits, rise, and split a batch where a reader wants', async () => {
    const channel = newChannel();
    const offsets = [];
    for (const n of [1, 2, 3]) offsets.push(nextOf(await hub.publish(channel, n, n)));
    expect(offsets.every((offset) => /^\d{16}$/.test(offset))).toBe(true);
    expect([...offsets].sort()).toEqual(offsets);
    expect((await hub.readAll(channel, offsets[0])).messages).toEqual([2, 2, 3, 3]);
  });

  test('now is the end: no message, and no-store', async () => {
    const channel = newChannel();
    const end = nextOf(await hub.publish(channel, 1));
    const now = await hub.read(channel, 'now');
    expect([await now.json(), nextOf(now), now.headers.get('Stream-Up-To-Date')]).toEqual([[], end, 'true']);
    expect([now.headers.get('Cache-Control'), now.headers.get('ETag')]).toEqual(['no-store', null]);
  });

  test('both paths lead to one channel', async () => {
    const channel = newChannel();
    await hub.publish(channel, 'one');
    const headers = { 'Content-Type': 'application/json' };
    await hub.request(`/v1/stream/${channel}`, { method: 'POST', headers, body: '"two"' });
    expect(await (await hub.request(`/v1/stream/${channel}`)).json()).toEqual(['one', 'two']);
  });
});

describe('polling is cheap', () => {
  test('a client that has seen the answer gets 304, until there is more', async () => {
    const channel = newChannel();
    await hub.publish(channel, 1);
    const first = await hub.read(channel);
    const etag = first.headers.get('ETag') ?? '';
    expect(first.headers.get('Cache-Control')).toBe('private, no-cache');
    const again = (tag: string) =>
      hub.request(`/channels/${channel}?offset=-1`, { headers: { 'If-None-Match': tag } });
    const same = await again(etag);
    expect([same.status, await same.text(), nextOf(same)]).toEqual([304, '', nextOf(first)]);
    expect((await again(`"other", W/${etag}`)).status).toBe(304);
    await hub.publish(channel, 2);
    expect((await again(etag)).status).toBe(200);
  });

  test('shared caches may keep an answer that everyone may read', async () => {
    const channel = newChannel('public');
    await hub.publish(channel, 1);
    const anonymous = callerWith(undefined);
    const response = await anonymous.read(channel);
    const cacheControl = response.headers.get('Cache-Control');
    expect([response.status, cacheControl]).toEqual([200, 'public, no-cache, stale-if-error=0']);
  });
});

/** The pause between two polls, in milliseconds. */
const POLL_MS = 50;

/** Has a key, so that it may be sent again if the store is too busy to answer. */
const publishOnce = (client: Caller, channel: string, message: string): Promise<Response> =>
  throughBusy(() =>
    client.request(`/channels/${channel}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'Idempotency-Key': message },
      body: JSON.stringify([message]),
    }),
  );

test('200 appends of 10 clients at once: each gets its own offset, and no reader sees a hole or another order meanwhile', async () => {
  const channel = newChannel();
  const clients = Array.from({ length: 10 }, () => callerWith(EVERYTHING));
  let writing = true;
  const follow = async (): Promise<unknown[]> => {
    const seen: unknown[] = [];
    let from = '-1';
    for (let last = false; ; last = !writing) {
      const { messages, next } = await hub.readAll(channel, from);
      seen.push(...messages);
      from = next;
      if (last) return seen;
      await wait(POLL_MS);
    }
  };
  const followers = [follow(), follow(), follow()];
  const offsets = await Promise.all(
    clients.map(async (client, c) => {
      const own = [];
      for (let n = 0; n < 20; n++) {
        const response = await publishOnce(client, channel, `${c}:${n}`);
        expect(response.status, await response.clone().text()).toBe(204);
        own.push(nextOf(response));
      }
      return own;
    }),
  );
  writing = false;
  expect(new Set(offsets.flat()).size).toBe(200);
  // Offsets are contiguous only if the store answers in time: a publish whose claim is answered too late is repeated, and its slot sealed.
  const { messages: log } = await hub.readAll(channel);
  expect(log).toHaveLength(200);
  for (const seen of await Promise.all(followers)) expect(seen).toEqual(log);
  for (const own of offsets) expect([...own].sort()).toEqual(own);
});
