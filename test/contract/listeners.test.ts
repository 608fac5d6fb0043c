/**
 * The stores that the push relies on (lambda/hub/push/push-ports.ts): subscriptions, cursors and their look-up.
 * @module
 */
import { beforeEach, describe, expect, test } from 'vitest';
import type { Progress, Shard, Subscriber } from '../../lambda/hub/push/push-ports.ts';
import { CONNECTION_LIFE_MS } from '../../protocol/limits.ts';
import { NOW, newId, patientClient, progressOf, type Stores, storesUnderTest } from './stores.ts';

const LATER = NOW + 3_600_000;
const at = (entry: number, index = 0) => ({ entry, index });
const progress = (entry: number, more: Partial<Progress> = {}): Progress =>
  progressOf({ delivered: at(entry), at: NOW, ...more });

const stores = storesUnderTest();

describe.each(stores)('%s', (_name, make) => {
  let subscriptions: Stores['subscriptions'];
  let cursors: Stores['cursors'];
  let lookup: Stores['lookup'];
  let subscriber: Subscriber;
  let shard: Shard;
  beforeEach(() => {
    ({ subscriptions, cursors, lookup } = make());
    const pattern = `p-${newId()}/*`;
    shard = { channel: `p-${newId()}`, pattern, shard: 3 };
    subscriber = {
      id: newId(),
      connection: `${newId()}=`,
      since: NOW,
      until: LATER,
      allowedUntil: undefined,
      joins: 0,
      ownCursors: {
        [shard.channel]: { at: at(7, 2), isUnsure: false, backoffs: 0, backoffUntil: 0, term: 0 },
      },
    };
  });

  test.each(['__proto__', 'constructor', 'toString'])('%s is a name as any other', async (name) => {
    const own = { at: at(7), isUnsure: true, backoffs: 1, backoffUntil: NOW, term: 1 };
    await subscriptions.add(shard, { ...subscriber, ownCursors: Object.fromEntries([[name, own]]) }, true);
    const there = async (): Promise<Subscriber> =>
      (await subscriptions.member(shard, subscriber.connection)) ?? subscriber;
    expect(Object.entries((await there()).ownCursors)).toEqual([[name, own]]);
    expect(await subscriptions.move(shard, await there(), name, { ...own, at: at(8) })).toBe(true);
    expect(Object.entries((await there()).ownCursors)).toEqual([[name, { ...own, at: at(8) }]]);
    expect(await subscriptions.move(shard, await there(), name, undefined)).toBe(true);
    expect((await there()).ownCursors).toEqual({});
  });

  test('a pattern is known from its first subscription until its end, with its shards', async () => {
    const { pattern } = shard;
    const shardsOf = async (now: number) =>
      [...(await lookup.find('c', [pattern, 'other'], [], now)).patterns].map(([name, { shards }]) => [
        name,
        shards,
      ]);
    expect(await shardsOf(NOW)).toEqual([]);
    const open = (now = NOW) => subscriptions.open(pattern, now, LATER);
    expect(await subscriptions.shardsOf(pattern)).toBe(1);
    expect(await open()).toBe(1);
    expect(await shardsOf(NOW)).toEqual([[pattern, 1]]);
    await subscriptions.split(pattern, 1);
    await subscriptions.split(pattern, 1);
    expect(await subscriptions.shardsOf(pattern)).toBe(2);
    expect(await shardsOf(NOW)).toEqual([[pattern, 2]]);
    expect(await open(NOW + CONNECTION_LIFE_MS)).toBe(2);
    // Those that joined a connection's life ago are not counted.
    expect(await open(NOW + CONNECTION_LIFE_MS + 1)).toBe(1);
    expect(await open(NOW + CONNECTION_LIFE_MS + 2)).toBe(2);
    expect(await shardsOf(LATER)).toEqual([]);
  });

  test('a pattern has another version after each change of its members, and no pattern begins with a change', async () => {
    const { pattern } = shard;
    const version = async () => (await lookup.find('c', [pattern], [], NOW)).patterns.get(pattern)?.version;
    await subscriptions.noteChange(pattern);
    expect(await version()).toBeUndefined();
    const versions = new Set<string | undefined>();
    for (let change = 0; change < 3; change++) {
      await subscriptions.open(pattern, NOW, LATER);
      versions.add(await version());
      await subscriptions.noteChange(pattern);
      versions.add(await version());
    }
    expect(versions.size).toBe(6);
    expect(versions).toContain(await version());
  });

  test('a look-up finds patterns and cursors together, by pattern', async () => {
    const wide = { ...shard, pattern: `${shard.channel}/*` };
    const none = { ...shard, pattern: '*' };
    await subscriptions.open(shard.pattern, NOW, LATER);
    const lease = { owner: newId(), until: LATER };
    await cursors.take(wide, lease, NOW);
    await cursors.release(wide, lease, progress(7, { roster: 2 ** 53 - 1 }), 0, NOW);
    const found = await lookup.find('c', [shard.pattern, wide.pattern], [shard, wide, none], NOW);
    expect([...found.patterns.keys()]).toEqual([shard.pattern]);
    expect([...found.cursors]).toEqual([[wide.pattern, await cursors.get(wide)]]);
    expect(found.cursors.get(wide.pattern)).toMatchObject({ streamId: 'stream', roster: 2 ** 53 - 1 });
  });

  test('a subscription is added once, moved as long as it is the same, and removed', async () => {
    expect(await subscriptions.add(shard, subscriber, false)).toBe(true);
    expect(await subscriptions.add(shard, { ...subscriber, id: 'another' }, false)).toBe(false);
    expect(await subscriptions.members(shard)).toEqual([subscriber]);
    expect(await subscriptions.member(shard, subscriber.connection)).toEqual(subscriber);
    expect(await subscriptions.members({ ...shard, shard: 4 })).toEqual([]);
    const own = { at: at(9), isUnsure: true, backoffs: 3, backoffUntil: LATER, term: 2 };
    expect(await subscriptions.move(shard, subscriber, 'x.y/z', own)).toBe(true);
    const another = { ...subscriber, id: 'another' };
    expect(await subscriptions.move(shard, another, shard.channel, undefined)).toBe(false);
    const [moved] = await subscriptions.members(shard);
    expect(moved?.ownCursors).toEqual({ ...subscriber.ownCursors, 'x.y/z': own });
    expect(await subscriptions.move(shard, subscriber, shard.channel, undefined)).toBe(true);
    expect(await subscriptions.members(shard)).toEqual([
      { ...subscriber, joins: 1, ownCursors: { 'x.y/z': own } },
    ]);
    await subscriptions.remove(shard, subscriber.connection);
    expect(await subscriptions.move(shard, subscriber, shard.channel, own)).toBe(false);
    expect(await subscriptions.member(shard, subscriber.connection)).toBeUndefined();
  });

  test('a member is moved from the position where it was seen, and from no other', async () => {
    await subscriptions.add(shard, subscriber, true);
    const { channel } = shard;
    const first = { at: at(7, 2), isUnsure: false, backoffs: 0, backoffUntil: 0, term: 0 };
    const memberAt = (own: typeof first | undefined, joins = 0) => ({
      ...subscriber,
      joins,
      ownCursors: own ? { [channel]: own } : {},
    });
    const others = [
      undefined,
      { ...first, at: at(8) },
      { ...first, isUnsure: true },
      { ...first, term: 1 },
      { ...first, backoffs: 1, backoffUntil: LATER },
    ];
    for (const other of others)
      expect(await subscriptions.move(shard, memberAt(other), channel, undefined)).toBe(false);
    let was: typeof first | undefined = first;
    let joins = 0;
    for (const next of [...others.slice(1), first, undefined]) {
      expect(await subscriptions.move(shard, memberAt(was, joins), channel, next)).toBe(true);
      was = next;
      if (next === undefined) joins++;
    }
    // Late: away from the head. The member has left and joined it meanwhile.
    expect(await subscriptions.move(shard, memberAt(undefined, 0), channel, first)).toBe(false);
    const last = { ...first, at: at(20) };
    expect(await subscriptions.move(shard, memberAt(undefined, joins), channel, last)).toBe(true);
    // Late: to the head, from a position that the member has left.
    expect(await subscriptions.move(shard, memberAt(first), channel, undefined)).toBe(false);
    expect(await subscriptions.member(shard, subscriber.connection)).toEqual(memberAt(last, joins));
  });

  test('a new subscription replaces an older one that was left, never a newer one', async () => {
    await subscriptions.add(shard, subscriber, true);
    const newer = { ...subscriber, id: newId(), since: NOW + 5, ownCursors: {} };
    expect(await subscriptions.add(shard, newer, true)).toBe(true);
    expect(await subscriptions.add(shard, subscriber, true)).toBe(false);
    expect(await subscriptions.members(shard)).toEqual([newer]);
  });

  test('a subscription that ends is removed, and a late removal leaves the next one', async () => {
    await subscriptions.add(shard, subscriber, true);
    await subscriptions.remove(shard, subscriber.connection, { by: NOW - 1 });
    await subscriptions.remove(shard, subscriber.connection, { id: 'another' });
    expect(await subscriptions.members(shard)).toEqual([subscriber]);
    await subscriptions.remove(shard, subscriber.connection, { by: NOW });
    expect(await subscriptions.members(shard)).toEqual([]);
    const next = { ...subscriber, id: newId(), since: NOW + 1 };
    await subscriptions.add(shard, next, true);
    await subscriptions.remove(shard, subscriber.connection, { by: NOW });
    await subscriptions.remove(shard, subscriber.connection, { id: subscriber.id });
    expect(await subscriptions.members(shard)).toEqual([next]);
    await subscriptions.remove(shard, next.connection, { id: next.id });
    expect(await subscriptions.members(shard)).toEqual([]);
  });

  test('a subscription can be ended before its time, and has no own cursor then', async () => {
    await subscriptions.add(shard, subscriber, true);
    await subscriptions.expire(shard, { ...subscriber, id: 'another' });
    expect(await subscriptions.members(shard)).toEqual([subscriber]);
    await subscriptions.expire(shard, subscriber);
    expect(await subscriptions.members(shard)).toEqual([{ ...subscriber, allowedUntil: 0, ownCursors: {} }]);
  });

  test('a shard may have more members than one page', async () => {
    const members = Array.from({ length: 40 }, (_, n) => ({
      ...subscriber,
      connection: `c${n}=`,
      ownCursors: Object.fromEntries(
        Array.from({ length: 200 }, (_, m) => [
          `channel-${'x'.repeat(200)}-${m}`,
          { at: at(m), isUnsure: false, backoffs: 0, backoffUntil: 0, term: 0 },
        ]),
      ),
    }));
    for (const member of members) await subscriptions.add(shard, member, true);
    expect(await subscriptions.members(shard)).toHaveLength(40);
  });

  const held = (owner: string, until = LATER) => ({ owner, until });

  test('a shard is unclean while it has an owner, and if an owner did not release its lease', async () => {
    const one = held('one', NOW + 1_000);
    expect(await cursors.take(shard, one, NOW)).toMatchObject({ isUnclean: false });
    expect(await cursors.get(shard)).toMatchObject({ isUnclean: true });
    expect(await cursors.commit(shard, one, progress(5), NOW + 2_000)).toBe(0);
    expect(await cursors.get(shard)).toMatchObject({ delivered: at(5), isUnclean: true });
    const two = held('two', NOW + 3_000);
    expect(await cursors.take(shard, two, NOW + 2_000)).toMatchObject({ isUnclean: true });
    expect(await cursors.release(shard, two, progress(6), 0, NOW)).toBe(true);
    expect(await cursors.get(shard)).toMatchObject({ delivered: at(6), isUnclean: false });
    expect(await cursors.take(shard, held('three'), NOW)).toMatchObject({ isUnclean: false });
    const unfinished = progress(7, { isUnclean: true });
    expect(await cursors.release(shard, held('three'), unfinished, 0, NOW)).toBe(true);
    expect(await cursors.take(shard, held('four'), NOW)).toMatchObject({ isUnclean: true });
  });

  test('each owner has a later term', async () => {
    const one = held('one', NOW + 1_000);
    expect(await cursors.take(shard, one, NOW)).toMatchObject({ term: 1 });
    expect(await cursors.take(shard, held('late'), NOW)).toBeUndefined();
    expect(await cursors.commit(shard, one, progress(5), NOW + 2_000)).toBe(0);
    expect(await cursors.take(shard, held('two'), NOW + 2_000)).toMatchObject({ term: 2 });
    expect(await cursors.release(shard, held('two'), progress(5), 0, NOW)).toBe(true);
    expect(await cursors.get(shard)).toMatchObject({ term: 2 });
    expect(await cursors.take(shard, held('three'), NOW)).toMatchObject({ term: 3 });
  });

  test('a process that asks learns whether a guard is under way', async () => {
    await cursors.guard(shard, NOW + 5);
    expect(await cursors.get(shard)).toBeUndefined();
    await cursors.take(shard, held('one'), NOW);
    expect(await cursors.ask(shard, NOW)).toMatchObject({ guardedUntil: 0 });
    await cursors.guard(shard, NOW + 7);
    await cursors.guard(shard, NOW + 6);
    expect(await cursors.ask(shard, NOW)).toMatchObject({ guardedUntil: NOW + 7 });
  });

  test('a shard that was abandoned is unclean', async () => {
    await cursors.take(shard, held('one'), NOW);
    await cursors.abandon(shard, 'one', NOW);
    expect(await cursors.get(shard)).toMatchObject({ delivered: undefined, isUnclean: true });
    expect(await cursors.take(shard, held('two'), NOW)).toMatchObject({ isUnclean: true });
    expect(await cursors.release(shard, held('two'), progress(5), 0, NOW)).toBe(true);
    expect(await cursors.get(shard)).toMatchObject({ delivered: at(5), isUnclean: false });
  });

  test('only the owner abandons a shard, and it does not take the lease again', async () => {
    const one = held('one', NOW + 1_000);
    await cursors.take(shard, one, NOW);
    await cursors.abandon(shard, 'other', NOW);
    expect(await cursors.take(shard, held('two'), NOW)).toBeUndefined();
    expect(await cursors.release(shard, one, progress(5), 0, NOW)).toBe(true);
    await cursors.take(shard, held('two'), NOW);
    // A late call of the owner before.
    await cursors.abandon(shard, 'one', NOW);
    expect(await cursors.ask(shard, NOW)).toMatchObject({ owner: 'two' });
    await cursors.abandon(shard, 'two', NOW + 900);
    expect(await cursors.take(shard, held('two'), NOW)).toBeUndefined();
    expect(await cursors.take(shard, held('three', LATER + 1), NOW)).toBeUndefined();
    expect(await cursors.take(shard, held('three', LATER + 1), NOW + 900)).toMatchObject({ isUnclean: true });
  });
});

test('the stored attributes of a cursor keep their names', async () => {
  const [, [, inDynamoDb]] = stores;
  const { cursors } = inDynamoDb();
  const shard = { channel: newId(), pattern: 'a/*', shard: 3 };
  const lease = { owner: 'one', until: NOW + 1_000 };
  const Key = { channel: shard.channel, shard: 'a/*#3' };
  const stored = async () =>
    (await patientClient().get({ TableName: 'cursors', Key, ConsistentRead: true })).Item;
  await cursors.take(shard, lease, NOW);
  await cursors.ask(shard, NOW);
  await cursors.guard(shard, NOW + 5);
  const last = progress(5, { isClosed: true, lookAt: 8, fence: 1 });
  await cursors.commit(shard, lease, last, NOW + 2_000);
  const row = {
    channel: shard.channel,
    shard: 'a/*#3',
    delivered: '0000000000050000',
    at: NOW,
    isClosed: true,
    lookAt: 8,
    isUnclean: false,
    fence: 1,
    streamId: 'stream',
    roster: 0,
    term: 1,
    asks: 1,
    guarded: NOW + 5,
    expiry: (NOW + 1_000) / 1_000 + 24 * 3_600,
  };
  expect(await stored()).toStrictEqual({ ...row, owner: 'one', until: NOW + 2_000 });
  await cursors.release(shard, { owner: 'one', until: NOW + 2_000 }, last, undefined, NOW + 9);
  expect(await stored()).toStrictEqual({ ...row, left: 'one', freedAt: NOW + 9 });
});
