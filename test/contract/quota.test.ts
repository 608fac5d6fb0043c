/**
 * The quota of callers: a limited number at a time, however often and however late a write is carried out. No caller is locked out for
 * longer than a booking lasts (lambda/hub/hold/caller-quota.ts).
 * @module
 */
import { beforeEach, describe, expect, test } from 'vitest';
import type {
  Booking,
  CountedCaller,
  QuotaStore,
  StoredBooking,
} from '../../lambda/hub/hold/caller-quota.ts';
import { hardOfHearing, NOW, newId, storesUnderTest } from './stores.ts';

const MOST = 5;
const OVER = 2;
const LASTS_MS = 60_000;

describe.each([...storesUnderTest(), hardOfHearing])('%s', (_name, make) => {
  let quota: QuotaStore;
  let absent: Set<string>;
  let caller: string;
  beforeEach(() => {
    ({ quota, absent } = make());
    caller = `caller-${newId()}`;
  });
  const booked = (now: number): Booking => ({ id: newId(), since: now, until: now + LASTS_MS });
  const take = (now = NOW, { who = caller, most = MOST, over = 0 }: Partial<Asked> = {}) =>
    quota.take(who, booked(now), { most, over }, now);
  /** Returns the bookings that were accepted, made one after another. */
  const takeMany = async (times: number, now = NOW, asked: Partial<Asked> = {}): Promise<StoredBooking[]> => {
    const all: StoredBooking[] = [];
    for (let n = 0; n < times; n++) {
      const accepted = await take(now, asked);
      if (accepted) all.push(accepted);
    }
    return all;
  };

  test('a caller may book as many as its quota allows, and another caller has a quota of its own', async () => {
    expect(await takeMany(MOST + 2)).toHaveLength(MOST);
    expect(await take(NOW, { who: `${caller}, a relative` })).toBeDefined();
    expect(await take(NOW, { who: `${caller}${'x'.repeat(4_000)}` })).toBeDefined();
  });

  test('all callers without a name are one caller, and no name equals it', async () => {
    const nameless = await quota.take(undefined, booked(NOW), { most: 1_000, over: 0 }, NOW);
    const empty = await quota.take('', booked(NOW), { most: 1, over: 0 }, NOW);
    expect([nameless, empty]).not.toContain(undefined);
    expect(await quota.take('', booked(NOW), { most: 1, over: 0 }, NOW)).toBeUndefined();
    for (const accepted of [nameless, empty]) if (accepted) await quota.giveBack(accepted);
  });

  test('however many come at the same moment', async () => {
    const all = await Promise.all(Array.from({ length: 4 * MOST }, () => take()));
    expect(all.filter(Boolean)).toHaveLength(MOST);
    expect(await take()).toBeUndefined();
  });

  test('a booking is spare while the caller has no more than may be over, of those that have not ended', async () => {
    const spare = async (now: number) =>
      (await takeMany(4, now, { over: OVER })).map(({ isSpare }) => isSpare);
    expect(await spare(NOW)).toEqual([true, true, false, false]);
    expect(await spare(NOW + LASTS_MS)).toEqual([true, true, false, false]);
    const [none] = await takeMany(1, NOW, { who: `${caller} without`, over: 0 });
    // A caller with a large quota has several rows, of which one says nothing about the others.
    const [wide] = await takeMany(1, NOW, { who: `${caller} of many`, most: 1_000, over: 200 });
    expect([none?.isSpare, wide?.isSpare]).toEqual([false, false]);
  });

  test('a booking that is given back makes room for one more, once', async () => {
    const [first] = await takeMany(MOST);
    for (let n = 0; n < 3; n++) if (first) await quota.giveBack(first);
    expect(await takeMany(3)).toHaveLength(1);
  });

  test('a booking counts once, however often and however late it is written', async () => {
    const booking = booked(NOW);
    const again = () => quota.take(caller, booking, { most: MOST, over: 0 }, NOW);
    for (let n = 0; n < 3; n++) expect(await again()).toBeDefined();
    expect(await takeMany(MOST)).toHaveLength(MOST - 1);
    expect(await again()).toBeDefined();
    expect(await take()).toBeUndefined();
  });

  test('a booking that is written after it was given back uses a place until it expires, not longer', async () => {
    const accepted = await take();
    if (!accepted) throw new Error('refused');
    await quota.giveBack(accepted);
    await quota.take(caller, accepted.booking, { most: MOST, over: 0 }, NOW);
    expect(await takeMany(MOST)).toHaveLength(MOST - 1);
    expect(await takeMany(MOST, NOW + LASTS_MS)).toHaveLength(MOST);
  });

  test('a booking that is not given back is free when it has expired, and no other is', async () => {
    expect(await takeMany(3)).toHaveLength(3);
    const later = NOW + LASTS_MS / 2;
    expect(await takeMany(9, later)).toHaveLength(2);
    expect(await takeMany(9, NOW + LASTS_MS - 1)).toHaveLength(0);
    expect(await takeMany(9, NOW + LASTS_MS)).toHaveLength(3);
    expect(await takeMany(9, later + LASTS_MS)).toHaveLength(2);
  });

  test('a booking that is renewed counts once, and can be given back', async () => {
    const [first] = await takeMany(MOST);
    if (!first) throw new Error('refused');
    const renewed = await quota.renew(first, NOW + 2 * LASTS_MS);
    expect((await quota.read(renewed)).filter(({ id }) => id === first.booking.id)).toEqual([
      renewed.booking,
    ]);
    expect(await takeMany(9, NOW + LASTS_MS)).toHaveLength(MOST - 1);
    await quota.giveBack(renewed);
    expect(await takeMany(9, NOW + LASTS_MS)).toHaveLength(1);
  });

  test('a caller may have some more for a moment if older ones are about to end', async () => {
    const all = await takeMany(9, NOW, { over: OVER });
    expect(all).toHaveLength(MOST + OVER);
    const [first] = all;
    if (!first) throw new Error('refused');
    const seen = (await quota.read(first)).map(({ id }) => id).sort();
    expect(seen).toEqual(all.map(({ booking }) => booking.id).sort());
    await quota.giveBack(first);
    expect(await takeMany(9, NOW, { over: OVER })).toHaveLength(1);
  });

  test('a thousand bookings are counted one by one, and so are those that make room among them', async () => {
    const asked = { most: 1_000 };
    const all: (StoredBooking | undefined)[] = [];
    while (all.length < 990)
      all.push(...(await Promise.all(Array.from({ length: 30 }, () => take(NOW, asked)))));
    expect(all.filter(Boolean)).toHaveLength(990);
    const last = await takeMany(12, NOW, asked);
    expect(last).toHaveLength(10);
    const [some, more] = [all[100], all[900]];
    for (const accepted of [some, more]) if (accepted) await quota.giveBack(accepted);
    expect(await takeMany(4, NOW, asked)).toHaveLength(2);
    expect(await takeMany(4, NOW + LASTS_MS, asked)).toHaveLength(4);
  });

  test('a booking whose connection no longer exists makes room after a minute, before it expires', async () => {
    const lasting = (now: number): Booking => ({ ...booked(now), until: now + 100 * LASTS_MS });
    const open = (now: number) => quota.take(caller, lasting(now), { most: MOST, over: 0 }, now);
    const all = [];
    for (let n = 0; n < MOST; n++) all.push(await open(NOW));
    const [lost] = all;
    absent.add(lost?.booking.id ?? '');
    expect(await open(NOW + LASTS_MS)).toBeDefined();
    expect(await open(NOW + 2 * LASTS_MS)).toBeUndefined();
  });
});

interface Asked {
  readonly who: CountedCaller;
  readonly most: number;
  readonly over: number;
}
