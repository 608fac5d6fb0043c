/**
 * Cached keys: how long they are used, and how many look-ups an attacker can cause (PROTOCOL.md §7.1, §7.2).
 * @module
 */
import { beforeEach, expect, test } from 'vitest';
import { type Cached, cached } from '../../../lambda/access/cached-keys.ts';
import { Refusal } from '../../../protocol/errors.ts';

const KEPT_MS = 300_000;
const HOUR_MS = 3_600_000;

let now: number;
let lookUps: number;
let source: () => Promise<object>;
let keys: Cached<object>;
beforeEach(() => {
  now = Date.UTC(2026, 0, 1);
  lookUps = 0;
  source = async () => ({ version: lookUps });
  keys = cached({
    lookUp: () => {
      lookUps++;
      return source();
    },
    maxAgeMs: KEPT_MS,
    clock: () => now,
  });
});

const isDown = () => Promise.reject(new Refusal('unavailable', 'down'));

test('are looked up once for all calls, and again when they are too old', async () => {
  const [first, ...others] = await Promise.all(Array.from({ length: 20 }, () => keys()));
  expect(others.every((value) => value === first)).toBe(true);
  now += KEPT_MS - 1;
  expect(await keys()).toBe(first);
  expect(lookUps).toBe(1);
  now += 1;
  expect(await keys()).toEqual({ version: 2 });
});

test('are looked up again at once after a miss, and then not for 30 s', async () => {
  const first = await keys();
  const missed = await Promise.all(Array.from({ length: 20 }, () => keys(true)));
  expect(missed).toEqual(Array(20).fill({ version: 2 }));
  for (; now < Date.UTC(2026, 0, 1) + 30_000; now += 1_000) {
    expect(await keys(true)).toBe(missed[0]);
    expect(await keys()).toBe(missed[0]);
  }
  expect(lookUps).toBe(2);
  expect(await keys(true)).toEqual({ version: 3 });
  expect(first).toEqual({ version: 1 });
});

test('stay in use for an hour while the look-up fails, with an attempt every 30 s', async () => {
  const first = await keys();
  const until = now + HOUR_MS;
  source = isDown;
  for (now += KEPT_MS; now < until; now += 1_000) expect(await keys()).toBe(first);
  expect(lookUps).toBe(1 + (HOUR_MS - KEPT_MS) / 30_000);
  await expect(keys()).rejects.toMatchObject({ code: 'unavailable' });
  source = async () => ({ version: 'new' });
  now += 1_000;
  expect(await keys()).toEqual({ version: 'new' });
});

test('stay in use after a miss if the look-up fails', async () => {
  const first = await keys();
  source = isDown;
  expect(await keys(true)).toBe(first);
  expect(await keys(true)).toBe(first);
  expect(lookUps).toBe(2);
});

test('are unavailable if none were ever known, and are tried again a second later', async () => {
  source = isDown;
  const all = await Promise.allSettled(Array.from({ length: 20 }, () => keys()));
  expect(all.every(({ status }) => status === 'rejected')).toBe(true);
  now += 999;
  await expect(keys()).rejects.toMatchObject({ code: 'unavailable' });
  expect(lookUps).toBe(1);
  source = async () => ({ version: lookUps });
  now += 1;
  expect(await keys()).toEqual({ version: 2 });
});

test('do not hide a defect: it is thrown at once, and each time', async () => {
  const first = await keys();
  source = () => Promise.reject(new Error('not a JSON object'));
  now += KEPT_MS;
  await expect(keys()).rejects.toThrow('not a JSON object');
  await expect(keys()).rejects.toThrow('not a JSON object');
  source = async () => first;
  expect(await keys()).toBe(first);
});
