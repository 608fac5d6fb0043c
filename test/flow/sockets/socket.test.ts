/**
 * PROTOCOL.md §12 over the wire: the frames that a subscriber gets, of channels of all kinds.
 * @module
 */
import { describe, expect, test } from 'vitest';
import { contentOf, follow, isOf, subscribe } from '../../support/wire/follow.ts';
import { type Heard, socketWith } from '../../support/wire/socket.ts';
import { callerWith, EVERYTHING, newChannel } from '../../support/wire/wire.ts';

const hub = callerWith(EVERYTHING);

const nextOf = (response: Response): string => response.headers.get('Stream-Next-Offset') ?? 'none';
const range = (count: number, first = 0): number[] => Array.from({ length: count }, (_, n) => first + n);
const framesIn = (frames: readonly Heard[]) => frames.filter(({ type }) => type === 'messages');

describe('a channel', () => {
  test('from -1: several hundred messages of history, then new messages, without a gap or a duplicate', async () => {
    const channel = newChannel();
    for (let n = 0; n < 600; n += 100) await hub.publish(channel, ...range(100, n));
    const socket = await socketWith(EVERYTHING);
    const from = await subscribe(socket, channel, '-1');
    const publishing = (async () => {
      for (let n = 600; n < 660; n++) await hub.publish(channel, n);
    })();
    const { messages, next } = await follow(socket, { channel, from }, 660);
    await publishing;
    expect(messages).toEqual(range(660));
    expect(await hub.readAll(channel, next)).toEqual({ messages: [], next });
    expect(framesIn(socket.unread())).toEqual([]);
  });

  test.each([
    ['now', 'now'],
    ['no offset', undefined],
  ])('%s: no old messages, all new messages', async (_name, offset) => {
    const channel = newChannel();
    const end = nextOf(await hub.publish(channel, 'old'));
    const socket = await socketWith(EVERYTHING);
    const from = await subscribe(socket, channel, offset);
    expect(from).toBe(end);
    await hub.publish(channel, 'new', 'newer');
    expect((await follow(socket, { channel, from }, 2)).messages).toEqual(['new', 'newer']);
  });

  test('from an offset in the middle of an entry, and from there over HTTP', async () => {
    const channel = newChannel();
    const large = range(12).map((n) => [n, 'x'.repeat(10_000)]);
    await hub.publish(channel, ...large);
    const first = await socketWith(EVERYTHING);
    const all = await follow(first, { channel, from: await subscribe(first, channel, '-1') }, 12);
    expect(all.frames.length).toBeGreaterThan(2);
    const [head] = all.frames;
    const middle = head?.next ?? '';
    const taken = head ? contentOf(head).length : 0;
    const second = await socketWith(EVERYTHING);
    expect(await subscribe(second, channel, middle)).toBe(middle);
    const rest = await follow(second, { channel, from: middle }, 12 - taken);
    expect(rest.messages).toEqual(large.slice(taken));
    expect(await hub.readAll(channel, middle)).toEqual({ messages: large.slice(taken), next: rest.next });
  });

  test('that does not exist yet, and becomes a text channel', async () => {
    const channel = newChannel();
    const socket = await socketWith(EVERYTHING);
    const from = await subscribe(socket, channel, '-1');
    const init = { method: 'POST', headers: { 'Content-Type': 'text/plain' } };
    for (const body of ['one\n"é☃', 'two'])
      await hub.request(`/channels/${channel}`, { ...init, body: Buffer.from(body) });
    const { messages, frames } = await follow(socket, { channel, from }, 2);
    expect(messages).toEqual(['one\n"é☃', 'two']);
    expect(frames.every(({ text }) => text)).toBe(true);
  });

  test('of bytes: every byte, in base64', async () => {
    const channel = newChannel();
    const bytes = [Buffer.from(range(256)), Buffer.from([0, 255])];
    const init = { method: 'POST', headers: { 'Content-Type': 'image/png' } };
    for (const body of bytes) await hub.request(`/channels/${channel}`, { ...init, body });
    const socket = await socketWith(EVERYTHING);
    const from = await subscribe(socket, channel, '-1');
    const { messages, frames } = await follow(socket, { channel, from }, 2);
    expect(messages).toEqual(bytes.map((each) => each.toString('base64')));
    expect(frames.every(({ base64 }) => base64)).toBe(true);
  });

  test('many on one socket, each in its own order', async () => {
    const channels = range(20).map(() => newChannel());
    const socket = await socketWith(EVERYTHING);
    const froms = await Promise.all(channels.map((channel) => subscribe(socket, channel)));
    for (const n of range(5))
      await Promise.all(channels.map((channel) => hub.publish(channel, [channel, n])));
    for (const [at, channel] of channels.entries()) {
      const { messages } = await follow(socket, { channel, from: froms[at] }, 5);
      expect(messages).toEqual(range(5).map((n) => [channel, n]));
    }
  });

  test('deleted and created again: new frames do not claim to follow the old ones', async () => {
    const channel = newChannel();
    const socket = await socketWith(EVERYTHING);
    const from = await subscribe(socket, channel);
    await hub.publish(channel, 'of the first life');
    const { next } = await follow(socket, { channel, from }, 1);
    await hub.request(`/channels/${channel}`, { method: 'DELETE' });
    await hub.publish(channel, 'of the second life');
    const frame = await socket.next(isOf({ channel }));
    expect(frame.messages).toEqual(['of the second life']);
    expect(frame.from).not.toBe(next);
    expect((frame.next ?? '') > next).toBe(true);
  });
});

describe('a pattern', () => {
  test('brings every channel below it and no other, each in its own order, and names the pattern', async () => {
    const prefix = newChannel();
    const pattern = `${prefix}/*`;
    const socket = await socketWith(EVERYTHING);
    expect(await subscribe(socket, pattern, 'now')).toBe('');
    const [a, b] = [`${prefix}/a`, `${prefix}/b/c`];
    await hub.publish(prefix, 'above it');
    await hub.publish(`${prefix}x/a`, 'beside it');
    for (const n of range(3)) await Promise.all([hub.publish(a, n), hub.publish(b, n)]);
    expect((await follow(socket, { channel: a, pattern }, 3)).messages).toEqual(range(3));
    expect((await follow(socket, { channel: b, pattern }, 3)).messages).toEqual(range(3));
    expect(framesIn(socket.unread())).toEqual([]);
  });

  test('* brings everything, and a channel that is also subscribed by name comes by both', async () => {
    const channel = newChannel();
    const socket = await socketWith(EVERYTHING);
    await subscribe(socket, '*');
    const from = await subscribe(socket, channel);
    await hub.publish(channel, 1, 2);
    expect((await follow(socket, { channel, from }, 2)).messages).toEqual([1, 2]);
    expect((await follow(socket, { channel, pattern: '*' }, 2)).messages).toEqual([1, 2]);
  });
});

describe('a message too large for a socket', () => {
  test('is announced as omitted, and read over HTTP from there', async () => {
    const channel = newChannel();
    const largest = 'x'.repeat(128 * 1024 - 2);
    const socket = await socketWith(EVERYTHING);
    const from = await subscribe(socket, channel);
    await hub.publish(channel, 'before');
    await hub.publish(channel, largest);
    await hub.publish(channel, 'after');
    const before = await follow(socket, { channel, from }, 1);
    const { messages: after, frames, next } = await follow(socket, { channel, from: before.next }, 1);
    expect([before.messages, after]).toEqual([['before'], ['after']]);
    const [omitted] = frames;
    expect(omitted).toMatchObject({ omitted: true, from: before.next });
    expect(await hub.readAll(channel, omitted?.from)).toEqual({ messages: [largest, 'after'], next });
  });

  test('that just fits comes alone', async () => {
    const channel = newChannel();
    const large = 'x'.repeat(100 * 1024);
    await hub.publish(channel, 'before', large, 'after');
    const socket = await socketWith(EVERYTHING);
    const { frames } = await follow(socket, { channel, from: await subscribe(socket, channel, '-1') }, 3);
    expect(frames.map(({ messages }) => messages)).toEqual([['before'], [large], ['after']]);
  });
});

describe('a closed channel', () => {
  const close = (channel: string, body = '') =>
    hub.request(`/channels/${channel}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'Stream-Closed': 'true' },
      body,
    });

  test('is announced with its last message', async () => {
    const channel = newChannel();
    const socket = await socketWith(EVERYTHING);
    const from = await subscribe(socket, channel);
    await close(channel, '"last"');
    expect(await socket.next(isOf({ channel }))).toMatchObject({ from, messages: ['last'], closed: true });
  });

  test.each([
    ['a subscriber who has had messages', 1],
    ['a subscriber who has had none', 0],
  ])('is announced without a message, to %s', async (_name, count) => {
    const channel = newChannel();
    await hub.publish(channel, 'old');
    const socket = await socketWith(EVERYTHING);
    const from = await subscribe(socket, channel);
    for (const n of range(count)) await hub.publish(channel, n);
    const { next } = await follow(socket, { channel, from }, count);
    expect((await close(channel)).status).toBe(204);
    const last = await socket.next(isOf({ channel }));
    expect(last).toMatchObject({ from: next, next, messages: [], closed: true });
  });

  test('is announced to a later subscriber: with its history, or at once at its end', async () => {
    const channel = newChannel();
    await hub.publish(channel, 'first');
    const end = nextOf(await close(channel, '"last"'));
    const socket = await socketWith(EVERYTHING);
    const from = await subscribe(socket, channel, '-1');
    const { frames, messages } = await follow(socket, { channel, from }, 2);
    expect(messages).toEqual(['first', 'last']);
    expect(frames.map(({ closed }) => closed).at(-1)).toBe(true);
    const late = await socketWith(EVERYTHING);
    const answer = await late.ask({ action: 'subscribe', channel, offset: end });
    expect(answer).toMatchObject({ type: 'subscribed', offset: end, closed: true });
  });
});

test('a ping is answered with the id of the connection, always the same', async () => {
  const socket = await socketWith(EVERYTHING);
  const { type, connection } = await socket.ask({ action: 'ping' });
  expect([type, typeof connection]).toEqual(['pong', 'string']);
  socket.say({ action: 'ping' });
  expect(await socket.next()).toEqual({ type: 'pong', connection });
  const other = await socketWith(EVERYTHING);
  expect((await other.ask({ action: 'ping' })).connection).not.toBe(connection);
});
