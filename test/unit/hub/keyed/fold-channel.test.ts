/**
 * The fold of a keyed channel (docs/adr/0021-keyed-channels.md): what it costs, and what is left when it dies at any call.
 * @module
 */
import { describe, expect, test } from 'vitest';
import { foldRange } from '../../../../lambda/hub/keyed/fold.ts';
import { foldChannel, removeSnapshot } from '../../../../lambda/hub/keyed/fold-channel.ts';
import { readAll } from '../../../../lambda/hub/keyed/read-keyed.ts';
import { onRemoved, removeWithSnapshot } from '../../../../lambda/hub/keyed/remove-keyed.ts';
import { keyOfMessages } from '../../../../lambda/hub/keyed/stream-key.ts';
import { find } from '../../../../lambda/hub/log/lifecycle.ts';
import { CHANNEL, publish, values } from '../../../support/domain/json-log.ts';
import { type MemoryLog, memoryLog } from '../../../support/domain/memory-log.ts';
import {
  createKeyed,
  foldTasks,
  keyValue,
  processOf,
  publishValues,
  truth,
} from '../../../support/keyed/keyed-world.ts';

const v = keyValue;

async function keyed(): Promise<{ log: MemoryLog; streamId: string }> {
  const log = memoryLog();
  return { log, streamId: await createKeyed(log) };
}

const fold = async (log: MemoryLog, queue = foldTasks()) => {
  await foldChannel({ log, queue }, CHANNEL, log.now + 1_000);
  return queue.tasks;
};
const latest = async (log: MemoryLog) => values(await readAll(log, await find(log, CHANNEL), 'latest'));

/** Runs work in a process that dies at its nth store call. Returns false if it made fewer. */
async function dyingAt(
  log: MemoryLog,
  nth: number,
  work: (own: MemoryLog) => Promise<unknown>,
): Promise<boolean> {
  let calls = 0;
  const own = processOf(log, () => {
    calls += 1;
    if (calls >= nth) throw new Error('crash');
  });
  await work({ ...log, ...own }).catch((error: unknown) => {
    if (!(error instanceof Error && error.message === 'crash')) throw error;
  });
  return calls >= nth;
}

test('an idle channel is not folded again, and a folded one costs one write of a chunk and one of the head', async () => {
  const { log } = await keyed();
  await publishValues(log, v('a', 1), v('b', 2));
  const calls: string[] = [];
  log.hook = (moment) => void (moment.startsWith('before snapshots') && calls.push(moment.slice(17)));
  await fold(log);
  expect(calls).toEqual(['head', 'putChunk', 'replaceHead', 'chunks']);
  calls.length = 0;
  expect(await fold(log)).toEqual([]);
  expect(calls).toEqual(['head']);
});

test('runs grow at least by two, so that there are few, and they have little that was replaced', async () => {
  const { log, streamId } = await keyed();
  for (let n = 0; n < 200; n++) {
    await publish(log, { k: `k${n}`, text: 'x'.repeat(1_000) });
    await fold(log);
  }
  const head = await log.snapshots.head(streamId);
  const sizes = (head?.runs ?? []).map(({ bytes }) => bytes);
  expect(sizes.length).toBeLessThanOrEqual(8);
  for (const [nth, size] of sizes.entries())
    expect(size).toBeLessThanOrEqual((sizes[nth - 1] ?? Infinity) / 2);
  for (let n = 0; n < 50; n++) {
    await publish(log, { k: `k${n % 5}`, text: 'y'.repeat(1_000) });
    await fold(log);
  }
  const after = await log.snapshots.head(streamId);
  const bytes = (after?.runs ?? []).reduce((sum, run) => sum + run.bytes, 0);
  expect(bytes).toBeLessThan(2 * 200 * 1_200);
  expect(await latest(log)).toHaveLength(200);
});

test('a chunk has at most 300 KB, or one message', async () => {
  const { log, streamId } = await keyed();
  for (let n = 0; n < 8; n++) await publish(log, { k: `k${n}`, text: 'x'.repeat(120_000) });
  await fold(log);
  const head = await log.snapshots.head(streamId);
  expect(head?.runs.map(({ chunks }) => chunks.length)).toEqual([4]);
});

test('removals are kept until they reach the oldest run, and a snapshot of nothing has no run', async () => {
  const { log, streamId } = await keyed();
  await publish(log, { k: 'old', text: 'x'.repeat(10_000) });
  await publishValues(log, v('a', 1), v('b', 1));
  await fold(log);
  await publishValues(log, v('old', 1, true));
  await fold(log);
  expect((await log.snapshots.head(streamId))?.runs).toHaveLength(2);
  expect(await latest(log)).toEqual([v('a', 1), v('b', 1)]);
  // Each of the removals is small, but they are as many as the messages: what they remove does not stay.
  await publishValues(log, v('a', 2, true), v('b', 2, true));
  await fold(log);
  expect((await log.snapshots.head(streamId))?.runs).toEqual([]);
  expect(await log.snapshots.chunks(streamId)).toEqual([]);
});

test('a channel that has grown since it was read is read again: a fold and a reader end where it ended', async () => {
  const { log } = await keyed();
  await publishValues(log, v('a', 1));
  const before = await find(log, CHANNEL);
  await publishValues(log, v('a', 2));
  await publishValues(log, v('b', 2));
  const range = await foldRange(log, before, { from: 'beginning', keyOf: keyOfMessages('/k') }, new Map());
  expect(range).toMatchObject({ upToDate: false, isGap: false });
  expect(await readAll(log, before, 'latest')).toMatchObject({ upToDate: false });
  await fold(log);
  expect(await latest(log)).toEqual([v('a', 2), v('b', 2)]);
});

test('a gap that is too young is looked at later', async () => {
  const { log } = await keyed();
  await publishValues(log, v('a', 1));
  log.hook = (moment) => {
    if (moment === 'before entries.put') throw new Error('crash');
  };
  await expect(publishValues(log, v('b', 2))).rejects.toThrow('crash');
  log.hook = () => {};
  await publishValues(log, v('c', 3));
  expect(await fold(log)).toEqual([{ kind: 'grown', channel: CHANNEL }]);
  log.now += 4_000;
  expect(await fold(log)).toEqual([]);
  expect(await latest(log)).toEqual([v('a', 1), v('c', 3)]);
});

describe('a process that dies at any call', () => {
  test('of a fold loses nothing, and leaves nothing for ever', async () => {
    for (let nth = 1; ; nth++) {
      const { log, streamId } = await keyed();
      await publishValues(log, v('a', 1), v('b', 2));
      await fold(log);
      await publishValues(log, v('a', 3), v('b', 4, true), v('c', 5));
      const hasDied = await dyingAt(log, nth, (own) => fold(own));
      const channel = await find(log, CHANNEL);
      const all = [...truth(log, streamId, { entry: channel.next, index: 0 }).values()];
      expect([nth, await latest(log)]).toEqual([nth, all]);
      await fold(log);
      log.now += 2 * log.retentionMs;
      expect([nth, await latest(log)]).toEqual([nth, all]);
      // The next fold that rewrites everything removes what no head lists.
      await publish(log, { k: 'a', text: 'x'.repeat(10_000) });
      await fold(log);
      const head = await log.snapshots.head(streamId);
      const stored = (await log.snapshots.chunks(streamId)).map(({ id }) => id).sort();
      expect([nth, stored]).toEqual([nth, head?.runs.flatMap(({ chunks }) => chunks).sort()]);
      if (!hasDied) return;
      expect(nth).toBeLessThan(60);
    }
  });

  test('of a removal leaves a snapshot of a channel that exists, or nothing', async () => {
    for (let nth = 1; ; nth++) {
      const { log, streamId } = await keyed();
      await publishValues(log, v('a', 1));
      await fold(log);
      const queue = foldTasks();
      const hasDied = await dyingAt(log, nth, (own) => removeWithSnapshot(own, queue.send, CHANNEL));
      const isThere = (await log.channels.get(CHANNEL)) !== undefined;
      if (isThere) expect([nth, await latest(log)]).toEqual([nth, [v('a', 1)]]);
      for (let rounds = 0; rounds < 10; rounds++)
        for (const task of queue.tasks.splice(0)) {
          if (task.kind === 'removed')
            await dyingAt(log, 2 + rounds, (own) => onRemoved({ log: own, queue }, task));
          queue.tasks.push(task);
        }
      const isLeft = (await log.snapshots.chunks(streamId)).length > 0;
      expect([nth, isLeft]).toEqual([nth, isThere]);
      if (!hasDied) return;
    }
  });
});

test('a fold that ends after its channel was deleted takes its snapshot away', async () => {
  const { log, streamId } = await keyed();
  await publishValues(log, v('a', 1));
  log.hook = async (moment) => {
    if (moment !== 'before snapshots.putChunk') return;
    log.hook = () => {};
    await removeWithSnapshot(log, foldTasks().send, CHANNEL);
    await removeSnapshot(log, streamId);
  };
  await fold(log);
  expect([await log.snapshots.head(streamId), await log.snapshots.chunks(streamId)]).toEqual([undefined, []]);
});

test('of two folds at the same time one is stored, and the other takes its chunks away', async () => {
  const { log, streamId } = await keyed();
  await publishValues(log, v('a', 1), v('b', 2));
  const queue = foldTasks();
  await Promise.all([fold(log, queue), fold(log, queue), fold(log, queue)]);
  const head = await log.snapshots.head(streamId);
  const stored = (await log.snapshots.chunks(streamId)).map(({ id }) => id);
  expect(stored).toEqual(head?.runs.flatMap(({ chunks }) => chunks));
  expect(await latest(log)).toEqual([v('a', 1), v('b', 2)]);
});
