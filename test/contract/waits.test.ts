/**
 * The store of waits, and what a hint finds of it (lambda/hub/push/push-ports.ts).
 * @module
 */
import { beforeEach, describe, expect, test } from 'vitest';
import { nameOfPolls } from '../../lambda/hub/waiting-names.ts';
import { NOW, newId, type Stores, storesUnderTest } from './stores.ts';

describe.each(storesUnderTest())('%s', (_name, make) => {
  let waits: Stores['waits'];
  let lookup: Stores['lookup'];
  let channel = '';

  beforeEach(() => {
    ({ waits, lookup } = make());
    channel = `c-${newId()}`;
  });

  const waitingOn = async (name: string, now: number) => {
    const { names, hasOthers } = (await lookup.find(name, [], [], now)).waiting;
    const others = hasOthers ? await waits.others(name, now) : [];
    return [...new Set([...names, ...others])].toSorted();
  };

  const processes = (name: string, count: number) =>
    Array.from({ length: count }, (_, n) => `${name}-${String(n).padStart(2, '0')}=`);

  test('a process is shown until its time ends or it is removed, and once however often it is shown', async () => {
    const end = NOW + waits.shownForMs;
    expect(await waitingOn(channel, NOW)).toEqual([]);
    await waits.show(channel, 'one=', NOW);
    await waits.show(channel, 'two=', NOW);
    await waits.show(channel, 'two=', NOW + 5);
    await waits.show(channel, nameOfPolls('polls='), NOW - 1);
    expect(await waitingOn(channel, end - 1)).toEqual(['one=', 'two=']);
    expect(await waitingOn(channel, end - 2)).toEqual(['one=', 'polls=!', 'two=']);
    expect(await waitingOn(channel, end)).toEqual(['two=']);
    expect(await waitingOn(channel, end + 5)).toEqual([]);
    expect(await waitingOn(`${channel}/other`, NOW)).toEqual([]);
    for (const gone of ['two=', 'two=', 'nobody=', 'polls=!']) await waits.remove(channel, gone);
    expect(await waitingOn(channel, NOW)).toEqual(['one=']);
  });

  test('however many processes wait, they are all shown, also those that come at once, and each can be removed', async () => {
    const all = processes('process', 26);
    await Promise.all(all.slice(0, 4).map((connection) => waits.show(channel, connection, NOW)));
    for (const connection of all.slice(4)) await waits.show(channel, connection, NOW + 1);
    expect(await waitingOn(channel, NOW + 2)).toEqual(all);
    // They are shown again before their time ends, and still once.
    const later = NOW + waits.shownForMs / 2;
    for (const connection of all) await waits.show(channel, connection, later);
    expect(await waitingOn(channel, NOW + waits.shownForMs + 2)).toEqual(all);
    await Promise.all(all.filter((_, n) => n % 3 > 0).map((connection) => waits.remove(channel, connection)));
    expect(await waitingOn(channel, later)).toEqual(all.filter((_, n) => n % 3 === 0));
  });

  test('those that ended without a word make room for others', async () => {
    for (const generation of [0, 1, 2, 3, 4]) {
      const now = NOW + generation * waits.shownForMs;
      const all = processes(`generation-${generation}`, 15);
      for (const connection of all) await waits.show(channel, connection, now);
      const { names, hasOthers } = (await lookup.find(channel, [], [], now)).waiting;
      expect([names.toSorted(), hasOthers]).toEqual([all, false]);
    }
  });
});
