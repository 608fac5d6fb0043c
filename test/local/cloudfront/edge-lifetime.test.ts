/**
 * The cache of the edge: how long it keeps answers, and how many.
 */
import { describe, expect, it } from 'vitest';
import { createCopies } from '../../../local/cloudfront/edge-copies.ts';
import { lifetimeOf } from '../../../local/cloudfront/edge-lifetime.ts';
import type { CachePolicy } from '../../../local/cloudfront/edge-policy.ts';

const MAX_TTL = 60;
const POLICY: CachePolicy = {
  minTtl: 0,
  defaultTtl: 0,
  maxTtl: MAX_TTL,
  headers: [],
  keyOf: ({ uri }) => uri,
};
const now = Date.UTC(2026, 0, 1);

it('the oldest copies are removed when there are too many bytes', () => {
  const copies = createCopies(10_000);
  const times = { storedAt: 0, freshUntil: 0, staleUntil: 0 };
  const copy = { status: 200, headers: {}, body: Buffer.alloc(3_000), ...times };
  for (const key of ['a', 'b', 'b', 'c']) copies.set(key, copy);
  expect([copies.get('a'), copies.get('b'), copies.get('c')]).toEqual([undefined, copy, copy]);
});

describe('a lifetime', () => {
  const ttlOf = (cacheControl: string | undefined, policy: Partial<CachePolicy> = {}, more: object = {}) =>
    lifetimeOf(
      { status: 200, headers: { 'cache-control': cacheControl, ...more } },
      { ...POLICY, ...policy },
      10,
      now,
    ).ttl;

  it.each<[string | undefined, number | undefined]>([
    ['max-age=30', 30],
    ['public, max-age=3600', MAX_TTL],
    ['max-age=30, s-maxage=10', 10],
    ['MAX-AGE="30"', 30],
    ['no-cache', 0],
    ['no-cache, max-age=30', 0],
    ['no-store', undefined],
    ['private, max-age=30', undefined],
    [undefined, 0],
  ])('%s is %s s', (cacheControl, ttl) => expect(ttlOf(cacheControl)).toBe(ttl));

  it.each([
    [206, false],
    [304, true],
  ])('a %i is not stored; requests that wait for it get it: %s', (status, isShared) => {
    const headers = { 'cache-control': 'max-age=30' };
    expect(lifetimeOf({ status, headers }, POLICY, 10, now)).toMatchObject({ ttl: undefined, isShared });
  });

  it('has a minimum and a default', () => {
    expect(ttlOf(undefined, { defaultTtl: 20 })).toBe(20);
    expect(ttlOf('no-store', { minTtl: 5 })).toBe(5);
    expect(ttlOf('max-age=1', { minTtl: 5 })).toBe(5);
    expect(ttlOf(undefined, {}, { expires: new Date(now + 30_000).toUTCString() })).toBeCloseTo(30, 0);
    expect(ttlOf('max-age=10', {}, { expires: new Date(now + 30_000).toUTCString() })).toBe(10);
  });
});
