/**
 * The quota slot of a held request (lambda/hub/hold/caller-quota.ts): it is taken when the request waits, given back once, and kept
 * for the next request of the caller. In virtual time. FUZZ_SEED repeats a run.
 * @module
 */
import { describe, expect, test } from 'vitest';
import {
  alive,
  evictingQuota,
  keptBookings,
  type QuotaStore,
  quotaSlotOf,
  refusingQuota,
  withQuotaSlot,
} from '../../../../lambda/hub/hold/caller-quota.ts';
import type { Wake } from '../../../../lambda/hub/hold/held-read.ts';
import { newChannel } from '../../../../lambda/hub/log/channel.ts';
import { Refusal } from '../../../../protocol/errors.ts';
import { never } from '../../../support/domain/hold-world.ts';
import { codeOf } from '../../../support/domain/json-log.ts';
import { hooked, memoryLog } from '../../../support/domain/memory-log.ts';
import { memoryQuota } from '../../../support/domain/memory-quota.ts';
import { bookingsOf, HELD_MS, held, quotaRoom, STREAM_MS } from '../../../support/domain/quota-room.ts';
import { seededRandom } from '../../../support/domain/random.ts';

const SEED = Number(process.env.FUZZ_SEED ?? Date.now() % 1_000_000);
const busy = new Refusal('unavailable', 'the store is busy; retry');
const missing = new Error('AccessDeniedException: not authorized');
const refused = { code: 'too_many_requests', status: 429 };
/** How long a booking lasts. */
const BOOKED_MS = 60_000;

describe('a quota slot', () => {
  test('is taken once, and each caller has as many as its quota', async () => {
    const room = quotaRoom(refusingQuota(2));
    const [first, second, third] = [held(room), held(room), held(room)];
    for (const slot of [first, first, second, second]) await slot.take();
    await expect(third.take()).rejects.toMatchObject(refused);
    await held(room, 'b').take();
    await first.leave();
    await third.take();
  });

  test('that was never taken gives nothing back', async () => {
    const room = quotaRoom(refusingQuota(1));
    await held(room).take();
    await held(room).leave();
    await expect(held(room).take()).rejects.toMatchObject(refused);
  });

  test('is given back once, however often its holder leaves', async () => {
    const room = quotaRoom(refusingQuota(2));
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
    const room = quotaRoom(evictingQuota(1), store);
    const slot = quotaSlotOf(room, 'a', 10 * STREAM_MS);
    await slot.take();
    await room.time.until(renewing.promise);
    await slot.leave();
    going.resolve();
    await room.time.until(given.promise);
    expect(await quota.read(bookingsOf('a'))).toEqual([]);
  });

  test('is not counted without a limit', async () => {
    const asked = () => Promise.reject(new Error('asked'));
    const store = { take: asked, read: asked, renew: asked, giveBack: asked };
    for (const quota of [refusingQuota(0), evictingQuota(0)]) {
      const slot = held(quotaRoom(quota, store));
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
      const room = quotaRoom(refusingQuota(1), store);
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
    const room = quotaRoom(refusingQuota(1));
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
    const room = quotaRoom(refusingQuota(25), store);
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
    const room = quotaRoom(refusingQuota(25), store);
    const booked = async () => alive(await store.read(bookingsOf('a')), room.clock()).length;
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
      const room = quotaRoom(refusingQuota(most), store);
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
      const first = quotaRoom(refusingQuota(MOST));
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
