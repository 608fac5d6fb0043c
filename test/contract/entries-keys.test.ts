/**
 * What the stores of entries and of idempotency keys promise.
 * @module
 */
import { describe, expect, test } from 'vitest';
import type { Entry } from '../../lambda/hub/log/entry.ts';
import { NOW, newId, storesUnderTest } from './stores.ts';

describe.each(storesUnderTest())('%s', (_, open) => {
  const entry = (slot: number, more: Partial<Entry> = {}): Entry => ({
    slot,
    messages: [`"message ${slot}"`],
    id: newId(),
    time: NOW,
    expiresAt: NOW + 1_000,
    ...more,
  });

  test('a key is recorded once until it expires, and moves only from its present slot', async () => {
    const { keys } = open();
    const key = newId();
    const record = { fingerprint: 'f', streamId: 's', slot: 3 };
    expect(await keys.get(key, NOW)).toBeUndefined();
    expect(await keys.put(key, record, NOW, NOW + 10)).toBe(true);
    expect(await keys.put(key, { ...record, slot: 4 }, NOW + 9, NOW + 20)).toBe(false);
    expect(await keys.move(key, 4, 5)).toBe(false);
    expect(await keys.move(key, 3, 5)).toBe(true);
    expect(await keys.get(key, NOW + 9)).toMatchObject({ ...record, slot: 5 });
    expect(await keys.get(key, NOW + 10)).toBeUndefined();
    expect(await keys.put(key, record, NOW + 10, NOW + 20)).toBe(true);
  });

  test('a slot is written once; the publish that wrote it may write it again', async () => {
    const { entries } = open();
    const streamId = newId();
    const first = entry(0, { messages: [Buffer.from([0, 255, 128])] });
    expect(await entries.put(streamId, first)).toBe('written');
    expect(await entries.put(streamId, first)).toBe('there');
    expect(await entries.put(streamId, entry(0))).toBe(false);
    const { entries: found } = await entries.page(streamId, 0);
    expect(found.map(({ messages }) => Buffer.from(messages[0] ?? ''))).toEqual([first.messages[0]]);
  });

  test('entries are read in slot order from a slot on, and from one stream only', async () => {
    const { entries } = open();
    const streamId = newId();
    for (const slot of [10, 2, 9, 1]) await entries.put(streamId, entry(slot));
    await entries.put(newId(), entry(3));
    const page = await entries.page(streamId, 2);
    expect([page.entries.map(({ slot }) => slot), page.more]).toEqual([[2, 9, 10], false]);
    expect((await entries.nearest(streamId, 9, 'below'))?.slot).toBe(2);
    expect((await entries.nearest(streamId, 9, 'from'))?.slot).toBe(9);
    expect(await entries.nearest(streamId, 1, 'below')).toBeUndefined();
    expect(await entries.nearest(streamId, 11, 'from')).toBeUndefined();
  });

  test('a page says when there is more', async () => {
    const { entries } = open();
    const streamId = newId();
    const large = [`"${'x'.repeat(100_000)}"`];
    for (let slot = 0; slot < 60; slot++) await entries.put(streamId, entry(slot, { messages: large }));
    const first = await entries.page(streamId, 0);
    expect(first.more).toBe(true);
    expect(first.entries.map(({ slot }) => slot)).toEqual(first.entries.map((_entry, at) => at));
    const rest = await entries.page(streamId, 55);
    expect([rest.entries.length, rest.more]).toEqual([5, false]);
  });
});
