/**
 * The client begins with the last messages, on every transport, and reads the history backwards (PROTOCOL.md §5.3).
 * @module
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { connectOver, type Hub, type SubscribeOptions } from '../../../client/connect.ts';
import type { TidingsError } from '../../../client/errors.ts';
import type { Batch } from '../../../client/index.ts';
import { type FakeHub, fakeHub } from '../../support/client/fake-hub.ts';
import { eventually, type ScaledHost, scaledHost } from '../../support/client/scaled-host.ts';
import { offsetAt } from '../../support/domain/fake-log.ts';

const CHANNEL = 'chat/room1';
const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, index) => from + index);

let fake: FakeHub;
let host: ScaledHost;
let hub: Hub;
beforeEach(async () => {
  fake = await fakeHub();
  host = scaledHost();
  hub = connectOver(host, { url: fake.url });
});
afterEach(async () => {
  hub.close();
  await eventually(() => expect(host.timers()).toBe(0));
  await fake.close();
});

function see(options: Omit<SubscribeOptions, 'onMessages'>): { batches: Batch[]; errors: TidingsError[] } {
  const batches: Batch[] = [];
  const errors: TidingsError[] = [];
  const onError = (error: TidingsError): void => void errors.push(error);
  hub.subscribe(CHANNEL, { ...options, onError, onMessages: (batch) => void batches.push(batch) });
  return { batches, errors };
}

describe.each(['websocket', 'sse', 'long-poll', 'poll'] as const)('%s', (transport) => {
  test('begins with the last messages, and continues', async () => {
    hub = connectOver(host, { url: fake.url, transports: [transport] });
    fake.append(CHANNEL, ...range(0, 10));
    const { batches, errors } = see({ last: 3 });
    const messages = (): unknown[] => batches.flatMap((batch) => batch.messages);
    await eventually(() => expect(messages()).toEqual([7, 8, 9]));
    fake.append(CHANNEL, 10);
    await eventually(() => expect(messages()).toEqual([7, 8, 9, 10]));
    expect([batches[0]?.from, errors]).toEqual([offsetAt(7), []]);
  });

  test('begins with all messages if there are fewer', async () => {
    hub = connectOver(host, { url: fake.url, transports: [transport] });
    fake.append(CHANNEL, 0);
    const { batches } = see({ last: 3 });
    await eventually(() => expect(batches.flatMap((batch) => batch.messages)).toEqual([0]));
  });
});

test('two subscriptions of one channel begin where each of them wants to', async () => {
  fake.append(CHANNEL, ...range(0, 5));
  const starts = [see({ last: 2 }), see({ offset: offsetAt(1) }), see({})];
  const seen = (): unknown[][] => starts.map(({ batches }) => batches.flatMap((batch) => batch.messages));
  await eventually(() => expect(seen()).toEqual([[3, 4], [1, 2, 3, 4], []]));
  fake.append(CHANNEL, 5);
  await eventually(() => expect(seen()).toEqual([[3, 4, 5], [1, 2, 3, 4, 5], [5]]));
});

test.each([
  [{ last: 0 }, 'bad_request'],
  [{ last: 1_001 }, 'bad_request'],
  [{ last: 1.5 }, 'bad_offset'],
  [{ last: 5, offset: 'now' }, 'bad_offset'],
])('%j is refused with %s', async (options, code) => {
  const { errors } = see(options);
  await eventually(() => expect(errors.map((error) => error.code)).toEqual([code]));
  expect(fake.asked).toEqual([]);
});

describe('the time between two short polls', () => {
  test.each([
    ['7', 7_000],
    ['30', 30_000],
    ['99', 30_000],
    ['0', 3_000],
    ['x', 3_000],
    ['1.5', 3_000],
    [undefined, 3_000],
  ])('with the advice %s is about %d ms', async (advice, ms) => {
    fake.pollAfter = advice;
    const pauses: number[] = [];
    const watched = {
      ...host,
      after(pause: number, run: () => void) {
        pauses.push(pause);
        return host.after(pause, run);
      },
    };
    hub.close();
    hub = connectOver(watched, { url: fake.url, transports: ['poll'] });
    see({});
    await eventually(() =>
      expect(pauses.some((pause) => pause >= 0.75 * ms && pause <= 1.25 * ms)).toBe(true),
    );
  });
});

describe('a history', () => {
  test('is read backwards, a page at a time, and ends at the oldest message', async () => {
    fake.append(CHANNEL, ...range(0, 10));
    const seen: (readonly unknown[])[] = [];
    for await (const { messages } of hub.history(CHANNEL, { limit: 4 })) {
      seen.push(messages);
      expect(fake.asked.length).toBe(seen.length);
    }
    expect(seen).toEqual([
      [6, 7, 8, 9],
      [2, 3, 4, 5],
      [0, 1],
    ]);
  });

  test('ends before the first message of a subscription', async () => {
    fake.append(CHANNEL, ...range(0, 10));
    const { batches } = see({ last: 2 });
    await eventually(() => expect(batches.length).toBe(1));
    const seen: unknown[] = [];
    for await (const { messages } of hub.history(CHANNEL, { before: batches[0]?.from }))
      seen.unshift(...messages);
    expect(seen).toEqual(range(0, 8));
  });

  test('goes on after the hub was busy, and ends with a refusal', async () => {
    fake.append(CHANNEL, 0);
    fake.refused.add('poll');
    const next = hub.history(CHANNEL).next();
    await eventually(() => expect(fake.asked.length).toBeGreaterThan(1));
    fake.refused.clear();
    expect((await next).value).toMatchObject({ messages: [0] });
    fake.forbidden.add(CHANNEL);
    await expect(hub.history(CHANNEL).next()).rejects.toMatchObject({ code: 'forbidden' });
  });

  test.each([
    [{ before: '-1' }, 'bad_offset'],
    [{ before: 'last=3' }, 'bad_offset'],
    [{ limit: 0 }, 'bad_request'],
  ])('%j is refused with %s', async (options, code) => {
    await expect(hub.history(CHANNEL, options).next()).rejects.toMatchObject({ code });
    expect(fake.asked).toEqual([]);
  });
});
