/**
 * Subscriptions to a pattern (PROTOCOL.md §12.4): what they remember of each channel, with a clock that stands still.
 * @module
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { connectOver, type Hub } from '../../../client/connect.ts';
import type { TidingsError } from '../../../client/errors.ts';
import { MAX_CHANNELS } from '../../../client/pattern.ts';
import { closeWhole, openNewest } from '../../support/client/live-socket.ts';
import { type FakeWire, type StillHost, settled, stillHost } from '../../support/client/still-host.ts';
import { offsetAt } from '../../support/domain/fake-log.ts';

const PATTERN = 'chat/*';
const CHANNEL = 'chat/room1';

/** Longer than the wait before the socket is opened again, in milliseconds. */
const REOPENED_MS = 5_000;

let host: StillHost;
let hub: Hub;
let seen: unknown[];
let errors: TidingsError[];
beforeEach(() => {
  host = stillHost();
  hub = connectOver(host, { url: 'https://hub.example' });
  seen = [];
  errors = [];
});
afterEach(() => closeWhole(host, hub));

const subscribe = () =>
  hub.subscribe(PATTERN, {
    onMessages: ({ messages }) => void seen.push(...messages),
    onError: (error) => void errors.push(error),
  });

/** Opens the newest socket of the client, and answers the subscription. */
async function live(): Promise<FakeWire> {
  const wire = await openNewest(host);
  wire.answer('subscribe', { type: 'subscribed' });
  await settled();
  return wire;
}

async function cut(wire: FakeWire): Promise<void> {
  wire.end();
  await host.pass(REOPENED_MS);
}

const frame = (channel: string, from: number, ...messages: unknown[]) => ({
  type: 'messages',
  pattern: PATTERN,
  channel,
  from: offsetAt(from),
  next: offsetAt(from + messages.length),
  messages,
});

const page = (next: number, ...messages: unknown[]) =>
  Response.json(messages, {
    headers: { 'Stream-Next-Offset': offsetAt(next), 'Stream-Up-To-Date': 'true' },
  });

describe('after an interruption', () => {
  test('each known channel is read from its own offset', async () => {
    subscribe();
    const wire = await live();
    wire.say(frame(CHANNEL, 4, 'a'));
    wire.say(frame('chat/room2', 8, 'b'));
    await cut(wire);
    host.respond = (url) => {
      if (!url.includes('room1')) return page(9);
      return url.includes(`offset=${offsetAt(5)}`) ? page(6, 'c') : page(6);
    };
    const again = await live();
    again.say(frame(CHANNEL, 6, 'd'));
    await settled();
    expect([seen, errors]).toEqual([['a', 'b', 'c', 'd'], []]);
    expect(again.said).toEqual([{ action: 'subscribe', channel: PATTERN, id: '1' }]);
  });

  test('a channel that is being read is read once more, because its answer may be older', async () => {
    subscribe();
    const first = await live();
    first.say(frame(CHANNEL, 0, 'one'));
    await cut(first);
    const late = Promise.withResolvers<Response>();
    host.respond = () => late.promise;
    const second = await live();
    expect(host.requests).toHaveLength(1);
    const answeredBefore = page(1);
    await cut(second);
    host.respond = () => page(2, 'two');
    await live();
    expect([host.requests.length, seen]).toEqual([1, ['one']]);
    late.resolve(answeredBefore);
    await settled();
    expect([seen, host.requests.length]).toEqual([['one', 'two'], 2]);
  });

  test('it is reported once, and not when a socket ends for the first time', async () => {
    subscribe();
    await cut(await live());
    expect(errors).toEqual([]);
    await cut(await live());
    expect(errors.map(({ code }) => code)).toEqual(['unavailable']);
  });
});

describe('the channels of a pattern', () => {
  test('a channel that has lost history is reported, and the subscription continues', async () => {
    subscribe();
    const wire = await live();
    host.respond = () => Response.json({ error: { code: 'offset_gone', message: 'gone' } }, { status: 410 });
    wire.say(frame(CHANNEL, 1, 'a'));
    wire.say(frame(CHANNEL, 5, 'x'));
    await settled();
    expect(errors.map(({ code, channel }) => [code, channel])).toEqual([['offset_gone', CHANNEL]]);
    wire.say(frame(CHANNEL, 6, 'b'));
    expect(seen).toEqual(['a', 'b']);
  });

  test('the channels with the oldest messages are forgotten', async () => {
    subscribe();
    const wire = await live();
    const names = Array.from({ length: MAX_CHANNELS + 2 }, (_, at) => `chat/${at}`);
    const [oldest, heardAgain = '', next, ...others] = names;
    for (const name of names.slice(0, MAX_CHANNELS)) wire.say(frame(name, 0, 'first'));
    wire.say(frame(heardAgain, 1, 'again'));
    for (const name of names.slice(MAX_CHANNELS)) wire.say(frame(name, 0, 'one more'));
    host.respond = () => page(2);
    await cut(wire);
    await live();
    await expect.poll(() => host.requests.length).toBe(MAX_CHANNELS);
    const read = host.requests.map((url) => /channels\/(.*)\?/.exec(url)?.[1]);
    expect(new Set(read)).toEqual(new Set([heardAgain, ...others]));
    for (const name of [oldest, next]) expect(read).not.toContain(name);
  });

  test('no channel is forgotten while it is being read', async () => {
    subscribe();
    const wire = await live();
    const late = Promise.withResolvers<Response>();
    host.respond = () => late.promise;
    wire.say(frame(CHANNEL, 0, 'a'));
    wire.say(frame(CHANNEL, 2, 'c'));
    for (let at = 0; at <= MAX_CHANNELS; at++) wire.say(frame(`chat/many-${at}`, 0));
    wire.say(frame(CHANNEL, 3, 'd'));
    late.resolve(page(2, 'b'));
    await settled();
    expect(seen).toEqual(['a', 'b', 'c', 'd']);
  });
});

describe('a loop that falls behind', () => {
  /** The most batches that wait for a loop. */
  const MAX_WAITING = 1_000;

  /** A log of each channel, which answers reads. */
  function logged(): { readonly publish: (wire: FakeWire, channel: string, message: unknown) => void } {
    const log = new Map<string, unknown[]>();
    host.respond = (url) => {
      const [, channel = '', entry = ''] = /channels\/(.*)\?offset=(\d{12})/.exec(url) ?? [];
      const messages = log.get(channel) ?? [];
      // As the hub does, about a megabyte at a time.
      const size = String(messages[0]).length > 1_000 ? 10 : 10_000;
      const next = Math.min(messages.length, Number(entry) + size);
      const headers: Record<string, string> = { 'Stream-Next-Offset': offsetAt(next) };
      if (next === messages.length) headers['Stream-Up-To-Date'] = 'true';
      return Response.json(messages.slice(Number(entry), next), { headers });
    };
    return {
      publish(wire, channel, message) {
        const messages = log.get(channel) ?? [];
        log.set(channel, [...messages, message]);
        wire.say(frame(channel, messages.length, message));
      },
    };
  }

  test('keeps a bounded number of messages, and gets all, also of new channels', async () => {
    const { publish } = logged();
    const loop = hub.messages(PATTERN);
    const first = loop.next();
    const wire = await live();
    const channels = Array.from({ length: 20 }, (_, at) => `chat/${at}`);
    for (let round = 0; round < 100; round++)
      for (const channel of channels.slice(0, round < 90 ? 15 : 20))
        publish(wire, channel, `${channel} ${round}`);
    await settled();
    expect(host.requests).toEqual([]);
    const taken = new Map<string, unknown[]>();
    let count = 0;
    for (let step = await first; count < 1_550; step = await loop.next()) {
      const { channel = '', messages = [] } = step.value ?? {};
      taken.set(channel, [...(taken.get(channel) ?? []), ...messages]);
      count += messages.length;
      // A read over HTTP gives one batch for each channel, so there were never more than fit.
      if (count <= MAX_WAITING) expect(messages).toHaveLength(1);
      if (count === 1_550) break;
      await settled();
    }
    for (const [at, channel] of channels.entries()) {
      const rounds = Array.from({ length: 100 }, (_, round) => round).filter(
        (round) => at < 15 || round >= 90,
      );
      expect(taken.get(channel)).toEqual(rounds.map((round) => `${channel} ${round}`));
    }
    const next = loop.next();
    publish(wire, 'chat/3', 'live again');
    expect((await next).value).toMatchObject({ channel: 'chat/3', messages: ['live again'] });
    await loop.return?.();
  });

  test('that is cut off continues each channel at its offset', async () => {
    const { publish } = logged();
    const loop = hub.messages(PATTERN);
    const first = loop.next();
    const wire = await live();
    for (let at = 0; at < 1_200; at++) publish(wire, CHANNEL, at);
    await cut(wire);
    const again = await live();
    publish(again, CHANNEL, 1_200);
    const taken: unknown[] = [...((await first).value?.messages ?? [])];
    while (taken.length < 1_201) taken.push(...((await loop.next()).value?.messages ?? []));
    expect(taken).toEqual(Array.from({ length: 1_201 }, (_, at) => at));
    await loop.return?.();
  });

  test('with large messages is paused sooner', async () => {
    const { publish } = logged();
    const loop = hub.messages(PATTERN);
    const first = loop.next();
    const wire = await live();
    const large = 'x'.repeat(100_000);
    for (let at = 0; at < 200; at++) publish(wire, CHANNEL, `${at} ${large}`);
    let batches = 0;
    let count = 0;
    for (let step = await first; ; step = await loop.next()) {
      batches += 1;
      count += step.value?.messages.length ?? 0;
      if (count === 200) break;
    }
    // 8 MB of them were kept, and the rest was read in pages of ten.
    expect(batches).toBeGreaterThan(80 + 11);
    expect(batches).toBeLessThan(85 + 13);
    await loop.return?.();
  });

  test('in more than 1,000 channels ends with an error', async () => {
    const { publish } = logged();
    const loop = hub.messages(PATTERN);
    const first = loop.next();
    const wire = await live();
    for (let at = 0; at < MAX_WAITING; at++) publish(wire, CHANNEL, at);
    for (let at = 0; at <= MAX_CHANNELS + 1; at++) publish(wire, `chat/many-${at}`, at);
    const read = async () => {
      let count = (await first).value?.messages.length ?? 0;
      for await (const { messages } of { [Symbol.asyncIterator]: () => loop }) count += messages.length;
      return count;
    };
    await expect(read()).rejects.toMatchObject({ code: 'unavailable' });
  });
});
