/**
 * What a process remembers of the members of shards: how they are compared, and how many they may be.
 * @module
 */
import { expect, test } from 'vitest';
import { recent } from '../../../../lambda/hub/bounded-map.ts';
import { rosterOf } from '../../../../lambda/hub/push/push-memory.ts';
import { seededRandom } from '../../../support/domain/random.ts';

const idsOf = (count: number, random: () => number) =>
  Array.from({ length: count }, () => ({ id: `${random()}-${random()}` }));

test('the roster of the same members is the same in every order, and that of others is another one', () => {
  const random = seededRandom(1);
  const rosters = new Set<number>([rosterOf([])]);
  for (let count = 1; count <= 200; count++) {
    const members = idsOf(count, random);
    const roster = rosterOf(members);
    expect(Number.isSafeInteger(roster)).toBe(true);
    expect(roster).toBeGreaterThan(0);
    expect(rosterOf(members.toReversed())).toBe(roster);
    const others = [members.slice(1), [...members, { id: 'new' }], [{ id: 'new' }, ...members.slice(1)]];
    for (const other of [roster, ...others.map(rosterOf)]) {
      if (count > 1 || other !== rosterOf([])) expect(rosters).not.toContain(other);
      rosters.add(other);
    }
  }
});

test('a map with sizes forgets what was set longest ago, until the rest fits', () => {
  const map = recent<string>(10, (text) => text.length);
  const known = () => ['a', 'b', 'c', 'd'].filter((name) => map.get(name) !== undefined).join('');
  map.set('a', '1234');
  map.set('b', '1234');
  map.set('a', '12');
  map.set('c', '1234');
  expect(known()).toBe('abc');
  map.set('d', '1');
  expect(known()).toBe('acd');
  map.set('b', '1234567890');
  expect(known()).toBe('b');
  map.set('c', '12345678901');
  expect(known()).toBe('');
});
