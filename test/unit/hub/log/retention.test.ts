/**
 * What the log keeps for the retention, and what a reader is told of the rest (PROTOCOL.md §3, §8).
 * @module
 */
import { describe, expect, test } from 'vitest';
import { create, find } from '../../../../lambda/hub/log/lifecycle.ts';
import { GAP_GRACE_MS } from '../../../../protocol/limits.ts';
import { BEGINNING } from '../../../../protocol/offset.ts';
import { CHANNEL, codeOf, publish, readFrom, values } from '../../../support/domain/json-log.ts';
import { type MemoryLog, memoryLog } from '../../../support/domain/memory-log.ts';

const HOUR_MS = 3_600_000;

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
