import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { pollAfterSeconds } from '../../../../lambda/hub/log/channel.ts';
import { create, find, remove } from '../../../../lambda/hub/log/lifecycle.ts';
import { GAP_GRACE_MS } from '../../../../protocol/limits.ts';
import { BEGINNING } from '../../../../protocol/offset.ts';
import { CHANNEL, codeOf, publish, readFrom, values } from '../../../support/domain/json-log.ts';
import { type MemoryLog, memoryLog } from '../../../support/domain/memory-log.ts';

const HOUR_MS = 3_600_000;

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

describe('retention', () => {
  /** Holds the next publish between its two writes. */
  function holdNext(log: MemoryLog): () => void {
    const held = Promise.withResolvers<void>();
    log.hook = async (moment) => {
      if (moment !== 'before entries.put') return;
      log.hook = () => {};
      await held.promise;
    };
    return held.resolve;
  }

  async function claimed(log: MemoryLog, next: number): Promise<void> {
    await expect.poll(async () => (await find(log, CHANNEL)).next).toBe(next);
  }

  test('history that is gone is announced, and the beginning is the oldest message that is kept', async () => {
    const log = memoryLog({ retentionMs: HOUR_MS });
    const afterOld = await publish(log, 'old');
    const old = { entry: afterOld.entry - 1, index: 0 };
    log.now += HOUR_MS / 2;
    await publish(log, 'young');
    log.now += HOUR_MS / 2;
    const { streamId } = await find(log, CHANNEL);
    // DynamoDB deletes an expired item up to days later. That must change nothing.
    for (const remove of [() => {}, () => log.slots(streamId).delete(old.entry)]) {
      remove();
      expect(await codeOf(readFrom(log, old))).toBe('offset_gone');
      expect(await codeOf(readFrom(log, BEGINNING))).toBe('offset_gone');
      expect(values(await readFrom(log, afterOld))).toEqual(['young']);
      expect(values(await readFrom(log, 'beginning'))).toEqual(['young']);
    }
  });

  test('a channel without a message that is kept begins at its end', async () => {
    const log = memoryLog({ retentionMs: HOUR_MS });
    const end = await publish(log, 'old');
    log.now += HOUR_MS;
    const empty = { from: end, next: end, messages: [], upToDate: true, closed: false };
    expect(await readFrom(log, 'beginning')).toMatchObject(empty);
    expect(await readFrom(log, end)).toMatchObject(empty);
  });

  test('pages of expired entries that the store has not deleted are skipped', async () => {
    const log = memoryLog({ retentionMs: HOUR_MS });
    for (let n = 0; n < 130; n++) await publish(log, n);
    log.now += HOUR_MS / 2;
    await publish(log, 'kept');
    log.now += HOUR_MS / 2;
    expect(values(await readFrom(log, 'beginning'))).toEqual(['kept']);
  });

  test.each([
    ['a channel whose last message has expired', HOUR_MS, 1],
    ['a channel whose last message expired long ago', 100 * HOUR_MS, 1],
    ['one that was about to', HOUR_MS - 1, 1],
    ['one that never had any', 2 * HOUR_MS, 0],
  ])(
    'to %s two publishers come at once, one of them slow, and no reader misses either message',
    async (_name, silence, old) => {
      for (const slowness of [0, GAP_GRACE_MS - 1]) {
        const log = memoryLog({ retentionMs: HOUR_MS, channelCreation: 'explicit' });
        const request = {
          channel: CHANNEL,
          contentType: 'application/json',
          close: false,
          body: Buffer.from(''),
        };
        await create(log, { ...request, ttlSeconds: undefined, expiresAt: undefined });
        for (let n = 0; n < old; n++) await publish(log, 'old');
        log.now += silence;
        const { next } = await find(log, CHANNEL);
        const release = holdNext(log);
        const slow = publish(log, 'slow');
        await claimed(log, next + 1);
        await publish(log, 'quick');
        log.now += slowness;
        const early = await readFrom(log, 'beginning');
        const poller = await readFrom(log, { entry: next, index: 0 });
        expect([...values(early), ...values(poller)].filter((message) => message !== 'old')).toEqual([]);
        release();
        await slow;
        expect(values(await readFrom(log, early.next))).toEqual(['slow', 'quick']);
        expect(values(await readFrom(log, poller.next))).toEqual(['slow', 'quick']);
      }
    },
  );

  test('after the retention was shortened, a reader that starts at the beginning reads on to the end', async () => {
    const log = memoryLog({ retentionMs: 24 * HOUR_MS });
    await publish(log, 'long');
    const short = { ...log, clock: () => log.now, retentionMs: HOUR_MS };
    const afterLong = await publish(short, 'short').then(({ entry }) => ({ entry: entry - 1, index: 0 }));
    log.now += 2 * HOUR_MS;
    await publish(short, 'new');
    log.now += GAP_GRACE_MS + 1;
    const { streamId } = await find(short, CHANNEL);
    for (const remove of [() => {}, () => log.slots(streamId).delete(afterLong.entry)]) {
      remove();
      expect(await codeOf(readFrom(short, afterLong))).toBe('offset_gone');
      const result = await readFrom(short, 'beginning');
      expect(values(result)).toEqual(['new']);
      expect((await readFrom(short, result.next)).upToDate).toBe(true);
    }
  });

  test('after the retention was lengthened, an entry that left before is announced, and is no gap', async () => {
    const log = memoryLog({ retentionMs: HOUR_MS });
    await publish(log, 'short');
    const { streamId, origin } = await find(log, CHANNEL);
    log.now += HOUR_MS / 2;
    const long = { ...log, clock: () => log.now, retentionMs: 24 * HOUR_MS };
    await publish(long, 'long');
    log.now += HOUR_MS;
    log.slots(streamId).delete(origin);
    expect(await codeOf(readFrom(long, { entry: origin, index: 0 }))).toBe('offset_gone');
    expect(values(await readFrom(long, 'beginning'))).toEqual(['long']);
  });
});

describe('lives of a channel', () => {
  const request = { channel: CHANNEL, contentType: 'application/json', close: false, body: Buffer.from('') };

  test('a channel that is created again shows nothing of the deleted one, and refuses its offsets', async () => {
    const log = memoryLog();
    await publish(log, 1);
    const end = await publish(log, 2);
    await remove(log, CHANNEL);
    expect(values(await readFrom(log, 'beginning'))).toEqual([]);
    // A channel takes less than one publish each millisecond.
    log.now += 10;
    for (let n = 0; n < 5; n++) await publish(log, n);
    expect(values(await readFrom(log, 'beginning'))).toEqual([0, 1, 2, 3, 4]);
    expect(values(await readFrom(log, BEGINNING))).toEqual([0, 1, 2, 3, 4]);
    expect(await codeOf(readFrom(log, end))).toBe('offset_gone');
  });

  test('a TTL restarts with reads and writes; then the channel is gone, and an implicit publish creates a new one', async () => {
    const log = memoryLog();
    await create(log, { ...request, ttlSeconds: 10, expiresAt: undefined });
    log.now += 9_999;
    await publish(log, 1);
    log.now += 9_999;
    expect(values(await readFrom(log, 'beginning'))).toEqual([1]);
    log.now += 10_000;
    expect(await codeOf(remove(log, CHANNEL))).toBe('channel_not_found');
    await publish(log, 2);
    expect(values(await readFrom(log, 'beginning'))).toEqual([2]);
  });

  test('Expires-At does not restart', async () => {
    const log = memoryLog({ channelCreation: 'explicit' });
    const expiresAt = new Date(log.now + 10_000).toISOString();
    await create(log, { ...request, ttlSeconds: undefined, expiresAt });
    log.now += 9_999;
    await publish(log, 1);
    log.now += 1;
    expect(await codeOf(publish(log, 2))).toBe('channel_not_found');
    expect(await codeOf(readFrom(log, 'beginning'))).toBe('channel_not_found');
  });

  test('a creation with messages is all or nothing, wherever it crashes', async () => {
    for (const moment of ['before entries.put', 'after entries.put', 'before channels.create']) {
      const log = memoryLog({ channelCreation: 'explicit' });
      const wanted = {
        ...request,
        body: Buffer.from('["first"]'),
        ttlSeconds: undefined,
        expiresAt: undefined,
      };
      log.hook = (now) => {
        if (now === moment) throw new Error('crash');
      };
      await expect(create(log, wanted)).rejects.toThrow('crash');
      log.hook = () => {};
      expect(await codeOf(find(log, CHANNEL)), moment).toBe('channel_not_found');
      expect((await create(log, wanted)).created).toBe(true);
      expect(values(await readFrom(log, 'beginning'))).toEqual(['first']);
    }
  });

  test('of two requests that create a channel at once, one creates it and the other finds it', async () => {
    const log = memoryLog({ channelCreation: 'explicit' });
    const wanted = { ...request, ttlSeconds: undefined, expiresAt: undefined };
    const both = await Promise.all([create(log, wanted), create(log, wanted)]);
    expect(both.map(({ created }) => created).sort()).toEqual([false, true]);
    expect(await codeOf(create(log, { ...wanted, ttlSeconds: 5 }))).toBe('channel_exists');
  });
});

describe('the advice to a reader that polls', () => {
  test.each([
    [0, 1],
    [10_000, 1],
    [10_001, 2],
    [60_000, 6],
    [299_999, 30],
    [86_400_000, 30],
  ])('after a silence of %d ms is to ask again in %d s', async (silence, seconds) => {
    const log = memoryLog();
    await publish(log, 1);
    const channel = await find(log, CHANNEL);
    expect(pollAfterSeconds(channel, log.now + silence)).toBe(seconds);
    // The clock of the process that published may be ahead.
    expect(pollAfterSeconds(channel, log.now - 1_000)).toBe(1);
  });

  test('on a channel without a message is to ask again in 5 s', async () => {
    const log = memoryLog();
    expect(pollAfterSeconds(await find(log, CHANNEL), log.now)).toBe(5);
    await create(log, {
      channel: CHANNEL,
      contentType: 'text/plain',
      ttlSeconds: undefined,
      expiresAt: undefined,
      close: false,
      body: Buffer.from(''),
    });
    expect(pollAfterSeconds(await find(log, CHANNEL), log.now + 3_600_000)).toBe(5);
  });
});
