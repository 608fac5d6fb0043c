/**
 * What the store of snapshots promises.
 * @module
 */
import { describe, expect, test } from 'vitest';
import type { SnapshotHead } from '../../lambda/hub/keyed/snapshot-ports.ts';
import { hardOfHearing, NOW, newId, storesUnderTest } from './stores.ts';

const head = (version: number, more: Partial<SnapshotHead> = {}): SnapshotHead => ({
  id: newId(),
  version,
  end: { entry: 7, index: 0 },
  runs: [
    { chunks: ['a', 'b'], bytes: 300_000, keys: 900 },
    { chunks: ['c'], bytes: 10, keys: 1 },
  ],
  ...more,
});

const MESSAGES = [
  { at: { entry: 1, index: 9 }, time: NOW, key: '"A"', isDelete: false, text: '{"k":"A","t":"\\u0000 ✋"}' },
  { at: { entry: 2, index: 0 }, time: NOW + 1, key: '"B",1', isDelete: true, text: '' },
];

describe.each([...storesUnderTest(), hardOfHearing])('%s', (name, open) => {
  test('a head is stored only after the one before it', async () => {
    const { snapshots } = open();
    const stream = newId();
    expect(await snapshots.head(stream)).toBeUndefined();
    const [first, second] = [head(1), head(2, { runs: [] })];
    // A call that is made twice is refused the second time, and finds its own head.
    const isStored = async (one: SnapshotHead) =>
      (await snapshots.replaceHead(stream, one, undefined)) || (await snapshots.head(stream))?.id === one.id;
    expect(await isStored(second)).toBe(false);
    expect(await isStored(first)).toBe(true);
    expect(await isStored(head(1))).toBe(false);
    expect(await snapshots.head(stream)).toEqual(first);
    expect(await isStored(second)).toBe(true);
    expect(await isStored(head(2))).toBe(false);
    expect(await snapshots.head(stream)).toEqual(second);
    await snapshots.removeHead(stream);
    await snapshots.removeHead(stream);
    expect(await snapshots.head(stream)).toBeUndefined();
    // A fold that began before the removal finds no head of its version.
    expect(await isStored(head(3))).toBe(false);
  });

  test('a chunk is found as it was stored, until it is removed', async () => {
    const { snapshots } = open();
    const [stream, other] = [newId(), newId()];
    await snapshots.putChunk(stream, { id: 'one', at: NOW }, MESSAGES, undefined);
    await snapshots.putChunk(stream, { id: 'two', at: NOW + 5 }, [], NOW + 9_000_000);
    await snapshots.putChunk(other, { id: 'one', at: NOW }, [], undefined);
    await snapshots.replaceHead(stream, head(1), NOW + 9_000_000);
    expect(await snapshots.chunk(stream, 'one')).toEqual(MESSAGES);
    expect(await snapshots.chunk(stream, 'two')).toEqual([]);
    expect(await snapshots.chunk(stream, 'three')).toBeUndefined();
    expect(await snapshots.chunks(stream)).toEqual([
      { id: 'one', at: NOW },
      { id: 'two', at: NOW + 5 },
    ]);
    await snapshots.removeChunk(stream, 'one');
    await snapshots.removeChunk(stream, 'one');
    expect(await snapshots.chunk(stream, 'one')).toBeUndefined();
    expect((await snapshots.chunks(stream)).map(({ id }) => id)).toEqual(['two']);
    expect(await snapshots.chunks(other)).toHaveLength(1);
  });

  test('a chunk may have 300 KB that do not become smaller', async () => {
    const { snapshots } = open();
    const stream = newId();
    let state = 1;
    const noise = Array.from({ length: 300 * 1024 }, () => {
      state = (Math.imul(state, 48_271) >>> 0) % 2_147_483_647;
      return String.fromCharCode(33 + (state % 90));
    }).join('');
    const message = { at: { entry: 1, index: 0 }, time: NOW, key: '1', isDelete: false, text: noise };
    await snapshots.putChunk(stream, { id: name, at: NOW }, [message], undefined);
    expect(await snapshots.chunk(stream, name)).toEqual([message]);
  });

  test('all chunks are listed, however much they have together', async () => {
    const { snapshots } = open();
    const stream = newId();
    const text = Array.from({ length: 20_000 }, (_, n) => Math.sin(n)).join();
    const message = { at: { entry: 1, index: 0 }, time: NOW, key: '1', isDelete: false, text };
    for (let n = 0; n < 12; n++)
      await snapshots.putChunk(stream, { id: `${n}`.padStart(2, '0'), at: n }, [message], undefined);
    expect((await snapshots.chunks(stream)).map(({ at }) => at)).toEqual(
      Array.from({ length: 12 }, (_, n) => n),
    );
  });
});
