/**
 * The log gives back what was published: in order, once, across gaps, crashes and all interleavings.
 * @module
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { find } from '../../../../lambda/hub/log/lifecycle.ts';
import { GAP_GRACE_MS } from '../../../../protocol/limits.ts';
import { CHANNEL, codeOf, publish, readFrom, values } from '../../../support/domain/json-log.ts';
import { type MemoryLog, memoryLog } from '../../../support/domain/memory-log.ts';

/** Removes the entry in a slot, as if its publisher had crashed between its two writes. */
async function lose(log: MemoryLog, nth: number): Promise<void> {
  const { streamId, origin } = await find(log, CHANNEL);
  expect(log.slots(streamId).delete(origin + nth)).toBe(true);
}

describe('what was published is read back', () => {
  test('in order, from any offset', async () => {
    const log = memoryLog();
    const afterFirst = await publish(log, 1);
    const afterSecond = await publish(log, 2, 3, 4);
    expect(values(await readFrom(log, 'beginning'))).toEqual([1, 2, 3, 4]);
    expect(values(await readFrom(log, afterFirst))).toEqual([2, 3, 4]);
    expect(values(await readFrom(log, { entry: afterFirst.entry, index: 2 }))).toEqual([4]);
    const end = await readFrom(log, afterSecond);
    expect(end).toMatchObject({
      from: afterSecond,
      next: afterSecond,
      messages: [],
      upToDate: true,
      closed: false,
    });
    expect(await readFrom(log, 'now')).toEqual(end);
  });

  test('page by page, and only the last is up to date', async () => {
    const log = memoryLog();
    for (let n = 0; n < 120; n++) await publish(log, n);
    const seen: unknown[] = [];
    let result = await readFrom(log, 'beginning');
    for (seen.push(...values(result)); !result.upToDate; seen.push(...values(result))) {
      result = await readFrom(log, result.next);
    }
    expect(seen).toEqual(Array.from({ length: 120 }, (_, n) => n));
  });

  test('an offset that no message ever had is refused', async () => {
    const log = memoryLog();
    await publish(log, 1);
    const { origin, next } = await find(log, CHANNEL);
    expect(await codeOf(readFrom(log, { entry: origin, index: 1 }))).toBe('bad_offset');
    expect(await codeOf(readFrom(log, { entry: next, index: 1 }))).toBe('offset_gone');
    expect(await codeOf(readFrom(log, { entry: next + 1, index: 0 }))).toBe('offset_gone');
  });
});

describe('gaps', () => {
  test('hold readers back for the grace, and are then sealed for ever', async () => {
    const log = memoryLog();
    for (const n of [0, 1, 2, 3]) await publish(log, n);
    await lose(log, 1);
    log.now += GAP_GRACE_MS;
    const held = await readFrom(log, 'beginning');
    expect([values(held), held.upToDate, held.isGap]).toEqual([[0], false, true]);
    log.now += 1;
    expect(values(await readFrom(log, held.next))).toEqual([2, 3]);
  });

  test('of several slots are sealed one by one', async () => {
    const log = memoryLog();
    for (let n = 0; n < 40; n++) await publish(log, n);
    for (let slot = 0; slot < 39; slot++) await lose(log, slot);
    log.now += GAP_GRACE_MS + 1;
    const first = await readFrom(log, 'beginning');
    expect([values(first), first.upToDate]).toEqual([[], false]);
    expect(values(await readFrom(log, first.next))).toEqual([39]);
  });

  test('that are young end a read, however much is beyond them', async () => {
    const log = memoryLog();
    for (let n = 0; n < 120; n++) await publish(log, n);
    await lose(log, 0);
    const result = await readFrom(log, 'beginning');
    expect([values(result), result.upToDate, result.isGap]).toEqual([[], false, true]);
  });

  test('a publisher that comes after the seal takes another slot, and its message is in the log once', async () => {
    const log = memoryLog();
    await publish(log, 'first');
    const late = Promise.withResolvers<void>();
    log.hook = async (moment) => {
      if (moment !== 'before entries.put') return;
      log.hook = () => {};
      await late.promise;
    };
    const slow = publish(log, 'slow');
    const { origin } = await find(log, CHANNEL);
    await expect.poll(async () => (await find(log, CHANNEL)).next).toBe(origin + 2);
    await publish(log, 'third');
    log.now += GAP_GRACE_MS + 1;
    expect(values(await readFrom(log, 'beginning'))).toEqual(['first', 'third']);
    late.resolve();
    await slow;
    expect(values(await readFrom(log, 'beginning'))).toEqual(['first', 'third', 'slow']);
  });
});

test('a crash at every await of append loses nothing acknowledged and repeats nothing', async () => {
  const moments = ['channels.reserve', 'entries.put'].flatMap((call) => [`before ${call}`, `after ${call}`]);
  const seenMoments = new Set<string>();
  for (const moment of moments) {
    const log = memoryLog();
    await publish(log, 'before');
    log.hook = (now) => {
      seenMoments.add(now);
      if (now === moment) throw new Error('crash');
    };
    await expect(publish(log, 'crashed')).rejects.toThrow('crash');
    log.hook = () => {};
    await publish(log, 'retry');
    log.now += GAP_GRACE_MS + 1;
    await publish(log, 'after');
    const stored =
      moment === 'after entries.put' ? ['before', 'crashed', 'retry', 'after'] : ['before', 'retry', 'after'];
    expect(values(await readFrom(log, 'beginning')), moment).toEqual(stored);
  }
  expect([...seenMoments].sort()).toEqual([...moments].sort());
});

test('in every interleaving, a reader that follows sees every acknowledged message once, in one order', async () => {
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), fc.integer({ min: 2, max: 6 }), async (scheduler, writers) => {
      const log = memoryLog();
      await publish(log, 'start');
      const start = (await readFrom(log, 'now')).next;
      log.hook = (moment) => scheduler.schedule(Promise.resolve(), moment);
      const writing = Array.from({ length: writers }, (_, n) => publish(log, n));
      const seen: unknown[] = [];
      const following = (async () => {
        let from = start;
        for (let reads = 0; reads < 4; reads++) {
          const result = await readFrom(log, from);
          seen.push(...values(result));
          from = result.next;
        }
        return from;
      })();
      await scheduler.waitFor(Promise.all([...writing, following]));
      log.hook = () => {};
      seen.push(...values(await readFrom(log, await following)));
      expect([...seen].sort()).toEqual(Array.from({ length: writers }, (_, n) => n));
      expect(values(await readFrom(log, start))).toEqual(seen);
    }),
    { numRuns: 300 },
  );
});
