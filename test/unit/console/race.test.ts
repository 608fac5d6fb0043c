/**
 * The race of the console: what it counts, and what it computes.
 * @module
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { dollars, duration, size, visible } from '../../../console/format.ts';
import { newArrivals } from '../../../console/race/arrivals.ts';
import { newDelays, WINDOW_MS } from '../../../console/race/delays.ts';
import { raceChannel } from '../../../console/race/race-channel.ts';
import { costOf, type Work } from '../../../console/race/ways.ts';

const at = (n: number): string => String(n).padStart(16, '0');

describe('arrivals', () => {
  test('count a message as lost only if a later offset was reached without it', () => {
    const arrivals = newArrivals();
    arrivals.acknowledged(1, at(1));
    arrivals.acknowledged(2, at(2));
    expect(arrivals.counts()).toEqual({ arrived: 0, lost: 0, doubled: 0 });
    arrivals.arrived(2);
    arrivals.reached(at(2));
    expect(arrivals.counts()).toEqual({ arrived: 1, lost: 1, doubled: 0 });
    arrivals.arrived(1);
    expect(arrivals.counts()).toEqual({ arrived: 2, lost: 0, doubled: 0 });
    arrivals.arrived(1);
    expect(arrivals.counts()).toEqual({ arrived: 2, lost: 0, doubled: 1 });
  });

  test('are right whether an acknowledgement or the message comes first', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 40 }), fc.nat(), (isAcknowledgedFirst, skipped) => {
        const arrivals = newArrivals();
        const lost = isAcknowledgedFirst.length === 0 ? -1 : skipped % isAcknowledgedFirst.length;
        for (const [n, isFirst] of isAcknowledgedFirst.entries()) {
          if (isFirst || n === lost) arrivals.acknowledged(n, at(n + 1));
          if (n !== lost) arrivals.arrived(n);
          arrivals.reached(at(n + 1));
          if (!isFirst) arrivals.acknowledged(n, at(n + 1));
        }
        const count = isAcknowledgedFirst.length;
        const expected = count === 0 ? [0, 0] : [count - 1, 1];
        expect([arrivals.counts().arrived, arrivals.counts().lost]).toEqual(expected);
      }),
    );
  });
});

test('delays are those of the last minute', () => {
  const delays = newDelays();
  expect(delays.numbers(0)).toEqual({ now: Number.NaN, p50: Number.NaN, p95: Number.NaN });
  for (let n = 1; n <= 100; n += 1) delays.note(n, n);
  expect(delays.numbers(100)).toEqual({ now: 100, p50: 51, p95: 96 });
  delays.note(50.5, 9);
  expect(delays.points(100).at.slice(49, 52)).toEqual([50, 50.5, 51]);
  expect(delays.numbers(100).now).toBe(100);
  delays.note(WINDOW_MS + 60, 7);
  expect(delays.points(WINDOW_MS + 60).at[0]).toBe(60);
  expect(delays.points(3 * WINDOW_MS)).toEqual({ at: [], delay: [] });
});

describe('the channel of a race', () => {
  const both = ['publish', 'subscribe'];
  test.each([
    [{ '*': both }, undefined, { channel: 'race/x', isOwn: true }],
    [{ 'chat/*': both, 'chat/a/b/*': both }, undefined, { channel: 'chat/race-x', isOwn: true }],
    // A channel that others use is never removed.
    [{ 'chat/room1': both }, undefined, { channel: 'chat/room1', isOwn: false }],
    [{ '*': both }, 'acme', { channel: 'acme/race/x', isOwn: true }],
    [{ 'acme/in/*': both, 'other/*': both }, 'acme', { channel: 'acme/in/race-x', isOwn: true }],
    [{ 'chat/*': ['subscribe'] }, undefined, { channel: 'race/x', isOwn: true }],
    [undefined, undefined, { channel: 'race/x', isOwn: true }],
  ])('for %j and tenant %s is %j', (capability, tenant, expected) => {
    expect(raceChannel({ capability, tenant }, 'x')).toEqual(expected);
  });
});

describe('costs', () => {
  const none: Work = { requests: 0, answers: 0, messages: 0, frames: 0, seconds: 0, answerMs: 0 };
  const million = 1_000_000;
  test('are those of docs/cost.md and docs/transports.md', () => {
    const polls = { ...none, requests: million };
    expect(costOf('poll', polls, false).dollars).toBeCloseTo(1.43, 1);
    expect(costOf('poll', polls, true).dollars).toBeCloseTo(1.43 + 1.1, 1);
    expect(costOf('poll', { ...none, answers: million }, true).dollars).toBeCloseTo(0.12, 1);
    expect(costOf('sse', { ...none, seconds: 3_600 }, true).dollars).toBeCloseTo(0.012, 5);
    expect(costOf('sse', { ...none, messages: million }, true).dollars).toBeCloseTo(1, 5);
    expect(costOf('long-poll', { ...none, seconds: 3_600 }, true).dollars).toBeCloseTo(0.012, 3);
    expect(costOf('websocket', { ...none, seconds: 3_600 }, true).dollars).toBeCloseTo(0.000_015, 8);
    expect(costOf('websocket', { ...none, frames: million }, true).dollars).toBeCloseTo(1, 5);
    expect(costOf('webhook', { ...none, requests: million }, true).dollars).toBe(5);
    expect(costOf('webhook', { ...none, answerMs: million * 100 }, true).dollars).toBeCloseTo(0.67, 5);
    const page = readFileSync(resolve(import.meta.dirname, '../../../docs/cost.md'), 'utf8');
    for (const row of [
      '| a million short polls | 1.43 |',
      '| a million frames on WebSockets | 1.00 |',
      '| an open connection, for an hour | 0.000015 |',
      '| a held long poll or stream, for an hour | 0.012 |',
      '| a million events that wake a held request | 1.00 |',
      '| a million webhook deliveries, one by one | 5 |',
      '| a million webhook deliveries, for each 100 ms that the endpoint takes to answer | 0.67 |',
      '| a million requests through the front door | 1.10 |',
    ])
      expect(page).toContain(row);
  });

  test('have the calls that docs/architecture.md lists', () => {
    expect(costOf('poll', { ...none, requests: 10, answers: 3 }, true).calls).toBe(13);
    expect(costOf('websocket', { ...none, requests: 1, frames: 7 }, true).calls).toBe(9);
    expect(costOf('webhook', { ...none, requests: 2 }, true).calls).toBe(16);
  });
});

test('numbers are short, and a number that is not known is a dash', () => {
  expect([Number.NaN, 0, 4.25, 12.3, 999, 1_234, 12_340].map(duration)).toEqual([
    '–',
    '0 ms',
    '4.3 ms',
    '12 ms',
    '999 ms',
    '1.23 s',
    '12.3 s',
  ]);
  expect([0, 1_023, 1_536, 3 * 1_024 * 1_024].map(size)).toEqual(['0 B', '1,023 B', '1.5 KB', '3 MB']);
  expect([Number.NaN, 0, 0.000_01, 0.0123, 1.5, 1_234.5].map(dollars)).toEqual([
    '–',
    '$0',
    'under $0.0001',
    '$0.012',
    '$1.50',
    '$1,235',
  ]);
});

test('a text of others cannot hide a character, or turn the direction of what follows', () => {
  expect(visible('a\u202eb\u0000c\u200d\ufeff\u{e0041}\td\ne<script>')).toBe(
    'a\\u{202e}b\\u{0}c\\u{200d}\\u{feff}\\u{e0041}\td\ne<script>',
  );
});
