/**
 * The store of connections that the push relies on (lambda/hub/push/push-ports.ts): what is noted of a connection, and how many a
 * principal may have.
 * @module
 */
import { beforeEach, describe, expect, test } from 'vitest';
import type { Connection } from '../../lambda/hub/push/push-ports.ts';
import { NOW, newId, type Stores, storesUnderTest } from './stores.ts';

const LATER = NOW + 3_600_000;

describe.each(storesUnderTest())('%s', (_name, make) => {
  let connections: Stores['connections'];
  let connection: Connection;
  beforeEach(() => {
    ({ connections } = make());
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
  });

  test('a connection is stored as it was given, until it is removed', async () => {
    expect(await connections.add(connection, 9)).toBe(true);
    expect(await connections.get(connection.id)).toEqual(connection);
    const anonymous = { ...connection, id: `${newId()}=`, principal: undefined, allowedUntil: undefined };
    await connections.add(anonymous, 9);
    expect(await connections.get(anonymous.id)).toEqual(anonymous);
    await connections.remove(connection);
    expect(await connections.get(connection.id)).toBeUndefined();
  });

  test('the connections of a principal are those that it had opened by then, and that may still be open', async () => {
    const principal = `p ${newId()}`;
    const of = async (by: number) => (await connections.ofPrincipal(principal, by)).toSorted();
    expect(await of(NOW)).toEqual([]);
    const one = { ...connection, id: `1${newId()}=`, principal };
    const two = { ...connection, id: `2${newId()}=`, principal, since: NOW + 1 };
    const others = [`${principal}x`, '', undefined].map((other, n) => ({
      ...one,
      id: `${3 + n}${newId()}=`,
      principal: other,
    }));
    for (const each of [one, two, ...others]) await connections.add(each, 9);
    expect(await of(NOW - 1)).toEqual([]);
    expect(await of(NOW)).toEqual([one.id]);
    expect(await of(NOW + 1)).toEqual([one.id, two.id]);
    expect(await of(LATER)).toEqual([]);
    await connections.remove(one);
    await connections.remove(one);
    expect(await of(NOW + 1)).toEqual([two.id]);
    expect(await connections.get(two.id)).toEqual(two);
  });

  test('a list has every connection once, page by page, and no other row', async () => {
    const ids = Array.from({ length: 5 }, (_, n) => `${n}${newId()}=`);
    for (const id of ids) await connections.add({ ...connection, id }, 9);
    await connections.note(`${ids[0]}`, { pattern: 'a/b', shard: 1 }, 9);
    await connections.remove({ ...connection, id: `${ids[4]}` });
    const found: Connection[] = [];
    let after: string | undefined;
    do {
      const page = await connections.list(after, 2);
      expect(page.connections.length).toBeLessThanOrEqual(2);
      found.push(...page.connections);
      after = page.after;
      // A page begins after a row that may have gone meanwhile.
      for (const one of page.connections) if (ids.includes(one.id)) await connections.remove(one);
    } while (after !== undefined);
    const own = found.filter(({ id }) => ids.includes(id));
    expect(own.map(({ id }) => id).toSorted()).toEqual(ids.slice(0, 4));
    const noted = { ...connection, id: ids[0], subscriptions: { 'a/b': 1 } };
    expect(own.find(({ id }) => id === ids[0])).toEqual(noted);
  });

  test('a principal has as many connections as its quota; one that ends makes room for one, however often it is removed', async () => {
    const another = () => ({ ...connection, id: `${newId()}=` });
    const [second, third] = [another(), another()];
    expect(await connections.add(connection, 2)).toBe(true);
    expect(await connections.add(second, 2)).toBe(true);
    expect(await connections.add(third, 2)).toBe(false);
    expect(await connections.get(third.id)).toBeUndefined();
    expect(await connections.add({ ...third, principal: `other-${third.id}` }, 2)).toBe(true);
    await Promise.all([connections.remove(second), connections.remove(second)]);
    await connections.remove(second);
    expect(await connections.add(another(), 2)).toBe(true);
    expect(await connections.add(another(), 2)).toBe(false);
  });

  test('a note is taken once, up to a limit, and only for a connection', async () => {
    await connections.add(connection, 9);
    const note = (pattern: string, shards = 0) =>
      connections.note(connection.id, { pattern, shard: shards }, 2);
    expect(await note('a/b', 1)).toBe('noted');
    expect(await note('a/b', 2)).toBe('there');
    expect(await note('a.b')).toBe('noted');
    expect(await note('*')).toBe('full');
    expect(await note('a/b')).toBe('there');
    expect((await connections.get(connection.id))?.subscriptions).toEqual({ 'a/b': 1, 'a.b': 0 });
    await connections.unnote(connection.id, 'a/b');
    await connections.unnote(connection.id, 'never there');
    expect(await note('*', 5)).toBe('noted');
    expect(await connections.note('nobody=', { pattern: 'a/b', shard: 1 }, 2)).toBe('gone');
    await connections.unnote('nobody=', 'a/b');
    expect(await connections.get('nobody=')).toBeUndefined();
  });

  test.each(['__proto__', 'constructor', 'toString'])('%s is a name as any other', async (name) => {
    await connections.add(connection, 9);
    expect(await connections.note(connection.id, { pattern: name, shard: 4 }, 2)).toBe('noted');
    expect(await connections.note(connection.id, { pattern: name, shard: 5 }, 2)).toBe('there');
    const noted = await connections.get(connection.id);
    expect(Object.entries(noted?.subscriptions ?? {})).toEqual([[name, 4]]);
    await connections.unnote(connection.id, name);
    expect(await connections.get(connection.id)).toEqual(connection);
  });

  test('a connection that is added late keeps the notes that were written since', async () => {
    await connections.add(connection, 9);
    await connections.note(connection.id, { pattern: 'a/b', shard: 1 }, 9);
    await connections.add(connection, 9);
    expect((await connections.get(connection.id))?.subscriptions).toEqual({ 'a/b': 1 });
  });
});
