/**
 * What a process remembers of snapshots: it costs fewer reads, and shows nothing that the head does not list.
 * @module
 */
import { expect, test } from 'vitest';
import { rememberingChunks } from '../../../../lambda/hub/keyed/chunk-memory.ts';
import { foldChannel } from '../../../../lambda/hub/keyed/fold-channel.ts';
import { readAll } from '../../../../lambda/hub/keyed/read-keyed.ts';
import { removeWithSnapshot } from '../../../../lambda/hub/keyed/remove-keyed.ts';
import { find } from '../../../../lambda/hub/log/lifecycle.ts';
import { CHANNEL, values } from '../../../support/domain/json-log.ts';
import { createKeyed, foldTasks, keyValue, publishValues } from '../../../support/domain/keyed-world.ts';
import { memoryLog } from '../../../support/domain/memory-log.ts';

test('a chunk is read once in a process, however often it is needed, and not after its channel is deleted', async () => {
  const log = memoryLog();
  const reader = { ...log, snapshots: rememberingChunks(log.snapshots) };
  const reads: string[] = [];
  log.hook = (moment) => void (moment.startsWith('before snapshots') && reads.push(moment.slice(17)));
  const fold = () => foldChannel({ log, queue: foldTasks() }, CHANNEL, log.now + 1_000);
  const latest = async () => {
    reads.length = 0;
    return values(await readAll(reader, await find(log, CHANNEL), 'latest'));
  };
  await createKeyed(log);
  await publishValues(log, keyValue('a', 1));
  await fold();
  expect([await latest(), reads]).toEqual([[keyValue('a', 1)], ['head', 'chunk']]);
  expect([await latest(), reads]).toEqual([[keyValue('a', 1)], ['head']]);
  await publishValues(log, keyValue('a', 2));
  await fold();
  expect([await latest(), reads]).toEqual([[keyValue('a', 2)], ['head', 'chunk']]);
  await removeWithSnapshot(log, async () => {}, CHANNEL);
  expect(await latest()).toEqual([]);
});

test('what is more than it may remember is read again', async () => {
  const log = memoryLog();
  const messages = [{ at: { entry: 1, index: 0 }, time: 0, key: '1', isDelete: false, text: 'x'.repeat(60) }];
  const store = rememberingChunks(log.snapshots, 100);
  for (const id of ['a', 'b']) await log.snapshots.putChunk('stream', { id, at: 0 }, messages, undefined);
  let reads = 0;
  log.hook = (moment) => {
    if (moment === 'before snapshots.chunk') reads += 1;
  };
  for (const id of ['a', 'a', 'b', 'b', 'a']) expect(await store.chunk('stream', id)).toEqual(messages);
  expect(reads).toBe(3);
  expect(await store.chunk('stream', 'none')).toBeUndefined();
});
