/**
 * The quota slot of a held request (lambda/hub/hold/caller-quota.ts): it is taken when the request waits, given back once, and given up
 * for a newer one. In virtual time.
 * @module
 */
import { describe, expect, test } from 'vitest';
import {
  alive,
  evictingQuota,
  keptBookings,
  type Quota,
  type QuotaParts,
  type QuotaSlot,
  type QuotaStore,
  quotaSlotOf,
  refusingQuota,
  withQuotaSlot,
} from '../../../../lambda/hub/hold/caller-quota.ts';
import type { Wake } from '../../../../lambda/hub/hold/held-read.ts';
import { newChannel } from '../../../../lambda/hub/log/channel.ts';
import { Refusal } from '../../../../protocol/errors.ts';
import { codeOf } from '../../../support/domain/json-log.ts';
import { hooked, memoryLog } from '../../../support/domain/memory-log.ts';
import { memoryQuota } from '../../../support/domain/memory-quota.ts';
import { seededRandom } from '../../../support/domain/random.ts';
import { type VirtualTime, virtualTime } from '../../../support/domain/virtual-time.ts';

const SEED = Number(process.env.FUZZ_SEED ?? Date.now() % 1_000_000);
const never = new AbortController().signal;
const busy = new Refusal('unavailable', 'the store is busy; retry');
const missing = new Error('AccessDeniedException: not authorized');
const refused = { code: 'too_many_requests', status: 429 };
const HELD_MS = 25_000;
const STREAM_MS = 60_000;
/** How long a booking lasts. */
const BOOKED_MS = 60_000;

interface Room extends QuotaParts {
  /** Errors that were logged for the operator. */
  readonly defects: unknown[];
  readonly time: VirtualTime;
}

function roomFor(quota: Quota | undefined, store: QuotaStore = memoryQuota()): Room {
  const time = virtualTime();
  let ids = 0;
  const newId = () => String(++ids).padStart(8, '0');
  const defects: unknown[] = [];
  const logDefect = (error: unknown) => void defects.push(error);
  return {
    store,
    quota,
    clock: time.now,
    timer: time,
    newId,
    logDefect,
    kept: keptBookings(),
    time,
    defects,
  };
}
const held = (room: Room, caller = 'a') => quotaSlotOf(room, caller, room.clock() + HELD_MS);
const stream = (room: Room, caller = 'a') => quotaSlotOf(room, caller, room.clock() + STREAM_MS);

describe('a quota slot', () => {
  test('is taken once, and each caller has as many as its quota', async () => {
    const room = roomFor(refusingQuota(2));
    const [first, second, third] = [held(room), held(room), held(room)];
    for (const slot of [first, first, second, second]) await slot.take();
    await expect(third.take()).rejects.toMatchObject(refused);
    await held(room, 'b').take();
    await first.leave();
    await third.take();
  });

  test('that was never taken gives nothing back', async () => {
    const room = roomFor(refusingQuota(1));
    await held(room).take();
    await held(room).leave();
    await expect(held(room).take()).rejects.toMatchObject(refused);
  });

  test('is given back once, however often its holder leaves', async () => {
    const room = roomFor(refusingQuota(2));
    const [stays, leaves] = [held(room), held(room)];
    await stays.take();
    await leaves.take();
    await Promise.all([leaves.leave(), leaves.leave()]);
    await leaves.leave();
    await held(room).take();
    await expect(held(room).take()).rejects.toMatchObject(refused);
  });

  test('is free when its request ends while its booking is renewed', async () => {
    const quota = memoryQuota();
    const renewing = Promise.withResolvers<void>();
    const going = Promise.withResolvers<void>();
    const given = Promise.withResolvers<void>();
    const store: QuotaStore = {
      ...quota,
      async renew(...args) {
        renewing.resolve();
        await going.promise;
        return await quota.renew(...args);
      },
      async giveBack(stored) {
        await quota.giveBack(stored);
        // The request gives back what it knows. The renewal gives back what it has written.
        if (stored.booking.until > BOOKED_MS) given.resolve();
      },
    };
    const room = roomFor(evictingQuota(1), store);
    const slot = quotaSlotOf(room, 'a', 10 * STREAM_MS);
    await slot.take();
    await room.time.until(renewing.promise);
    await slot.leave();
    going.resolve();
    await room.time.until(given.promise);
    const [owner] = [
      { caller: 'a', booking: { id: '', since: 0, until: 0 }, row: 0, room: 1, isSpare: false },
    ];
    expect(await quota.read(owner)).toEqual([]);
  });

  test('is not counted without a limit', async () => {
    const asked = () => Promise.reject(new Error('asked'));
    const store = { take: asked, read: asked, renew: asked, giveBack: asked };
    for (const quota of [refusingQuota(0), evictingQuota(0)]) {
      const slot = held(roomFor(quota, store));
      await slot.take();
      await slot.leave();
    }
  });

  test.each([
    ['a table that is busy', busy, []],
    ['a defect, which is logged', missing, [missing]],
  ])(
    'that cannot be given back because of %s keeps no answer from going out, and is free when its request had to end',
    async (_name, error, logged) => {
      const store = { ...memoryQuota(), giveBack: () => Promise.reject(error) };
      const room = roomFor(refusingQuota(1), store);
      const slot = held(room);
      await slot.take();
      await slot.leave();
      expect(room.defects).toEqual(logged);
      await expect(held(room).take()).rejects.toMatchObject(refused);
      await room.time.until(room.time.sleep(HELD_MS, never));
      await held(room).take();
    },
  );

  test('is taken when the request waits and not before, once for all its waits', async () => {
    const room = roomFor(refusingQuota(1));
    const waits: number[] = [];
    const wake: Wake = { mark: () => 7, wait: async (_seen, ms) => void waits.push(ms) };
    const channel = newChannel(
      memoryLog(),
      { name: 'c', contentType: 'application/json', ttlSeconds: undefined, expiresAt: undefined },
      0,
    );
    const seen = { channel, slot: channel.next, mark: 7 };
    const slot = held(room);
    const waiting = withQuotaSlot(slot, wake);
    await held(room).leave();
    await waiting.wait(seen, 1, never);
    await waiting.wait(seen, 2, never);
    await expect(withQuotaSlot(held(room), wake).wait(seen, 3, never)).rejects.toMatchObject(refused);
    expect(waits).toEqual([1, 2]);
  });
});

/** Streams as Lambda runs them: no stream is told that its reader has left. It ends with its lifetime, or when its slot is lost. */
function streams(room: Room) {
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
    const room = roomFor(evictingQuota(MOST));
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
    const room = roomFor(evictingQuota(MOST));
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
    const room = roomFor(evictingQuota(MOST));
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
    const room = roomFor(evictingQuota(1), store);
    const long = quotaSlotOf(room, 'a', room.clock() + 840_000);
    const run = async () => {
      await long.take();
      await room.time.sleep(600_000, never);
      expect(long.lost.aborted).toBe(false);
      const stored = {
        caller: 'a',
        booking: { id: '', since: 0, until: 0 },
        row: 0,
        room: 1,
        isSpare: false,
      };
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
    const room = roomFor(evictingQuota(1), { ...store, read });
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

describe('the slot of a request that has ended', () => {
  /** Counts the writes of a store. */
  const counting = (store = memoryQuota()) => {
    const writes = { of: 0 };
    const counted: QuotaStore = hooked('quota', store, () => (moment) => {
      if (moment.startsWith('before') && !moment.endsWith('read')) writes.of++;
    });
    return { store: counted, writes };
  };

  test('is used by the next request of the caller in the process, so that quick polls write once in 25 s', async () => {
    const { store, writes } = counting();
    const room = roomFor(refusingQuota(25), store);
    const run = async () => {
      for (let n = 0; n < 100; n++) {
        const slot = held(room);
        await slot.take();
        await room.time.sleep(200, never);
        await slot.leave();
      }
    };
    await room.time.until(run());
    expect(writes.of).toBe(1);
  });

  test('is renewed while the next request waits, and is not given to another caller, nor to two requests', async () => {
    const { store } = counting();
    const room = roomFor(refusingQuota(25), store);
    const owner = { caller: 'a', booking: { id: '', since: 0, until: 0 }, row: 0, room: 1, isSpare: false };
    const booked = async () => alive(await store.read(owner), room.clock()).length;
    const run = async () => {
      const first = held(room);
      await first.take();
      await room.time.sleep(10_000, never);
      await first.leave();
      const [second, third, other] = [held(room), held(room), held(room, 'b')];
      for (const slot of [second, third, other]) await slot.take();
      expect(await booked()).toBe(2);
      await room.time.sleep(HELD_MS - 100, never);
      expect(await booked()).toBe(2);
      await room.time.sleep(200, never);
      expect(await booked()).toBe(0);
    };
    await room.time.until(run());
  });

  test('is given back by a caller that uses many, and by a caller with a small quota', async () => {
    for (const [most, count] of [
      [25, 6],
      [4, 1],
    ] as const) {
      const { store, writes } = counting();
      const room = roomFor(refusingQuota(most), store);
      const slots = Array.from({ length: count }, () => held(room));
      for (const slot of slots) await slot.take();
      await slots.at(-1)?.leave();
      expect(writes.of).toBe(count + 1);
    }
  });

  test('in random schedules of processes, no caller is refused that has fewer requests than its quota, and none has a fifth more', async () => {
    const random = seededRandom(SEED);
    const MOST = 10;
    let refusals = 0;
    for (let at = 0; at < 50; at++) {
      const first = roomFor(refusingQuota(MOST));
      // Lambda chooses the process. It may freeze one, with what the process has kept.
      const processes = Array.from({ length: 1 + Math.floor(random() * 20) }, () => ({
        ...first,
        kept: keptBookings(),
      }));
      let waiting = 0;
      const one = async (): Promise<void> => {
        await first.time.sleep(random() * 30_000, never);
        const room = processes[Math.floor(random() * processes.length)] ?? first;
        const slot = held(room);
        const code = await codeOf(slot.take());
        if (code === 'done') {
          waiting++;
          expect(waiting, `seed ${SEED}`).toBeLessThanOrEqual(MOST + MOST / 5);
          await first.time.sleep(random() < 0.5 ? random() * 500 : random() * HELD_MS, never);
          waiting--;
          await slot.leave();
        } else {
          expect([code, waiting >= MOST], `seed ${SEED}`).toEqual(['too_many_requests', true]);
          refusals++;
        }
      };
      await first.time.until(Promise.all(Array.from({ length: 80 }, one)));
    }
    expect(refusals).toBeGreaterThan(0);
  });
});
