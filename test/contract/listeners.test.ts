/**
 * What the push relies on: who listens, and who owns what (lambda/hub/listeners.ts).
 * @module
 */
import { beforeEach, describe, expect, test } from 'vitest';
import type { Connection, Progress, Shard, Subscriber } from '../../lambda/hub/listeners.ts';
import { CONNECTION_LIFE_MS } from '../../protocol/limits.ts';
import { NOW, newId, type Stores, storesUnderTest } from './stores.ts';

const LATER = NOW + 3_600_000;
const at = (entry: number, index = 0) => ({ entry, index });
const progress = (entry: number, more: Partial<Progress> = {}): Progress => ({
  delivered: at(entry),
  at: NOW,
  isClosed: false,
  lookAt: 0,
  isUnclean: false,
  ...more,
});

describe.each(storesUnderTest())('%s', (_name, make) => {
  let { subscribers, cursors }: Stores = make();
  let connection: Connection;
  let subscriber: Subscriber;
  let shard: Shard;
  beforeEach(() => {
    ({ subscribers, cursors } = make());
    const id = `${newId()}=`;
    connection = {
      id,
      principal: `somebody-${id}`,
      capability: { 'a/*': ['subscribe'] },
      allowedUntil: LATER,
      since: NOW,
      until: LATER,
      subscriptions: {},
    };
    const pattern = `p-${newId()}/*`;
    shard = { channel: `p-${newId()}`, pattern, shard: 3 };
    subscriber = {
      id: newId(),
      connection: id,
      since: NOW,
      until: LATER,
      allowedUntil: undefined,
      places: { [shard.channel]: { at: at(7, 2), isUnsure: false, rests: 0, restsUntil: 0 } },
    };
  });

  test('a connection is what it was told to be, until it is forgotten', async () => {
    expect(await subscribers.connect(connection, 9)).toBe(true);
    expect(await subscribers.connection(connection.id)).toEqual(connection);
    const anonymous = { ...connection, id: `${newId()}=`, principal: undefined, allowedUntil: undefined };
    await subscribers.connect(anonymous, 9);
    expect(await subscribers.connection(anonymous.id)).toEqual(anonymous);
    await subscribers.disconnect(connection);
    expect(await subscribers.connection(connection.id)).toBeUndefined();
  });

  test('the connections of a principal are those that it had opened by then, and that may still be there', async () => {
    const principal = `p ${newId()}`;
    const of = async (by: number) => (await subscribers.connectionsOf(principal, by)).toSorted();
    expect(await of(NOW)).toEqual([]);
    const one = { ...connection, id: `1${newId()}=`, principal };
    const two = { ...connection, id: `2${newId()}=`, principal, since: NOW + 1 };
    const others = [`${principal}x`, '', undefined].map((other, n) => ({
      ...one,
      id: `${3 + n}${newId()}=`,
      principal: other,
    }));
    for (const each of [one, two, ...others]) await subscribers.connect(each, 9);
    expect(await of(NOW - 1)).toEqual([]);
    expect(await of(NOW)).toEqual([one.id]);
    expect(await of(NOW + 1)).toEqual([one.id, two.id]);
    expect(await of(LATER)).toEqual([]);
    await subscribers.disconnect(one);
    await subscribers.disconnect(one);
    expect(await of(NOW + 1)).toEqual([two.id]);
    expect(await subscribers.connection(two.id)).toEqual(two);
  });

  test('a principal has so many connections and no more; one that ends makes room for one, however often it is told', async () => {
    const another = () => ({ ...connection, id: `${newId()}=` });
    const [second, third] = [another(), another()];
    expect(await subscribers.connect(connection, 2)).toBe(true);
    expect(await subscribers.connect(second, 2)).toBe(true);
    expect(await subscribers.connect(third, 2)).toBe(false);
    expect(await subscribers.connection(third.id)).toBeUndefined();
    expect(await subscribers.connect({ ...third, principal: `other-${third.id}` }, 2)).toBe(true);
    await Promise.all([subscribers.disconnect(second), subscribers.disconnect(second)]);
    await subscribers.disconnect(second);
    expect(await subscribers.connect(another(), 2)).toBe(true);
    expect(await subscribers.connect(another(), 2)).toBe(false);
  });

  test('a note is taken once, up to a limit, and only for a connection', async () => {
    await subscribers.connect(connection, 9);
    const note = (pattern: string, shards = 0) =>
      subscribers.note(connection.id, { pattern, shard: shards }, 2);
    expect(await note('a/b', 1)).toBe('noted');
    expect(await note('a/b', 2)).toBe('there');
    expect(await note('a.b')).toBe('noted');
    expect(await note('*')).toBe('full');
    expect(await note('a/b')).toBe('there');
    expect((await subscribers.connection(connection.id))?.subscriptions).toEqual({ 'a/b': 1, 'a.b': 0 });
    await subscribers.unnote(connection.id, 'a/b');
    await subscribers.unnote(connection.id, 'never there');
    expect(await note('*', 5)).toBe('noted');
    expect(await subscribers.note('nobody=', shard, 2)).toBe('gone');
    await subscribers.unnote('nobody=', 'a/b');
    expect(await subscribers.connection('nobody=')).toBeUndefined();
  });

  test.each(['__proto__', 'constructor', 'toString'])('%s is a name as any other', async (name) => {
    await subscribers.connect(connection, 9);
    expect(await subscribers.note(connection.id, { pattern: name, shard: 4 }, 2)).toBe('noted');
    expect(await subscribers.note(connection.id, { pattern: name, shard: 5 }, 2)).toBe('there');
    const { subscriptions = {} } = (await subscribers.connection(connection.id)) ?? {};
    expect(Object.entries(subscriptions)).toEqual([[name, 4]]);
    await subscribers.unnote(connection.id, name);
    expect(await subscribers.connection(connection.id)).toEqual(connection);
    const place = { at: at(7), isUnsure: true, rests: 1, restsUntil: NOW };
    await subscribers.add(shard, { ...subscriber, places: Object.fromEntries([[name, place]]) });
    const placesOf = async () => Object.entries((await subscribers.members(shard))[0]?.places ?? {});
    expect(await placesOf()).toEqual([[name, place]]);
    await subscribers.move(shard, subscriber, name, { ...place, at: at(8) });
    expect(await placesOf()).toEqual([[name, { ...place, at: at(8) }]]);
    await subscribers.move(shard, subscriber, name, undefined);
    expect(await placesOf()).toEqual([]);
  });

  test('a pattern is known from its first subscription until its end, with its shards', async () => {
    const { pattern } = shard;
    expect(await subscribers.shardsOf([pattern, 'other'], NOW)).toEqual(new Map());
    const open = (now = NOW) => subscribers.open(pattern, now, LATER);
    expect(await open()).toEqual({ shards: 1, joined: 1 });
    expect(await subscribers.shardsOf([pattern, 'other'], NOW)).toEqual(new Map([[pattern, 1]]));
    await subscribers.split(pattern, 1);
    await subscribers.split(pattern, 1);
    expect(await open(NOW + CONNECTION_LIFE_MS)).toEqual({ shards: 2, joined: 2 });
    // Those who joined a connection's life ago are not counted any more.
    expect(await open(NOW + CONNECTION_LIFE_MS + 1)).toEqual({ shards: 2, joined: 1 });
    expect(await open(NOW + CONNECTION_LIFE_MS + 2)).toEqual({ shards: 2, joined: 2 });
    expect(await subscribers.shardsOf([pattern], LATER)).toEqual(new Map());
  });

  test('a subscription is added once, moved as long as it is the same, and removed', async () => {
    await subscribers.add(shard, subscriber);
    await subscribers.add(shard, { ...subscriber, id: 'another' });
    expect(await subscribers.members(shard)).toEqual([subscriber]);
    expect(await subscribers.members({ ...shard, shard: 4 })).toEqual([]);
    const place = { at: at(9), isUnsure: true, rests: 3, restsUntil: LATER };
    await subscribers.move(shard, subscriber, 'x.y/z', place);
    await subscribers.move(shard, { ...subscriber, id: 'another' }, shard.channel, undefined);
    const [moved] = await subscribers.members(shard);
    expect(moved?.places).toEqual({ ...subscriber.places, 'x.y/z': place });
    await subscribers.move(shard, subscriber, shard.channel, undefined);
    expect((await subscribers.members(shard))[0]?.places).toEqual({ 'x.y/z': place });
    await subscribers.remove(shard, subscriber.connection);
    await subscribers.move(shard, subscriber, shard.channel, place);
    expect(await subscribers.members(shard)).toEqual([]);
  });

  test('a subscription can be ended before its time, and remembers nothing then', async () => {
    await subscribers.add(shard, subscriber);
    await subscribers.expire(shard, { ...subscriber, id: 'another' });
    expect(await subscribers.members(shard)).toEqual([subscriber]);
    await subscribers.expire(shard, subscriber);
    expect(await subscribers.members(shard)).toEqual([{ ...subscriber, allowedUntil: 0, places: {} }]);
  });

  test('a set may have more members than one page', async () => {
    const members = Array.from({ length: 40 }, (_, n) => ({
      ...subscriber,
      connection: `c${n}=`,
      places: Object.fromEntries(
        Array.from({ length: 200 }, (_, m) => [
          `channel-${'x'.repeat(200)}-${m}`,
          { at: at(m), isUnsure: false, rests: 0, restsUntil: 0 },
        ]),
      ),
    }));
    for (const member of members) await subscribers.add(shard, member);
    expect(await subscribers.members(shard)).toHaveLength(40);
  });

  test('a lease has one holder until it ends, and commits only his', async () => {
    const take = (owner: string, now: number) => cursors.take(shard, owner, now, now + 1_000);
    expect(await cursors.get(shard)).toBeUndefined();
    expect(await take('one', NOW)).toMatchObject({ delivered: undefined, asks: 0, isUnclean: false });
    expect(await take('two', NOW + 999)).toBeUndefined();
    expect(await cursors.commit(shard, 'two', progress(5), LATER)).toBeUndefined();
    expect(await cursors.commit(shard, 'one', progress(5), NOW + 2_000)).toBe(0);
    expect(await take('two', NOW + 1_500)).toBeUndefined();
    expect(await take('two', NOW + 2_000)).toMatchObject({ delivered: at(5), isUnclean: true });
    expect(await cursors.commit(shard, 'one', progress(9), LATER)).toBeUndefined();
    expect(await cursors.release(shard, 'one', progress(9), 0)).toBe(false);
    await cursors.abandon(shard, 'one');
    expect(await cursors.release(shard, 'two', progress(6, { isClosed: true, lookAt: 8 }), 0)).toBe(true);
    const left = { ...progress(6, { isClosed: true, lookAt: 8 }), asks: 0 };
    expect(await cursors.get(shard)).toMatchObject(left);
    expect(await take('three', NOW)).toMatchObject(left);
  });

  test('who asks is heard before the owner lets go', async () => {
    expect(await cursors.ask(shard, NOW)).toBe(false);
    await cursors.take(shard, 'one', NOW, LATER);
    expect((await cursors.get(shard))?.isUnclean).toBe(true);
    expect(await cursors.ask(shard, NOW)).toBe(true);
    expect(await cursors.release(shard, 'one', progress(5), 0)).toBe(false);
    expect(await cursors.commit(shard, 'one', progress(5), LATER)).toBe(1);
    expect(await cursors.ask(shard, NOW)).toBe(true);
    expect(await cursors.release(shard, 'one', progress(6), 1)).toBe(false);
    expect(await cursors.release(shard, 'one', progress(6), 2)).toBe(true);
    await cursors.take(shard, 'hasty', NOW, LATER);
    await cursors.ask(shard, NOW);
    expect(await cursors.release(shard, 'hasty', progress(7), undefined)).toBe(true);
    expect(await cursors.ask(shard, NOW)).toBe(false);
    expect(await cursors.take(shard, 'two', NOW, LATER)).toMatchObject({ asks: 3, isUnclean: false });
  });

  test('what was abandoned is unclean', async () => {
    await cursors.take(shard, 'one', NOW, LATER);
    await cursors.abandon(shard, 'one');
    expect(await cursors.get(shard)).toMatchObject({ delivered: undefined, isUnclean: true });
    expect(await cursors.take(shard, 'two', NOW, LATER)).toMatchObject({ isUnclean: true });
    expect(await cursors.release(shard, 'two', progress(5), 0)).toBe(true);
    expect(await cursors.get(shard)).toMatchObject({ delivered: at(5), isUnclean: false });
  });
});
