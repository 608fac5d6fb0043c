/**
 * The client against a hub that fails in many ways: nothing is lost or delivered twice, over any transport.
 * @module
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { connectOver, type Hub } from '../../../../client/connect.ts';
import type { TidingsError } from '../../../../client/errors.ts';
import type { Batch } from '../../../../client/index.ts';
import type { ConnectOptions } from '../../../../client/options.ts';
import { type FakeHub, fakeHub } from '../../../support/client/fake-hub.ts';
import { eventually, type ScaledHost, scaledHost } from '../../../support/client/scaled-host.ts';
import type { FakeFrame } from '../../../support/domain/fake-log.ts';

const CHANNEL = 'chat/room1';

let fake: FakeHub;
let host: ScaledHost;
let hub: Hub;
beforeEach(async () => {
  fake = await fakeHub();
  host = scaledHost();
});
afterEach(async () => {
  hub.close();
  await expect.poll(() => host.timers()).toBe(0);
  await fake.close();
});

const open = (options: Partial<ConnectOptions> = {}): Hub => {
  hub = connectOver(host, { url: fake.url, ...options });
  return hub;
};

interface Seen {
  readonly messages: unknown[];
  readonly batches: Batch[];
  readonly errors: TidingsError[];
  readonly transports: string[];
  readonly offset: () => string;
  readonly close: () => void;
}

function see(channel: string, offset?: string): Seen {
  const messages: unknown[] = [];
  const batches: Batch[] = [];
  const errors: TidingsError[] = [];
  const transports: string[] = [];
  const subscription = hub.subscribe(channel, {
    offset,
    onMessages(batch) {
      batches.push(batch);
      messages.push(...batch.messages);
    },
    onError: (error) => void errors.push(error),
    onTransport: (name) => void transports.push(name),
  });
  return {
    messages,
    batches,
    errors,
    transports,
    offset: () => subscription.offset,
    close: subscription.close,
  };
}

const numbers = (count: number, from = 0): number[] => Array.from({ length: count }, (_, at) => from + at);

describe('on a socket', () => {
  test('all subscribers get the history and then the live messages, over one connection', async () => {
    fake.append(CHANNEL, 0, 1);
    open();
    const all = see(CHANNEL, '-1');
    await eventually(() => expect(all.messages).toEqual([0, 1]));
    const late = see(CHANNEL, '-1');
    const live = see(CHANNEL);
    await eventually(() => expect(late.messages).toEqual([0, 1]));
    await eventually(() => expect(live.offset()).toBe(all.offset()));
    fake.append(CHANNEL, 2);
    await eventually(() =>
      expect([all.messages, late.messages, live.messages]).toEqual([[0, 1, 2], [0, 1, 2], [2]]),
    );
    expect([fake.sockets(), all.transports]).toEqual([1, ['websocket']]);
  });

  test('repeated, lost and omitted frames change nothing', async () => {
    let count = 0;
    const lastFrames: FakeFrame[] = [];
    fake.distort = (frame) => {
      count += 1;
      lastFrames.push(frame);
      if (count % 3 === 0) return [];
      if (count % 4 === 0) return [{ ...withoutMessages(frame), omitted: true }];
      return [frame, ...lastFrames.slice(-3), frame];
    };
    open();
    const seen = see(CHANNEL, '-1');
    await eventually(() => expect(seen.transports).toEqual(['websocket']));
    for (const number of numbers(100)) {
      fake.append(CHANNEL, number);
      if (number % 10 === 0) await eventually(() => expect(seen.messages.length).toBeGreaterThan(number - 2));
    }
    fake.distort = (frame) => [frame];
    fake.append(CHANNEL, 100);
    await eventually(() => expect(seen.messages).toEqual(numbers(101)));
    expect(seen.errors).toEqual([]);
  });

  test('nothing is lost when the connection is cut many times, with channels and patterns', async () => {
    open();
    const one = see(CHANNEL, '-1');
    const all = see('chat/*');
    await eventually(() => expect(fake.asked.filter((said) => said === 'say subscribe').length).toBe(2));
    await eventually(() => expect(all.transports).toEqual(['websocket']));
    for (const number of numbers(30)) {
      fake.append(CHANNEL, number);
      if (number === 0) await eventually(() => expect(all.messages).toEqual([0]));
      if (number % 10 === 5) {
        fake.cut();
        await eventually(() => expect(fake.sockets()).toBe(1));
      }
    }
    await eventually(() => expect(one.messages).toEqual(numbers(30)));
    await eventually(() => expect(all.messages).toEqual(numbers(30)));
  });

  test('a subscription that is closed and opened again at once works', async () => {
    open();
    const first = see(CHANNEL, '-1');
    await eventually(() => expect(first.transports).toEqual(['websocket']));
    first.close();
    const again = see(CHANNEL, '-1');
    fake.append(CHANNEL, 'x');
    await eventually(() => expect(again.messages).toEqual(['x']));
    fake.append(CHANNEL, 'y');
    await eventually(() => expect(again.messages).toEqual(['x', 'y']));
    expect(first.messages).toEqual([]);
  });

  test('a closed channel ends its subscriptions and its iterator', async () => {
    fake.append(CHANNEL, 0);
    open();
    const seen = see(CHANNEL, '-1');
    const read = (async () => {
      const batches: Batch[] = [];
      for await (const batch of hub.messages(CHANNEL, { offset: '-1' })) batches.push(batch);
      return batches.flatMap(({ messages }) => messages);
    })();
    await eventually(() => expect(seen.messages).toEqual([0]));
    fake.append(CHANNEL, 1);
    fake.end(CHANNEL);
    expect(await read).toEqual([0, 1]);
    await eventually(() => expect(seen.batches.at(-1)?.closed).toBe(true));
    expect([seen.messages, seen.errors]).toEqual([[0, 1], []]);
  });

  test('an offset before the retention ends the subscription with offset_gone', async () => {
    fake.append(CHANNEL, 0, 1, 2);
    fake.forget(CHANNEL, 2);
    open();
    const seen = see(CHANNEL, '0000000000000000');
    await eventually(() =>
      expect(seen.errors.map(({ code, status }) => [code, status])).toEqual([['offset_gone', 410]]),
    );
    await expect(hub.messages(CHANNEL, { offset: '0000000000000000' }).next()).rejects.toThrow('offset_gone');
    const bad = see('no//channel');
    await eventually(() => expect(bad.errors.map(({ code }) => code)).toEqual(['bad_channel']));
  });
});

const withoutMessages = ({ messages: _, ...frame }: FakeFrame): FakeFrame => frame;

describe('without a socket', () => {
  test('failover goes down one transport at a time, and back up, on one cursor', async () => {
    for (const way of ['websocket', 'sse', 'long-poll']) fake.refused.add(way);
    open();
    const seen = see(CHANNEL, '-1');
    let count = 0;
    const next = async (transport: string): Promise<void> => {
      await eventually(() => expect(seen.transports.at(-1)).toBe(transport));
      fake.append(CHANNEL, count, count + 1);
      count += 2;
      await eventually(() => expect(seen.messages).toEqual(numbers(count)));
    };
    await next('poll');
    fake.refused.delete('long-poll');
    await next('long-poll');
    fake.refused.delete('sse');
    await next('sse');
    fake.refused.delete('websocket');
    await next('websocket');
    fake.refused.add('websocket').add('sse');
    fake.cut();
    await next('long-poll');
    expect(seen.errors).toEqual([]);
  });

  test.each(['sse', 'long-poll', 'poll'] as const)(
    '%s: after a cut it continues at its offset',
    async (transport) => {
      fake.append(CHANNEL, 0);
      open({ transports: [transport] });
      const seen = see(CHANNEL, '-1');
      for (const number of numbers(10, 1)) {
        await eventually(() => expect(seen.messages).toEqual(numbers(number)));
        if (number % 3 === 0) fake.cut();
        fake.append(CHANNEL, number);
      }
      await eventually(() => expect(seen.messages).toEqual(numbers(11)));
      expect([seen.errors, new Set(seen.transports)]).toEqual([[], new Set([transport])]);
    },
  );

  test('without WebSockets, streams are the first choice, and a pattern ends', async () => {
    hub = connectOver({ ...host, openWire: undefined }, { url: fake.url });
    const seen = see(CHANNEL, '-1');
    const pattern = see('chat/*');
    fake.append(CHANNEL, 0);
    await eventually(() => expect(seen.messages).toEqual([0]));
    await eventually(() => expect(seen.transports).toEqual(['sse']));
    expect(pattern.errors.map(({ code }) => code)).toEqual(['not_supported']);
  });

  test('a pattern reports once that there is no socket, and works when there is one', async () => {
    fake.refused.add('websocket');
    open();
    const seen = see('chat/*');
    await eventually(() => expect(fake.asked.filter((way) => way === 'websocket').length).toBeGreaterThan(2));
    expect(seen.errors.map(({ code }) => code)).toEqual(['unavailable']);
    fake.refused.clear();
    await eventually(() => expect(seen.transports).toEqual(['websocket']));
    fake.append(CHANNEL, 0);
    await eventually(() => expect(seen.messages).toEqual([0]));
  });
});

describe('tokens', () => {
  test('a new one is requested when one has expired', async () => {
    fake.tokens = ['second'];
    const given: string[] = [];
    let current = 'first';
    const token = async () => {
      given.push(current);
      return current;
    };
    open({ token, transports: ['long-poll'] });
    const seen = see(CHANNEL, '-1');
    fake.append(CHANNEL, 0);
    // The first request and its repetition were refused, so the subscription ends.
    await eventually(() =>
      expect(seen.errors.map(({ code, status }) => [code, status])).toEqual([['unauthorized', 401]]),
    );
    current = 'second';
    const again = see(CHANNEL, '-1');
    await eventually(() => expect(again.messages).toEqual([0]));
    fake.tokens = ['third'];
    current = 'third';
    fake.append(CHANNEL, 1);
    await eventually(() => expect(again.messages).toEqual([0, 1]));
    // A poll that was held may have brought it. The next one is refused with the old token.
    fake.append(CHANNEL, 2);
    await eventually(() => expect(again.messages).toEqual([0, 1, 2]));
    expect([again.errors, given.at(0), given.at(-1)]).toEqual([[], 'first', 'third']);
  });

  test('a bad one ends the subscription, over every transport', async () => {
    fake.tokens = ['good'];
    open({ token: 'bad' });
    const seen = see(CHANNEL, '-1');
    await eventually(() => expect(seen.errors.map(({ code }) => code)).toEqual(['unauthorized']));
    await expect(hub.publish(CHANNEL, [1])).rejects.toMatchObject({ code: 'unauthorized' });
  });
});

describe('publish', () => {
  test('is sent over the socket if there is one, else over HTTP', async () => {
    open();
    expect(await hub.publish(CHANNEL, [0])).toEqual({ offset: '0000000000010000' });
    const seen = see(CHANNEL, '-1');
    await eventually(() => expect(seen.messages).toEqual([0]));
    await hub.publish(CHANNEL, [1, 2]);
    await eventually(() => expect(seen.messages).toEqual([0, 1, 2]));
    expect(fake.asked.filter((way) => way === 'post' || way === 'say publish')).toEqual([
      'post',
      'say publish',
    ]);
  });

  test('is appended once if the socket ends before the answer', async () => {
    open();
    const seen = see(CHANNEL, '-1');
    await eventually(() => expect(seen.transports).toEqual(['websocket']));
    fake.losesAnswers = true;
    await hub.publish(CHANNEL, ['once']);
    expect(fake.log(CHANNEL)).toEqual(['once']);
    expect(fake.asked).toContain('post');
    await eventually(() => expect(seen.messages).toEqual(['once']));
  });

  test('is tried again while the hub is unavailable, and large ones are sent over HTTP', async () => {
    open();
    const seen = see(CHANNEL, '-1');
    await eventually(() => expect(seen.transports).toEqual(['websocket']));
    fake.refused.add('post');
    const large = 'x'.repeat(40_000);
    const published = hub.publish(CHANNEL, [large]);
    await eventually(() => expect(fake.asked.filter((way) => way === 'post').length).toBe(2));
    fake.refused.clear();
    await published;
    expect([fake.log(CHANNEL), fake.asked.includes('say publish')]).toEqual([[large], false]);
  });
});

test('a slow loop is paused, and continues at its offset', async () => {
  open();
  const iterator = hub.messages(CHANNEL, { offset: '-1' });
  const first = iterator.next();
  await eventually(() => expect(fake.asked).toContain('say subscribe'));
  fake.append(CHANNEL, ...numbers(1_500));
  expect((await first).value?.messages).toEqual([0]);
  await eventually(() => expect(fake.asked).toContain('say unsubscribe'));
  const read: unknown[] = [0];
  while (read.length < 1_500) read.push(...((await iterator.next()).value?.messages ?? []));
  expect(read).toEqual(numbers(1_500));
  const waiting = iterator.next();
  await iterator.return?.();
  expect(await waiting).toEqual({ value: undefined, done: true });
});
