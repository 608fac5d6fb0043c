/**
 * The quota of streams (lambda/hub/hold/caller-quota.ts): the oldest slots of a caller give way, because Lambda does not say that
 * a reader has left. In virtual time.
 * @module
 */
import { describe, expect, test } from 'vitest';
import {
  alive,
  evictingQuota,
  type QuotaSlot,
  type QuotaStore,
  quotaSlotOf,
} from '../../../../lambda/hub/hold/caller-quota.ts';
import { Refusal } from '../../../../protocol/errors.ts';
import { never } from '../../../support/domain/hold-world.ts';
import { memoryQuota } from '../../../support/domain/memory-quota.ts';
import {
  bookingsOf,
  type QuotaRoom,
  quotaRoom,
  STREAM_MS,
  stream,
} from '../../../support/domain/quota-room.ts';

const busy = new Refusal('unavailable', 'the store is busy; retry');
const missing = new Error('AccessDeniedException: not authorized');

/** Streams as Lambda runs them: no stream is told that its reader has left. It ends with its lifetime, or when its slot is lost. */
function streams(room: QuotaRoom) {
  const open = new Set<QuotaSlot>();
  const at = new Map<QuotaSlot, number>();
  const run = async (slot: QuotaSlot): Promise<void> => {
    await room.time.sleep(STREAM_MS, slot.lost);
    open.delete(slot);
    await slot.leave();
  };
  return {
    open,
    /** Time at which each was opened. */
    at,
    /** Returns true if the stream got a slot. */
    async begin(caller = 'a'): Promise<boolean> {
      const slot = stream(room, caller);
      const isAccepted = await slot.take().then(
        () => true,
        () => false,
      );
      if (!isAccepted) return false;
      open.add(slot);
      at.set(slot, room.clock());
      void run(slot);
      return true;
    },
  };
}

describe('the slots of a caller whose oldest give way', () => {
  const MOST = 25;
  const OVER = 5;

  test.each([
    ['ten a second', 100, 200],
    ['five in two seconds', 400, 52],
    ['one a second', 1_000, 200],
  ])('a caller that reloads %s is never refused', async (_name, everyMs, times) => {
    const room = quotaRoom(evictingQuota(MOST));
    const world = streams(room);
    const reload = async () => {
      for (let n = 0; n < times; n++) {
        expect(await world.begin(), `the ${n + 1}th`).toBe(true);
        expect(world.open.size).toBeLessThanOrEqual(MOST + OVER);
        await room.time.sleep(everyMs, never);
      }
      await room.time.sleep(2_000, never);
      expect(world.open.size).toBeLessThanOrEqual(MOST);
    };
    await room.time.until(reload());
  });

  test('a caller that reloads faster has a few more for a moment, and the newest stay', async () => {
    const room = quotaRoom(evictingQuota(MOST));
    const world = streams(room);
    const reload = async () => {
      let isAccepted = 0;
      for (let n = 0; n < 1_000; n++) {
        if (await world.begin()) isAccepted++;
        expect(world.open.size).toBeLessThanOrEqual(MOST + OVER);
        await room.time.sleep(10, never);
      }
      expect(isAccepted).toBeGreaterThan(MOST + 2 * OVER);
      expect(await world.begin('another caller')).toBe(true);
      await room.time.sleep(2_000, never);
      const newest = [...world.at.values()].toSorted((a, b) => b - a).slice(1, MOST + 1);
      expect([...world.open].map((slot) => world.at.get(slot)).toSorted()).toEqual(
        expect.arrayContaining(newest),
      );
    };
    await room.time.until(reload());
  });

  test('no slot gives way while the caller is within its quota', async () => {
    const room = quotaRoom(evictingQuota(MOST));
    const world = streams(room);
    const stay = async () => {
      for (let n = 0; n < MOST; n++) await world.begin();
      await room.time.sleep(STREAM_MS - 1_000, never);
      expect(world.open.size).toBe(MOST);
      await room.time.sleep(2_000, never);
      expect(world.open.size).toBe(0);
    };
    await room.time.until(stay());
  });

  test('a slot that its holder needs for longer is renewed, and is free a minute after a crash at the latest', async () => {
    const store = memoryQuota();
    const room = quotaRoom(evictingQuota(1), store);
    const long = quotaSlotOf(room, 'a', room.clock() + 840_000);
    const run = async () => {
      await long.take();
      await room.time.sleep(600_000, never);
      expect(long.lost.aborted).toBe(false);
      const stored = bookingsOf('a');
      const [booking] = alive(await store.read(stored), room.clock());
      expect(booking?.until).toBeLessThanOrEqual(room.clock() + 60_000);
      await long.leave();
      expect(await store.read(stored)).toEqual([]);
    };
    await room.time.until(run());
  });

  test.each([
    ['a table that is busy', busy],
    ['a defect, which is logged,', missing],
  ])('%s for a while makes no slot give way, and keeps none from it afterwards', async (_name, error) => {
    const store = memoryQuota();
    let isFailing = false;
    const read: QuotaStore['read'] = (stored) => (isFailing ? Promise.reject(error) : store.read(stored));
    const room = quotaRoom(evictingQuota(1), { ...store, read });
    const [first, second] = [stream(room), stream(room)];
    const run = async () => {
      await first.take();
      isFailing = true;
      await second.take();
      await room.time.sleep(10_000, never);
      expect(first.lost.aborted).toBe(false);
      isFailing = false;
      await room.time.sleep(6_000, never);
      expect([first.lost.aborted, second.lost.aborted]).toEqual([true, false]);
      await Promise.all([first.leave(), second.leave()]);
      expect(new Set(room.defects)).toEqual(new Set(error === missing ? [missing] : []));
    };
    await room.time.until(run());
  });
});
