/**
 * PROTOCOL.md §5.1 and §5.2: held reads, in virtual time.
 * @module
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type FollowOptions, follow, merged } from '../../../../lambda/hub/hold/follow-channels.ts';
import { holdRead } from '../../../../lambda/hub/hold/held-read.ts';
import { sharingReads } from '../../../../lambda/hub/hold/shared-reads.ts';
import { append } from '../../../../lambda/hub/log/append.ts';
import { remove } from '../../../../lambda/hub/log/lifecycle.ts';
import type { From } from '../../../../lambda/hub/log/read-log.ts';
import { GAP_GRACE_MS } from '../../../../protocol/limits.ts';
import { never, options, type World, world } from '../../../support/domain/hold-world.ts';
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
import { virtualTime } from '../../../support/domain/virtual-time.ts';

const poll = ({ hold, time }: World, from: From, ms = 25_000, signal = never) =>
  holdRead(hold, CHANNEL, from, time.now() + ms, signal);

const countCalls = (log: MemoryLog, name: string) => {
  const count = { of: 0 };
  log.hook = (moment) => {
    if (moment === `before ${name}`) count.of++;
  };
  return count;
};

describe('a held read', () => {
  test('answers at once what is there', async () => {
    const w = world();
    await publish(w.log, 1);
    expect(values((await w.time.until(poll(w, 'beginning'))).result)).toEqual([1]);
    expect(w.time.now()).toBe(0);
  });

  test('answers soon after the publish, from whatever position it reads', async () => {
    for (const from of ['beginning', 'now'] as const) {
      const w = world();
      const [held] = await w.time.until(Promise.all([poll(w, from), w.later(10_000, 'news')]));
      expect(values(held.result)).toEqual(['news']);
      expect(w.time.now()).toBeLessThan(11_100);
    }
  });

  test('sees a publish right after the wait began with its first look', async () => {
    const w = world();
    await w.time.until(Promise.all([poll(w, 'now'), w.later(1, 'news')]));
    expect(w.time.now()).toBeLessThanOrEqual(200);
  });

  test('ends without a message at its time, however the clock is set', async () => {
    for (const jump of [-3_600_000, 0, 3_600_000]) {
      const w = world();
      await publish(w.log, 1);
      const reading = poll(w, 'now');
      w.log.now += jump;
      const { result } = await w.time.until(reading);
      expect([values(result), result.upToDate, w.time.now()]).toEqual([[], true, 25_000]);
    }
  });

  test('of a closed channel does not wait, and closing ends the wait', async () => {
    const w = world();
    await publish(w.log, 1);
    const close = async () => {
      await w.time.sleep(3_000, never);
      await append(w.log, requestOf([], { close: true }));
    };
    const [held] = await w.time.until(Promise.all([poll(w, 'now'), close()]));
    expect([held.result.closed, w.time.now() < 4_100]).toEqual([true, true]);
    const before = w.time.now();
    expect((await w.time.until(poll(w, 'now'))).result.closed).toBe(true);
    expect(w.time.now()).toBe(before);
  });

  test('ends when its reader goes', async () => {
    const w = world();
    const gone = new AbortController();
    const leave = w.time.sleep(2_000, never).then(() => gone.abort());
    await w.time.until(Promise.all([poll(w, 'now', 25_000, gone.signal), leave]));
    expect(w.time.now()).toBe(2_000);
  });

  test('waits for a gap no longer than the grace', async () => {
    const w = world();
    await publish(w.log, 'first');
    const { next } = await readFrom(w.log, 'now');
    await losePublish(w.log);
    await publish(w.log, 'after');
    const { result } = await w.time.until(poll(w, next));
    expect(values(result)).toEqual(['after']);
    expect(w.time.now()).toBeLessThan(GAP_GRACE_MS + 1_100);
  });

  test('is refused when the channel is created again, and so are offsets of the old one', async () => {
    const w = world();
    await publish(w.log, 1);
    const createAgain = async () => {
      await w.time.sleep(500, never);
      await remove(w.log, CHANNEL);
      await publish(w.log, 'new');
    };
    const [code] = await w.time.until(Promise.all([codeOf(poll(w, 'now')), createAgain()]));
    expect(code).toBe('offset_gone');
  });
});

test('a publish that was lost at the end does not keep the readers behind it busy', async () => {
  const w = world();
  await publish(w.log, 'first');
  const { next } = await readFrom(w.log, 'now');
  await losePublish(w.log);
  w.log.now += 3_600_000;
  const pages = countCalls(w.log, 'entries.page');
  await w.time.until(Promise.all(Array.from({ length: 20 }, () => poll(w, next))));
  expect(pages.of).toBeLessThan(10);
});

describe('many held reads of one channel in one process', () => {
  test('read the store no more often than one', async () => {
    const looksOf = async (readers: number): Promise<[number, number]> => {
      const w = world();
      await publish(w.log, 1);
      const gets = countCalls(w.log, 'channels.get');
      await w.time.until(Promise.all(Array.from({ length: readers }, () => poll(w, 'now'))));
      const held = gets.of;
      gets.of = 0;
      const pages = countCalls(w.log, 'entries.page');
      const all = [...Array.from({ length: readers }, () => poll(w, 'now')), w.later(2_000, 'news')];
      await w.time.until(Promise.all(all));
      return [held, pages.of];
    };
    const [one, pagesOfOne] = await looksOf(1);
    const [many, pagesOfMany] = await looksOf(500);
    // One look a second, one safety read every five seconds, and the first looks in quick succession.
    expect(one).toBeLessThan(50);
    expect(many).toBeLessThanOrEqual(one);
    expect(pagesOfMany).toBeLessThanOrEqual(pagesOfOne);
  });

  test('go on with reads of their own when a look fails', async () => {
    const w = world();
    let gets = 0;
    w.log.hook = (moment) => {
      if (moment === 'before channels.get' && ++gets === 3) throw new Error('busy');
    };
    const [held] = await w.time.until(Promise.all([poll(w, 'now'), w.later(10_000, 'news')]));
    expect(values(held.result)).toEqual(['news']);
  });
});

test('a shared read shows everything that was written before each of its requests', async () => {
  const log = memoryLog();
  const { turn } = virtualTime();
  const shared = sharingReads(log, turn);
  await publish(log, 1);
  const { streamId, origin } = (await log.channels.get(CHANNEL)) ?? { streamId: '', origin: 0 };
  const pages = countCalls(log, 'entries.page');
  const early = shared.entries.page(streamId, origin);
  const joined = shared.entries.page(streamId, origin);
  await turn();
  await publish(log, 2);
  const late = shared.entries.page(streamId, origin);
  expect((await early).entries.length).toBeGreaterThanOrEqual(1);
  expect((await joined).entries).toEqual((await early).entries);
  expect((await late).entries).toHaveLength(2);
  expect(pages.of).toBe(2);
});

describe('a stream', () => {
  async function batchesOf({ hold, time }: World, from: From, more: Partial<FollowOptions> = {}) {
    const batches: { at: number; values: unknown[] }[] = [];
    for await (const { result } of follow(hold, CHANNEL, from, { ...options, ...more })) {
      batches.push({ at: time.now(), values: values(result) });
    }
    return batches;
  }

  test('begins at once, yields what comes, shows that it lives, and ends with its lifetime', async () => {
    const w = world();
    const [batches] = await w.time.until(
      Promise.all([batchesOf(w, 'now'), w.later(20_000, 'a'), w.later(40_000, 'b', 'c')]),
    );
    expect(batches.flatMap((batch) => batch.values)).toEqual(['a', 'b', 'c']);
    expect(batches[0]?.at).toBe(0);
    expect(batches.at(-1)?.at).toBe(60_000);
    const silences = batches.slice(1).map(({ at }, n) => at - (batches[n]?.at ?? 0));
    expect(Math.max(...silences)).toBeLessThanOrEqual(15_000);
  });

  test('ends when its channel is closed, and when its reader goes', async () => {
    const w = world();
    await publish(w.log, 1);
    await append(w.log, requestOf([2], { close: true }));
    expect((await w.time.until(batchesOf(w, 'beginning'))).map((batch) => batch.values)).toEqual([[1, 2]]);
    const gone = new AbortController();
    const leaving = world();
    const leave = leaving.time.sleep(2_000, never).then(() => gone.abort());
    await leaving.time.until(Promise.all([batchesOf(leaving, 'now', { signal: gone.signal }), leave]));
    expect(leaving.time.now()).toBe(2_000);
  });

  test('of several channels names the channel, and goes on when one is closed', async () => {
    const w = world();
    const seen: [number, unknown[]][] = [];
    const reading = (async () => {
      const streams = [
        follow(w.hold, CHANNEL, 'now', options),
        follow(w.hold, 'other', 'beginning', options),
      ];
      for await (const { at, step: held } of merged(streams)) {
        if (held.result.messages.length > 0) seen.push([at, values(held.result)]);
      }
    })();
    const writing = (async () => {
      await w.later(1_000, 'a');
      await append(w.log, requestOf(['b'], { channel: 'other', close: true }));
      await w.later(5_000, 'c');
    })();
    await w.time.until(Promise.all([reading, writing]));
    expect(seen).toEqual([
      [0, ['a']],
      [1, ['b']],
      [0, ['c']],
    ]);
  });
});

/** The three ways to follow a channel, each until it has seen that many messages. */
const MODES: Readonly<Record<string, (w: World, from: From, wanted: number) => Promise<unknown[]>>> = {
  async 'short polling'({ hold, time }, from, wanted) {
    const seen: unknown[] = [];
    for (let at = from; seen.length < wanted; await time.sleep(40, never)) {
      const { result } = await holdRead(hold, CHANNEL, at, time.now(), never);
      seen.push(...values(result));
      at = result.next;
    }
    return seen;
  },
  async 'long polling'({ hold, time }, from, wanted) {
    const seen: unknown[] = [];
    for (let at = from; seen.length < wanted; ) {
      const { result } = await holdRead(hold, CHANNEL, at, time.now() + 25_000, never);
      seen.push(...values(result));
      at = result.next;
    }
    return seen;
  },
  async 'a stream'({ hold, time }, from, wanted) {
    const seen: unknown[] = [];
    const gone = new AbortController();
    for (let at = from; seen.length < wanted; ) {
      const options = { lifetimeMs: 300, heartbeatMs: 50, signal: gone.signal };
      for await (const { result } of follow(hold, CHANNEL, at, options)) {
        seen.push(...values(result));
        at = result.next;
        if (seen.length >= wanted) gone.abort();
      }
      await time.sleep(10, never);
    }
    return seen;
  },
};

test.each(Object.entries(MODES))(
  '%s: whatever is published around its start, it sees once and in order',
  async (_name, follow) => {
    const moment = fc.integer({ min: 0, max: 400 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(moment, { minLength: 1, maxLength: 6 }),
        moment,
        fc.infiniteStream(fc.integer({ min: 0, max: 30 })),
        async (publishes, start, latencies) => {
          const w = world();
          w.log.hook = async () => {
            const { value } = latencies.next();
            await w.time.sleep(value, never);
          };
          const reading = (async () => {
            await w.time.sleep(start, never);
            return await follow(w, 'beginning', publishes.length);
          })();
          const writing = publishes.map((at, n) => w.later(at, n));
          const [seen] = await w.time.until(Promise.all([reading, ...writing]));
          w.log.hook = () => {};
          expect(seen).toEqual(values(await readFrom(w.log, 'beginning')));
          expect(seen.toSorted()).toEqual(publishes.map((_at, n) => n));
        },
      ),
      { numRuns: 1_000 },
    );
  },
);
