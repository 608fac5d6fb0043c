/**
 * What the store of channels promises.
 * @module
 */
import { describe, expect, test } from 'vitest';
import { claim, fresh, NOW, newId, storesUnderTest } from './stores.ts';

describe.each(storesUnderTest())('%s', (_, open) => {
  test('a channel is found as it was created, once', async () => {
    const { channels } = open();
    const channel = fresh({ ttlSeconds: 60, contentType: 'Text/Plain; charset=utf-8' });
    expect(await channels.get(channel.name)).toBeUndefined();
    expect(await channels.create(channel, NOW)).toBe(true);
    expect(await channels.get(channel.name)).toEqual(channel);
    expect(await channels.create({ ...channel, streamId: newId() }, NOW)).toBe(false);
    expect(await channels.get(channel.name)).toEqual(channel);
  });

  test('channels are listed by a prefix, a page at a time', async () => {
    const { channels } = open();
    const prefix = `${newId()}/`;
    const names = Array.from({ length: 5 }, (_, n) => `${prefix}${n}`);
    for (const name of [...names, `${newId()}/other`]) await channels.create({ ...fresh(), name }, NOW);
    const seen: string[] = [];
    for (let after: string | undefined; ; ) {
      const page = await channels.list(prefix, after, 2);
      expect(page.channels.length).toBeLessThanOrEqual(2);
      seen.push(...page.channels.map(({ name }) => name));
      if (page.after === undefined) break;
      after = page.after;
    }
    expect(seen.toSorted()).toEqual(names);
    expect((await channels.list(prefix, undefined, 1)).channels).toHaveLength(1);
    expect(await channels.list('none/', undefined, 10)).toEqual({ channels: [], after: undefined });
  });

  test('an expired channel makes room, an unexpired one does not', async () => {
    const { channels } = open();
    const channel = fresh({ ttlSeconds: 1 });
    await channels.create(channel, NOW);
    const next = { ...channel, streamId: newId() };
    expect(await channels.create(next, NOW + 999)).toBe(false);
    expect(await channels.create(next, NOW + 1_000)).toBe(true);
  });

  test('each claim is granted a slot of its own, however many come at once', async () => {
    const { channels } = open();
    const channel = fresh();
    await channels.create(channel, NOW);
    const granted = await Promise.all(Array.from({ length: 50 }, () => channels.reserve(claim(channel))));
    expect(granted.map((one) => one?.next).sort((a = 0, b = 0) => a - b)).toEqual(
      granted.map((_one, at) => channel.origin + at + 1),
    );
    expect(granted[0]).toEqual({ ...channel, next: granted[0]?.next });
  });

  test('a claim that may create its channel creates it once, and uses it when it exists', async () => {
    const { channels } = open();
    const channel = fresh();
    expect(await channels.reserve(claim(channel))).toBeUndefined();
    expect(await channels.reserve(claim(channel, { fresh: channel }))).toEqual({
      ...channel,
      next: channel.origin + 1,
    });
    const other = { ...channel, streamId: newId() };
    expect(await channels.reserve(claim(channel, { fresh: other, now: NOW + 5 }))).toEqual({
      ...channel,
      next: channel.origin + 2,
      claimedAt: NOW + 5,
    });
  });

  test.each([
    ['another media type', { contentType: 'text/plain' }, false],
    ['the same with a parameter and in capitals', { contentType: 'Application/JSON; charset=utf-8' }, true],
    ['after its end', { now: NOW + 60_000 }, false],
    ['just before its end', { now: NOW + 59_999 }, true],
  ])('a claim with %s', async (_name, more, granted) => {
    const { channels } = open();
    const channel = fresh({ ttlSeconds: 60 });
    await channels.create(channel, NOW);
    expect((await channels.reserve(claim(channel, more))) !== undefined).toBe(granted);
    expect((await channels.get(channel.name))?.next).toBe(channel.origin + (granted ? 1 : 0));
    expect((await channels.reserve(claim(channel, { ...more, fresh: channel }))) !== undefined).toBe(granted);
  });

  test('a claim is granted only with the key of the channel, and without one only on a plain channel', async () => {
    const { channels } = open();
    const streamKey = '/symbol,/venue';
    const keyed = fresh({ streamKey });
    const plain = fresh();
    // The first claim creates the keyed channel, as the hub itself does.
    expect(await channels.reserve(claim(keyed, { fresh: keyed }))).toMatchObject({ streamKey });
    await channels.create(plain, NOW);
    const tries = [
      [keyed, streamKey, true],
      [keyed, '/symbol', false],
      [keyed, undefined, false],
      [plain, streamKey, false],
      [plain, undefined, true],
    ] as const;
    for (const [channel, key, granted] of tries) {
      const wanted = claim(channel, { streamKey: key });
      expect((await channels.reserve(wanted)) !== undefined, `${channel.streamKey} ${key}`).toBe(granted);
      const other = { ...channel, streamKey: key };
      expect((await channels.reserve({ ...wanted, fresh: other })) !== undefined).toBe(granted);
    }
    const closing = claim(keyed, { streamKey: undefined, contentType: undefined, slots: 0, close: true });
    expect(await channels.reserve(closing)).toMatchObject({ streamKey, closed: true });
  });

  test('a sequence must rise, compared by bytes', async () => {
    const { channels } = open();
    const channel = fresh();
    await channels.create(channel, NOW);
    const tries = ['09', '10', '10', '2', 'A', 'a', 'B', 'z', '~', 'zz'];
    const granted: string[] = [];
    for (const seq of tries) if (await channels.reserve(claim(channel, { seq }))) granted.push(seq);
    expect(granted).toEqual(['09', '10', '2', 'A', 'a', 'z', '~']);
    expect(await channels.reserve(claim(channel))).toBeDefined();
  });

  test('a closed channel grants no claim, and remembers the publish that closed it', async () => {
    const { channels } = open();
    const channel = fresh();
    await channels.create(channel, NOW);
    const producer = { id: 'p', epoch: 0, seq: 0 };
    expect(await channels.reserve(claim(channel, { close: true, producer }))).toMatchObject({
      next: channel.origin + 1,
      closed: true,
    });
    expect(await channels.reserve(claim(channel))).toBeUndefined();
    expect(await channels.get(channel.name)).toMatchObject({ closed: true, closedBy: 'publish' });
  });

  test('closing without a message is accepted for any content type and claims no slot', async () => {
    const { channels } = open();
    const channel = fresh();
    await channels.create(channel, NOW);
    const closing = claim(channel, { contentType: undefined, slots: 0, close: true });
    expect(await channels.reserve(closing)).toMatchObject({
      next: channel.origin,
      closed: true,
      closedBy: 'publish',
    });
  });

  test('the idle time restarts only for the same stream, and only before it has passed', async () => {
    const { channels } = open();
    const channel = fresh({ ttlSeconds: 1 });
    await channels.create(channel, NOW);
    const end = async () => (await channels.get(channel.name))?.aliveUntil;
    await channels.touch(channel, NOW + 5_000, NOW + 999);
    expect(await end()).toBe(NOW + 5_000);
    await channels.touch({ ...channel, streamId: newId() }, NOW + 9_000, NOW + 999);
    await channels.touch(channel, NOW + 9_000, NOW + 5_000);
    expect(await end()).toBe(NOW + 5_000);
  });

  test('a silent channel grants no claim until its next epoch begins, once', async () => {
    const { channels } = open();
    const channel = fresh();
    await channels.create(channel, NOW);
    await channels.reserve(claim(channel));
    const later = claim(channel, { now: NOW + 9, silentSince: NOW });
    expect(await channels.reserve(later)).toBeUndefined();
    await channels.beginEpoch({ ...channel, claimedAt: NOW - 1 }, NOW + 8, NOW + 88);
    expect(await channels.reserve(later)).toBeUndefined();
    await channels.beginEpoch(channel, NOW + 9, NOW + 99);
    const floor = channel.origin + 1;
    expect(await channels.reserve(later)).toMatchObject({
      floor,
      floorAt: NOW + 9,
      keptUntil: NOW + 99,
      next: floor + 1,
    });
  });

  test('a Stream-Seq remembers its slot, and moves only from the slot that the caller names', async () => {
    const { channels } = open();
    const channel = fresh();
    await channels.create(channel, NOW);
    const seq = 'b';
    expect(await channels.reserve(claim(channel, { seq }))).toMatchObject({ lastSeqSlot: channel.origin });
    expect(await channels.reserve(claim(channel, { seq, replaces: channel.origin + 1 }))).toBeUndefined();
    expect(await channels.reserve(claim(channel, { seq: 'c', replaces: channel.origin }))).toBeUndefined();
    expect(await channels.reserve(claim(channel, { seq, replaces: channel.origin }))).toMatchObject({
      lastSeq: seq,
      lastSeqSlot: channel.origin + 1,
    });
  });

  test('a channel is removed, and a late removal does not remove the next channel of its name', async () => {
    const { channels } = open();
    const channel = fresh();
    await channels.create(channel, NOW);
    await channels.remove(channel);
    await channels.remove(channel);
    expect(await channels.get(channel.name)).toBeUndefined();
    const next = { ...fresh(), name: channel.name };
    await channels.create(next, NOW);
    await channels.remove(channel);
    expect(await channels.get(channel.name)).toEqual(next);
  });
});
