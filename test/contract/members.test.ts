/**
 * The store of members, and the guard of a settler (lambda/hub/presence/presence-ports.ts).
 * @module
 */
import { beforeEach, describe, expect, test } from 'vitest';
import type { Member } from '../../lambda/hub/presence/presence-ports.ts';
import { hardOfHearing, NOW, newId, type Stores, storesUnderTest } from './stores.ts';

describe.each([...storesUnderTest(), hardOfHearing])('%s', (_name, open) => {
  let members: Stores['members'];
  let leases: Stores['settleLeases'];
  let channel = '';

  beforeEach(() => {
    ({ members, settleLeases: leases } = open());
    channel = `chat/${newId()}`;
  });

  const member = (more: Partial<Member> = {}): Member => ({
    id: 'socket=',
    principal: 'alice',
    transport: 'websocket',
    since: NOW,
    data: '{"name":"Alice"}',
    until: NOW + 60_000,
    keptUntil: NOW + 7_200_000,
    at: NOW,
    ...more,
  });

  test('a member is found as it was stored last, in its channel alone', async () => {
    expect(await members.get(channel, 'socket=')).toBeUndefined();
    expect(await members.of(channel)).toEqual([]);
    const other = member({ id: 'reader', principal: undefined, transport: 'long-poll', data: 'null' });
    await members.put(channel, member());
    await members.put(channel, other);
    await members.put(channel, member({ data: '1', at: NOW + 1 }));
    expect(await members.get(channel, 'socket=')).toEqual(member({ data: '1', at: NOW + 1 }));
    const all = (await members.of(channel)).toSorted((a, b) => (a.id < b.id ? -1 : 1));
    expect(all).toEqual([other, member({ data: '1', at: NOW + 1 })]);
    expect(await members.of(`${channel}/below`)).toEqual([]);
  });

  test('a write that is carried out late changes nothing', async () => {
    await members.put(channel, member({ data: '2', at: NOW + 2 }));
    await members.put(channel, member({ data: '1', at: NOW + 1 }));
    await members.extend(channel, member({ until: NOW + 1, at: NOW + 1 }));
    expect(await members.get(channel, 'socket=')).toEqual(member({ data: '2', at: NOW + 2 }));
    await members.remove(channel, 'socket=', NOW - 1);
    expect(await members.get(channel, 'socket=')).toBeDefined();
  });

  test('only the member that came at that time is extended, and none is brought back', async () => {
    await members.extend(channel, member());
    expect(await members.of(channel)).toEqual([]);
    await members.put(channel, member());
    const later = { until: NOW + 90_000, keptUntil: NOW + 7_300_000, at: NOW + 5 };
    await members.extend(channel, member({ since: NOW - 9, ...later }));
    expect(await members.get(channel, 'socket=')).toEqual(member());
    // Only its times: the data are not those of the row.
    await members.extend(channel, member({ data: '7', ...later }));
    expect(await members.get(channel, 'socket=')).toEqual(member(later));
  });

  test('a member is removed by the time at which it came, and nobody is removed twice', async () => {
    await members.put(channel, member());
    await members.remove(channel, 'socket=', NOW);
    await members.remove(channel, 'socket=', NOW);
    await members.remove(channel, 'nobody', NOW);
    expect(await members.of(channel)).toEqual([]);
  });

  test('a guard is noted only while there is an owner, and never moves back', async () => {
    await leases.guard(channel, NOW + 5);
    expect(await leases.get(channel)).toBeUndefined();
    await leases.take(channel, { owner: 'one', until: NOW + 60_000 }, NOW);
    expect(await leases.ask(channel, NOW)).toMatchObject({ guardedUntil: 0, owner: 'one' });
    await leases.guard(channel, NOW + 9);
    await leases.guard(channel, NOW + 5);
    expect(await leases.ask(channel, NOW)).toMatchObject({ guardedUntil: NOW + 9, until: NOW + 60_000 });
  });
});
