/**
 * PROTOCOL.md §4.2, §5 and §11: what a read does at a gap, in virtual time.
 * @module
 */
import { expect, test } from 'vitest';
import { readPastGaps } from '../../../../lambda/hub/hold/held-read.ts';
import { read } from '../../../../lambda/hub/log/read-log.ts';
import { GAP_GRACE_MS } from '../../../../protocol/limits.ts';
import { CHANNEL, losePublish, publish, values } from '../../../support/domain/json-log.ts';
import { type MemoryLog, memoryLog } from '../../../support/domain/memory-log.ts';
import { type VirtualTime, virtualTime } from '../../../support/domain/virtual-time.ts';

const never = new AbortController().signal;

function world(): { readonly log: MemoryLog; readonly time: VirtualTime } {
  const log = memoryLog();
  const time = virtualTime();
  const start = log.now;
  Object.defineProperty(log, 'now', { get: () => start + Math.floor(time.now()) });
  return { log, time };
}

/** Publishes, and writes the entry `ms` milliseconds after the claim. */
async function publishSlowly({ log, time }: ReturnType<typeof world>, ms: number): Promise<void> {
  log.hook = async (moment) => {
    if (moment !== 'before entries.put') return;
    log.hook = () => {};
    await time.sleep(ms, never);
  };
  const done = publish(log, 'slow');
  await time.sleep(1, never);
  await publish(log, 'quick');
  void done;
}

test('a read finds every message that was acknowledged before it, also behind a publish that is under way', async () => {
  const w = world();
  await w.time.until(
    (async () => {
      await publishSlowly(w, 70);
      const started = w.time.now();
      const { result } = await readPastGaps({ log: w.log, timer: w.time }, CHANNEL, (channel) =>
        read(w.log, channel, 'beginning'),
      );
      expect([values(result), result.upToDate]).toEqual([['slow', 'quick'], true]);
      expect(w.time.now() - started).toBeLessThan(200);
    })(),
  );
});

test('behind a publish that has died, a message is found when the gap is sealed', async () => {
  const w = world();
  await w.time.until(
    (async () => {
      await losePublish(w.log);
      await publish(w.log, 'after');
      const started = w.time.now();
      const { result } = await readPastGaps({ log: w.log, timer: w.time }, CHANNEL, (channel) =>
        read(w.log, channel, 'beginning'),
      );
      expect([values(result), result.upToDate]).toEqual([['after'], true]);
      const waited = w.time.now() - started;
      expect([waited > GAP_GRACE_MS, waited < GAP_GRACE_MS + 400]).toEqual([true, true]);
    })(),
  );
});

test('messages before a gap are answered at once, and never as up to date', async () => {
  const w = world();
  await w.time.until(
    (async () => {
      await publish(w.log, 'before');
      await losePublish(w.log);
      await publish(w.log, 'after');
      const started = w.time.now();
      const { result } = await readPastGaps({ log: w.log, timer: w.time }, CHANNEL, (channel) =>
        read(w.log, channel, 'beginning'),
      );
      expect([values(result), result.upToDate, w.time.now()]).toEqual([['before'], false, started]);
    })(),
  );
});

test('a claim at the end of the log delays no reader', async () => {
  const w = world();
  await w.time.until(
    (async () => {
      await losePublish(w.log);
      const { result } = await readPastGaps({ log: w.log, timer: w.time }, CHANNEL, (channel) =>
        read(w.log, channel, 'beginning'),
      );
      expect([values(result), result.upToDate, w.time.now()]).toEqual([[], true, 0]);
    })(),
  );
});

test('the wait for many gaps in a row is limited', async () => {
  const w = world();
  await w.time.until(
    (async () => {
      for (let n = 0; n < 30; n++) {
        await losePublish(w.log);
        await publish(w.log, n);
        await w.time.sleep(1_000, never);
      }
      const { result } = await readPastGaps({ log: w.log, timer: w.time }, CHANNEL, (channel) =>
        read(w.log, channel, 'beginning'),
      );
      expect(values(result).length).toBeGreaterThan(0);
    })(),
  );
});
