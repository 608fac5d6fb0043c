/**
 * Streams that subscriptions share (PROTOCOL.md §5.2, `GET /events`): which channels are on them, and what happens to
 * the others when one channel is refused, gone or complete.
 * @module
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { connectOver, type Hub } from '../../../../client/connect.ts';
import type { Batch, ConnectOptions } from '../../../../client/index.ts';
import { type FakeHub, fakeHub } from '../../../support/client/fake-hub.ts';
import { eventually, type ScaledHost, scaledHost } from '../../../support/client/scaled-host.ts';
import { offsetAt } from '../../../support/domain/fake-log.ts';
import { seededRandom } from '../../../support/domain/random.ts';

let fake: FakeHub;
let host: ScaledHost;
let hub: Hub;
beforeEach(async () => {
  fake = await fakeHub();
  host = scaledHost();
  connect();
});
afterEach(async () => {
  hub.close();
  await expect.poll(() => host.timers()).toBe(0);
  await fake.close();
});

const connect = (options: Partial<ConnectOptions> = {}): Hub => {
  hub = connectOver(host, { url: fake.url, transports: ['sse'], ...options });
  return hub;
};

interface Seen {
  readonly batches: Batch[];
  readonly messages: unknown[];
  readonly errors: string[];
  readonly transports: string[];
  readonly close: () => void;
}

function see(channel: string, offset = '-1'): Seen {
  const seen: Seen = {
    batches: [],
    messages: [],
    errors: [],
    transports: [],
    close: () => subscription.close(),
  };
  const subscription = hub.subscribe(channel, {
    offset,
    onMessages(batch) {
      seen.batches.push(batch);
      seen.messages.push(...batch.messages);
    },
    onError: ({ code }) => seen.errors.push(code),
    onTransport: (name) => seen.transports.push(name),
  });
  return seen;
}

const names = (count: number): string[] => Array.from({ length: count }, (_, at) => `chat/${at}`);
const live = (all: readonly Seen[]) =>
  eventually(() => expect(all.map(({ transports }) => transports)).toEqual(all.map(() => ['sse'])));

describe('channels on a stream', () => {
  test('eight are on one stream, and each gets its own messages', async () => {
    const all = names(8).map((name) => see(name));
    await live(all);
    for (const name of names(8)) fake.append(name, `1 to ${name}`, `2 to ${name}`);
    await eventually(() =>
      expect(all.map(({ messages }) => messages)).toEqual(
        names(8).map((name) => [`1 to ${name}`, `2 to ${name}`]),
      ),
    );
    expect(fake.streams.at(-1)?.toSorted()).toEqual(names(8));
  });

  test('of 45, two streams have 40, and the others are polled', async () => {
    const all = names(45).map((name) => see(name));
    await live(all);
    for (const name of names(45)) fake.append(name, name);
    await eventually(() => expect(all.flatMap(({ messages }) => messages)).toEqual(names(45)));
    expect(new Set(fake.streams.flat()).size).toBe(40);
    expect(Math.max(...fake.streams.map(({ length }) => length))).toBe(20);
  });

  test('one with two subscriptions at different offsets is on the stream once', async () => {
    fake.append('chat/0', 0, 1, 2);
    const [all, some, none] = [see('chat/0'), see('chat/0', offsetAt(2)), see('chat/0', 'now')];
    await live([all, some, none]);
    fake.append('chat/0', 3);
    await eventually(() =>
      expect([all.messages, some.messages, none.messages]).toEqual([[0, 1, 2, 3], [2, 3], [3]]),
    );
    expect(new Set(fake.streams.map((each) => each.join()))).toEqual(new Set(['chat/0']));
  });

  test('one that is added later gets its messages, and the others lose nothing', async () => {
    const first = see('chat/0');
    await live([first]);
    const second = see('chat/1');
    await live([second]);
    fake.append('chat/0', 'a');
    fake.append('chat/1', 'b');
    await eventually(() => expect([first.messages, second.messages]).toEqual([['a'], ['b']]));
    expect(fake.streams.at(-1)).toEqual(['chat/0', 'chat/1']);
  });

  test('a page that often subscribes and unsubscribes opens at most one stream in three seconds', async () => {
    const stays = see('chat/stays');
    await live([stays]);
    const began = host.now();
    for (let at = 0; at < 40; at++) {
      const { close } = see(`chat/${at}`);
      await new Promise<void>((resolve) => host.after(500, resolve));
      fake.append('chat/stays', at);
      close();
    }
    const seconds = (host.now() - began) / 1_000;
    await eventually(() => expect(stays.messages).toEqual(Array.from({ length: 40 }, (_, at) => at)));
    expect(fake.streams.length).toBeLessThanOrEqual(2 + seconds / 3);
  });

  test('the last one that unsubscribes ends the stream', async () => {
    const all = names(3).map((name) => see(name));
    await live(all);
    for (const { close } of all) close();
    await eventually(() => expect(host.timers()).toBe(0));
    const again = see('chat/0');
    fake.append('chat/0', 'again');
    await eventually(() => expect(again.messages).toEqual(['again']));
    expect(all.flatMap(({ messages }) => messages)).toEqual([]);
  });

  test('a stream that is cut is opened again at the same offsets', async () => {
    const all = names(4).map((name) => see(name));
    await live(all);
    for (let round = 0; round < 6; round++) {
      for (const name of names(4)) fake.append(name, round);
      if (round % 2 === 0) fake.cut();
      await eventually(() =>
        expect(all.map(({ messages }) => messages.at(-1))).toEqual(all.map(() => round)),
      );
    }
    expect(all.map(({ messages, errors }) => [messages, errors])).toEqual(
      all.map(() => [[0, 1, 2, 3, 4, 5], []]),
    );
  });
});

describe('one channel of several', () => {
  test.each([
    ['from the beginning', false],
    ['later', true],
  ])('is forbidden %s: its subscription ends, and the others continue', async (_when, isLater) => {
    if (!isLater) fake.forbidden.add('chat/1');
    const all = names(3).map((name) => see(name));
    if (isLater) {
      await live(all);
      fake.forbidden.add('chat/1');
      fake.cut();
    }
    await eventually(() => expect(all[1]?.errors).toEqual(['forbidden']));
    for (const name of names(3)) fake.append(name, name);
    await eventually(() => expect(all.map(({ messages }) => messages)).toEqual([['chat/0'], [], ['chat/2']]));
    expect([all[0]?.errors, all[2]?.errors]).toEqual([[], []]);
  });

  test.each([
    [true, 'names the channel'],
    [false, 'refuses the whole stream'],
  ])(
    'has lost history, and the hub (%s) %s: its subscription ends, and the others continue',
    async (saysEnds) => {
      fake.saysEnds = saysEnds;
      const all = names(3).map((name) => see(name, 'now'));
      await live(all);
      fake.forget('chat/1', 5);
      fake.cut();
      await eventually(() => expect(all[1]?.errors).toEqual(['offset_gone']));
      for (const name of ['chat/0', 'chat/2']) fake.append(name, name);
      await eventually(() =>
        expect(all.map(({ messages }) => messages)).toEqual([['chat/0'], [], ['chat/2']]),
      );
      expect([all[0]?.errors, all[2]?.errors]).toEqual([[], []]);
    },
  );

  test('is complete: its subscription ends with the last batch, and the others continue', async () => {
    const all = names(3).map((name) => see(name));
    await live(all);
    fake.append('chat/1', 'last');
    fake.end('chat/1');
    await eventually(() => expect(all[1]?.batches.at(-1)?.closed).toBe(true));
    for (const name of ['chat/0', 'chat/2']) fake.append(name, name);
    await eventually(() =>
      expect(all.map(({ messages }) => messages)).toEqual([['chat/0'], ['last'], ['chat/2']]),
    );
    expect(all.flatMap(({ errors }) => errors)).toEqual([]);
  });

  test('is complete like all others, and an older hub does not report it', async () => {
    fake.saysEnds = false;
    const all = names(2).map((name) => see(name));
    await live(all);
    for (const name of names(2)) {
      fake.append(name, name);
      fake.end(name);
    }
    await eventually(() => expect(all.map(({ batches }) => batches.at(-1)?.closed)).toEqual([true, true]));
    expect(all.map(({ messages }) => messages)).toEqual([['chat/0'], ['chat/1']]);
  });
});

describe('a hub whose streams cannot be opened', () => {
  test('is polled, and streamed later', async () => {
    fake.refused.add('sse');
    connect({ transports: ['sse', 'long-poll'] });
    const all = names(8).map((name) => see(name));
    await eventually(() =>
      expect(all.map(({ transports }) => transports)).toEqual(all.map(() => ['long-poll'])),
    );
    for (const name of names(8)) fake.append(name, 1);
    await eventually(() => expect(all.flatMap(({ messages }) => messages)).toEqual(names(8).map(() => 1)));
    fake.refused.clear();
    await eventually(() =>
      expect(all.map(({ transports }) => transports)).toEqual(all.map(() => ['long-poll', 'sse'])),
    );
    for (const name of names(8)) fake.append(name, 2);
    await eventually(() => expect(all.map(({ messages }) => messages)).toEqual(all.map(() => [1, 2])));
    expect(fake.streams.at(-1)?.toSorted()).toEqual(names(8));
  });

  test('without another transport: each attempt reads what there is', async () => {
    fake.refused.add('sse');
    connect();
    const all = names(2).map((name) => see(name));
    await eventually(() => expect(fake.asked).toContain('sse'));
    for (const name of names(2)) fake.append(name, name);
    await eventually(() =>
      expect(all.map(({ messages }) => messages)).toEqual(names(2).map((name) => [name])),
    );
    expect(all.flatMap(({ transports, errors }) => [...transports, ...errors])).toEqual([]);
  });

  test('at most two long polls are held', async () => {
    connect({ transports: ['long-poll'] });
    const all = names(8).map((name) => see(name));
    await eventually(() => expect(all.every(({ transports }) => transports.length === 1)).toBe(true));
    for (const name of names(8)) fake.append(name, 1);
    await eventually(() => expect(all.flatMap(({ messages }) => messages)).toEqual(names(8).map(() => 1)));
    expect(fake.mostHeld()).toBe(2);
  });
});

test('for readers that come and go among failures, each gets its channel once, in order', async () => {
  const seed = Number(process.env.FUZZ_SEED ?? Date.now() % 1_000_000);
  const random = seededRandom(seed);
  const pick = (count: number): number => Math.floor(random() * count);
  connect({ transports: ['sse', 'long-poll', 'poll'] });
  const followers: { readonly name: string; readonly from: number; readonly seen: Seen }[] = [];
  const come = (): void => {
    const name = `chat/${pick(6)}`;
    const from = pick(fake.log(name).length + 1);
    followers.push({ name, from, seen: see(name, offsetAt(from)) });
  };
  const ways = ['sse', 'long-poll', 'poll'] as const;
  for (let step = 0; step < 150; step++) {
    const name = `chat/${pick(6)}`;
    const what = pick(12);
    if (what < 6) fake.append(name, `${name} ${step}`);
    else if (what < 8) come();
    else if (what === 8)
      followers.splice(pick(followers.length + 1), 1).forEach(({ seen }) => void seen.close());
    else if (what === 9) fake.cut();
    else if (what === 10) fake.refused.add(ways[pick(3)] ?? 'sse');
    else fake.refused.clear();
    await new Promise<void>((resolve) => host.after(pick(2_000), resolve));
  }
  fake.refused.clear();
  come();
  for (let channel = 0; channel < 6; channel++) fake.append(`chat/${channel}`, 'last');
  await eventually(() =>
    expect(
      followers.map(({ seen: { messages, errors } }) => [messages, errors]),
      `seed ${seed}`,
    ).toEqual(followers.map(({ name, from }) => [fake.log(name).slice(from), []])),
  );
});
