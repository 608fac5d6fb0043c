/**
 * PROTOCOL.md §5.3: the last messages, messages before an offset, and messages since a time, against the whole log, over random
 * histories with gaps, tombstones, epochs and closings. SEED repeats a run.
 * @module
 */
import { describe, expect, test } from 'vitest';
import { append } from '../../../../lambda/hub/log/append.ts';
import { find } from '../../../../lambda/hub/log/lifecycle.ts';
import { type ReadBefore, readBefore, readOnce } from '../../../../lambda/hub/log/read-before.ts';
import { type LogStart, limited, type ReadResult } from '../../../../lambda/hub/log/read-log.ts';
import { GAP_GRACE_MS } from '../../../../protocol/limits.ts';
import { formatOffset, isBefore, type Position } from '../../../../protocol/offset.ts';
import {
  CHANNEL,
  codeOf,
  losePublish,
  publish,
  readFrom,
  requestOf,
  values,
} from '../../../support/domain/json-log.ts';
import { type MemoryLog, memoryLog } from '../../../support/domain/memory-log.ts';
import { seededRandom } from '../../../support/domain/random.ts';
import { share } from '../../../support/thorough.ts';

const RETENTION_MS = 7 * 86_400_000;
const SCHEDULES = share(10_000);
const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);

/** One message of the log. */
interface Known {
  readonly at: Position;
  readonly value: unknown;
  readonly time: number;
}

const back = async (log: MemoryLog, before: Position | 'now', most: number): Promise<ReadBefore> =>
  await readBefore(log, await find(log, CHANNEL), before, most);

const known = (result: ReadResult): Known[] =>
  result.entries.flatMap(({ slot, first, messages, time }) =>
    messages.map((message, index) => ({
      at: { entry: slot, index: first + index },
      value: JSON.parse(String(message)),
      time,
    })),
  );

/** Reads the whole log from a start on. */
async function readAll(log: MemoryLog, from: LogStart): Promise<Known[]> {
  const all: Known[] = [];
  for (let at = from; ; ) {
    const result = await readFrom(log, at);
    all.push(...known(result));
    if (result.upToDate) return all;
    at = result.next;
  }
}

/** Appends messages, loses publishes and lets time pass. */
async function live(
  log: MemoryLog,
  random: () => number,
  steps: number,
  count: { n: number },
): Promise<void> {
  for (let step = 0; step < steps; step++) {
    const what = random();
    if (what < 0.6) {
      const messages = Array.from({ length: 1 + Math.floor(random() * 5) }, () => count.n++);
      await publish(log, ...messages);
    } else if (what < 0.75) await losePublish(log);
    else if (what < 0.95) log.now += Math.floor(random() * 2 * GAP_GRACE_MS);
    else log.now += Math.floor(random() * 1.5 * RETENTION_MS);
  }
}

describe(`${SCHEDULES} random histories (SEED=${SEED})`, () => {
  test('are read alike forwards and backwards', async () => {
    for (let nth = 0; nth < SCHEDULES; nth++) {
      const random = seededRandom(SEED + nth);
      const seed = { seed: SEED + nth };
      const log = memoryLog({ retentionMs: RETENTION_MS });
      const count = { n: 0 };
      await live(log, random, 12, count);
      const early = await back(log, 'now', 1 + Math.floor(random() * 20));
      const isClosed = random() < 0.3;
      if (isClosed) await append(log, requestOf([count.n++], { close: true })).catch(() => undefined);
      else await publish(log, count.n++);
      log.now += GAP_GRACE_MS + 1;
      const all = await readAll(log, 'beginning');

      // What was answered before stays as it was, whatever was written later.
      const kept = all.filter(({ at }) => !isBefore(at, early.from) && isBefore(at, early.next));
      if (!early.isGap) expect({ ...seed, early: known(early) }).toEqual({ ...seed, early: kept });
      if (early.isStartOfHistory && !early.isGap)
        expect({ ...seed, older: all.filter(({ at }) => isBefore(at, early.from)) }).toEqual({
          ...seed,
          older: [],
        });

      const most = 1 + Math.floor(random() * 12);
      const last = known(await readFrom(log, { last: most }));
      expect({ ...seed, last }).toEqual({ ...seed, last: all.slice(-most) });

      const since = all[Math.floor(random() * all.length)]?.time ?? log.now;
      const due = all.findIndex(({ time }) => time >= since);
      expect({ ...seed, since: await readAll(log, { since }) }).toEqual({ ...seed, since: all.slice(due) });

      const pages: Known[] = [];
      for (let before: Position | 'now' = 'now'; ; ) {
        const page: ReadBefore = await back(log, before, most);
        if (before !== 'now') expect({ ...seed, next: page.next }).toEqual({ ...seed, next: before });
        expect(page.messages.length).toBeLessThanOrEqual(most);
        pages.unshift(...known(page));
        if (page.isStartOfHistory) break;
        expect({ ...seed, messages: page.messages.length }).not.toEqual({ ...seed, messages: 0 });
        before = page.from;
      }
      expect({ ...seed, pages }).toEqual({ ...seed, pages: all });
    }
  }, 180_000);
});

describe('a read that goes back', () => {
  test('ends within an entry, and begins within one', async () => {
    const log = memoryLog();
    await publish(log, 0, 1, 2);
    const end = await publish(log, 3, 4, 5);
    const page = await back(log, { entry: end.entry - 1, index: 2 }, 3);
    expect([values(page), page.isStartOfHistory]).toEqual([[2, 3, 4], false]);
    expect(page.from).toEqual({ entry: end.entry - 2, index: 2 });
    const rest = await back(log, page.from, 3);
    expect([values(rest), rest.isStartOfHistory, rest.next]).toEqual([[0, 1], true, page.from]);
  });

  test('waits at a gap, also at the beginning of the channel', async () => {
    const log = memoryLog();
    await losePublish(log);
    await publish(log, 'after');
    const held = await back(log, 'now', 10);
    expect([values(held), held.isGap, held.isStartOfHistory]).toEqual([[], true, false]);
    log.now += GAP_GRACE_MS + 1;
    const page = await back(log, 'now', 10);
    expect([values(page), page.isGap, page.isStartOfHistory]).toEqual([['after'], false, true]);
  });

  test('refuses an offset of another life of the channel', async () => {
    const log = memoryLog();
    const { entry } = await publish(log, 0);
    expect(await codeOf(back(log, { entry: entry + 1, index: 0 }, 1))).toBe('offset_gone');
  });

  test('of an empty channel is the start of its history', async () => {
    const page = await back(memoryLog(), 'now', 10);
    expect([values(page), page.isStartOfHistory]).toEqual([[], true]);
  });
});

describe('the last messages', () => {
  test('cost one read of the store', async () => {
    const log = memoryLog();
    for (let n = 0; n < 100; n++) await publish(log, n);
    const calls: string[] = [];
    log.hook = (moment) => void (moment.startsWith('before') && calls.push(moment));
    const result = await readFrom(log, { last: 50 });
    expect(values(result)).toEqual(Array.from({ length: 50 }, (_, n) => 50 + n));
    expect([result.upToDate, calls]).toEqual([true, ['before channels.get', 'before entries.before']]);
  });

  test('begin within an entry', async () => {
    const log = memoryLog();
    await publish(log, 0, 1, 2, 3);
    expect(values(await readFrom(log, { last: 2 }))).toEqual([2, 3]);
  });

  test('of an empty channel are none, and the reader goes on from its end', async () => {
    const log = memoryLog();
    const result = await readFrom(log, { last: 5 });
    await publish(log, 'first');
    expect([values(result), values(await readFrom(log, result.next))]).toEqual([[], ['first']]);
  });
});

test('a limit cuts an answer, which then is not up to date', async () => {
  const log = memoryLog();
  await publish(log, 0, 1, 2);
  await publish(log, 3, 4);
  const result = await readFrom(log, 'beginning');
  for (const most of [1, 2, 3, 4]) {
    const cut = limited(result, most);
    expect([values(cut), cut.upToDate]).toEqual([[0, 1, 2, 3, 4].slice(0, most), false]);
    expect(values(await readFrom(log, cut.next))).toEqual([0, 1, 2, 3, 4].slice(most));
  }
  expect(limited(result, 5)).toBe(result);
  const once = await readOnce(log, await find(log, CHANNEL), {
    from: 'beginning',
    limit: 3,
    isConflated: false,
  });
  expect(formatOffset(once.next)).toBe(formatOffset({ entry: result.from.entry + 1, index: 0 }));
});
