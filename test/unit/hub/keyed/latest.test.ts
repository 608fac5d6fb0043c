/**
 * PROTOCOL.md §5.4 and §5.5: the newest message of each key, page by page, and reads without replaced values.
 * @module
 */
import { describe, expect, test } from 'vitest';
import { foldChannel } from '../../../../lambda/hub/keyed/fold-channel.ts';
import { readAll, readConflated } from '../../../../lambda/hub/keyed/read-keyed.ts';
import { append } from '../../../../lambda/hub/log/append.ts';
import { find } from '../../../../lambda/hub/log/lifecycle.ts';
import { readOnce } from '../../../../lambda/hub/log/read-before.ts';
import type { From, ReadResult } from '../../../../lambda/hub/log/read-log.ts';
import { GAP_GRACE_MS } from '../../../../protocol/limits.ts';
import { formatOffset, parseOffset } from '../../../../protocol/offset.ts';
import {
  CHANNEL,
  codeOf,
  losePublish,
  publish,
  requestOf,
  values,
} from '../../../support/domain/json-log.ts';
import { createKeyed, foldTasks, keyValue, publishValues } from '../../../support/domain/keyed-world.ts';
import { type MemoryLog, memoryLog } from '../../../support/domain/memory-log.ts';

async function keyed(): Promise<MemoryLog> {
  const log = memoryLog();
  await createKeyed(log);
  return log;
}

const latest = async (log: MemoryLog, from: From = 'latest'): Promise<ReadResult> =>
  await readAll(log, await find(log, CHANNEL), from);
const conflated = async (log: MemoryLog, from: From): Promise<ReadResult> =>
  await readConflated(log, await find(log, CHANNEL), from);
const fold = (log: MemoryLog) => foldChannel({ log, queue: foldTasks() }, CHANNEL, log.now + 1_000);
const v = keyValue;

describe('latest', () => {
  test('is the newest message of each key in log order, and then the log', async () => {
    const log = await keyed();
    await publishValues(log, v('a', 1), v('b', 2), v('c', 3));
    await publishValues(log, v('a', 4), v('c', 5, true));
    const result = await latest(log);
    expect(values(result)).toEqual([v('b', 2), v('a', 4)]);
    expect(result.upToDate).toBe(true);
    await publishValues(log, v('b', 6));
    expect(values(await latest(log, result.next))).toEqual([v('b', 6)]);
    expect(values(await latest(log))).toEqual([v('a', 4), v('b', 6)]);
  });

  test('is the same with a snapshot, and when the log is gone', async () => {
    const log = await keyed();
    await publishValues(log, v('a', 1), v('b', 2));
    await fold(log);
    await publishValues(log, v('a', 3), v('d', 4));
    const before = values(await latest(log));
    await fold(log);
    log.now += 2 * log.retentionMs;
    expect(values(await latest(log))).toEqual(before);
    await publishValues(log, v('b', 5, true));
    expect(values(await latest(log))).toEqual([v('a', 3), v('d', 4)]);
    await fold(log);
    expect(values(await latest(log))).toEqual([v('a', 3), v('d', 4)]);
  });

  test('pages have positions that go on while keys change, and sort as text', async () => {
    const log = await keyed();
    const keys = Array.from({ length: 20 }, (_, n) => `k${n}`);
    await publishValues(log, ...keys.map((k, n) => v(k, n)));
    let at: From = 'latest';
    const has = new Map<string, number>();
    const offsets: string[] = [];
    for (let n = 100; ; n++) {
      const channel = await find(log, CHANNEL);
      const page = await readOnce(log, channel, { from: at, limit: 3, isConflated: false });
      for (const message of page.messages) {
        const { k, n } = JSON.parse(String(message));
        expect(n, k).toBeGreaterThan(has.get(k) ?? -1);
        has.set(k, n);
      }
      offsets.push(formatOffset(page.next));
      expect(parseOffset(formatOffset(page.next))).toEqual(page.next);
      at = page.next;
      if (page.upToDate) break;
      if (n < 105) await publishValues(log, v(`k${n % 7}`, n));
      if (n % 2 === 0) await fold(log);
    }
    expect(offsets).toEqual(offsets.toSorted());
    expect(offsets[0]).toMatch(/^\d{16}_\d{16}$/);
    expect(Object.fromEntries(has)).toEqual(
      Object.fromEntries(values(await latest(log)).map((value) => Object.values(Object(value)))),
    );
  });

  test('a large fold comes in pages of about 1 MB', async () => {
    const log = await keyed();
    const text = 'x'.repeat(100_000);
    for (let n = 0; n < 25; n++) await publish(log, { k: `k${n}`, text });
    const first = await latest(log);
    expect(first.messages).toHaveLength(9);
    expect([first.upToDate, first.next.foldEnd]).toEqual([false, { entry: 26, index: 0 }]);
    await fold(log);
    const second = await latest(log, first.next);
    const third = await latest(log, second.next);
    expect([second.messages.length, third.messages.length]).toEqual([9, 7]);
    expect([third.upToDate, formatOffset(third.next)]).toEqual([false, '0000000000260000']);
  });

  test('ends before a gap, and goes on from there', async () => {
    const log = await keyed();
    await publishValues(log, v('a', 1));
    await losePublish(log).catch(() => {});
    log.hook = (moment) => {
      if (moment === 'before entries.put') throw new Error('crash');
    };
    await expect(publishValues(log, v('lost', 0))).rejects.toThrow('crash');
    log.hook = () => {};
    await publishValues(log, v('a', 2));
    const early = await latest(log);
    expect([values(early), early.upToDate]).toEqual([[v('a', 1)], false]);
    log.now += GAP_GRACE_MS + 1;
    expect(values(await latest(log, early.next))).toEqual([v('a', 2)]);
    expect(values(await latest(log))).toEqual([v('a', 2)]);
  });

  test('of an empty channel is nothing, and of a channel that does not exist as well', async () => {
    const log = memoryLog();
    const before = await latest(log);
    expect([values(before), formatOffset(before.next), before.upToDate]).toEqual([[], '0'.repeat(16), true]);
    await createKeyed(log);
    expect([values(await latest(log)), (await latest(log)).upToDate]).toEqual([[], true]);
    await publishValues(log, v('a', 1));
    expect(values(await latest(log, before.next))).toEqual([v('a', 1)]);
  });

  test('of a closed channel ends with it', async () => {
    const log = await keyed();
    await publishValues(log, v('a', 1));
    await append(log, requestOf([v('a', 2)], { close: true }));
    for (let n = 0; n < 2; n++) {
      const result = await latest(log);
      expect([values(result), result.closed]).toEqual([[v('a', 2)], true]);
      await fold(log);
    }
  });

  test('is refused on a channel without a key, and so is a page of it', async () => {
    const log = memoryLog();
    await publish(log, 1);
    const page = parseOffset('0000000000000000_0000000000020000') ?? 'latest';
    for (const from of ['latest', page] as const) expect(await codeOf(latest(log, from))).toBe('bad_offset');
    expect(await codeOf(conflated(log, 'beginning'))).toBe('bad_request');
  });

  test('of a former life of the channel is gone', async () => {
    const log = await keyed();
    for (const end of ['0000000000990000', '0000000000000001'])
      expect(await codeOf(latest(log, parseOffset(`0000000000000000_${end}`)))).toBe('offset_gone');
  });
});

describe('conflate', () => {
  test('leaves out what was replaced, keeps removals, and says so', async () => {
    const log = await keyed();
    await publishValues(log, v('a', 1), v('b', 2), v('c', 3));
    await publishValues(log, v('a', 4), v('b', 5, true));
    const all = await conflated(log, 'beginning');
    expect([values(all), all.isConflated, all.upToDate]).toEqual([
      [v('c', 3), v('a', 4), v('b', 5, true)],
      true,
      true,
    ]);
    await publishValues(log, v('d', 6));
    const rest = await conflated(log, all.next);
    expect([values(rest), rest.isConflated]).toEqual([[v('d', 6)], false]);
  });

  test('an answer that is cut goes on where it ended, within an entry too', async () => {
    const log = await keyed();
    await publishValues(log, v('a', 1), v('b', 2), v('c', 3), v('a', 4), v('d', 5));
    const seen: unknown[] = [];
    for (let from: From = 'beginning'; ; ) {
      const channel = await find(log, CHANNEL);
      const page = await readOnce(log, channel, { from, limit: 1, isConflated: true });
      seen.push(...values(page));
      if (page.upToDate) break;
      from = page.next;
    }
    expect(seen).toEqual([v('b', 2), v('c', 3), v('a', 4), v('d', 5)]);
  });
});
