/**
 * The seat of a request that is held: taken when it waits, given back once, and in nobody's way (lambda/hub/tally.ts).
 * @module
 */
import { describe, expect, test } from 'vitest';
import { newChannel } from '../../lambda/hub/channel.ts';
import type { Wake } from '../../lambda/hub/hold.ts';
import { fromSeat, type Seats, seatOf } from '../../lambda/hub/tally.ts';
import { memoryLog } from '../support/memory-log.ts';
import { memoryTally } from '../support/memory-tally.ts';

const WINDOW_MS = 30_000;

function seats(most: number): Seats & { now: number } {
  const world = { now: 0, tally: memoryTally(WINDOW_MS), most, clock: () => world.now };
  return world;
}
const refused = { code: 'too_many_requests', status: 429 };

describe('a seat', () => {
  test('is taken once, and there are so many for each caller', async () => {
    const room = seats(2);
    const [first, second, third] = [seatOf(room, 'a'), seatOf(room, 'a'), seatOf(room, 'a')];
    for (const seat of [first, first, second, second]) await seat.take();
    await expect(third.take()).rejects.toMatchObject(refused);
    await seatOf(room, 'b').take();
    await first.leave();
    await third.take();
  });

  test('that was never taken gives nothing back', async () => {
    const room = seats(1);
    await seatOf(room, 'a').take();
    await seatOf(room, 'a').leave();
    await expect(seatOf(room, 'a').take()).rejects.toMatchObject(refused);
  });

  test('is given back once, however often its holder leaves', async () => {
    const room = seats(2);
    const [stays, leaves] = [seatOf(room, 'a'), seatOf(room, 'a')];
    await stays.take();
    await leaves.take();
    await Promise.all([leaves.leave(), leaves.leave()]);
    await leaves.leave();
    await seatOf(room, 'a').take();
    await expect(seatOf(room, 'a').take()).rejects.toMatchObject(refused);
  });

  test('counts nobody where there is no limit', async () => {
    const tally = {
      take: () => Promise.reject(new Error('asked')),
      giveBack: () => Promise.reject(new Error()),
    };
    const seat = seatOf({ tally, most: 0, clock: () => 0 }, 'a');
    await seat.take();
    await seat.leave();
  });

  test('that cannot be given back keeps no answer from going out, and is forgotten in time', async () => {
    const room = seats(1);
    const broken = { ...room.tally, giveBack: () => Promise.reject(new Error('the table is busy')) };
    const seat = seatOf({ ...room, tally: broken }, 'a');
    await seat.take();
    await seat.leave();
    await expect(seatOf(room, 'a').take()).rejects.toMatchObject(refused);
    room.now = 2 * WINDOW_MS;
    await seatOf(room, 'a').take();
  });

  test('is taken before the wait and not before that, once for all waits of a request', async () => {
    const room = seats(1);
    const waits: number[] = [];
    const wake: Wake = { wait: async (_seen, ms) => void waits.push(ms) };
    const seen = newChannel(
      memoryLog(),
      { name: 'c', contentType: 'application/json', ttlSeconds: undefined, expiresAt: undefined },
      0,
    );
    const { signal } = new AbortController();
    const seat = seatOf(room, 'a');
    const waiting = fromSeat(seat, wake);
    await seatOf(room, 'a').leave();
    await waiting.wait(seen, 1, signal);
    await waiting.wait(seen, 2, signal);
    await expect(fromSeat(seatOf(room, 'a'), wake).wait(seen, 3, signal)).rejects.toMatchObject(refused);
    expect(waits).toEqual([1, 2]);
  });
});
