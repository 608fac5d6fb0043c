/**
 * The lease: one owner at a time, and no request that an owner misses (lambda/hub/lease.ts). The proof is the same for the
 * shards of the push, the endpoints of webhooks and the channels with presence.
 * @module
 */
import { describe, expect, test } from 'vitest';
import type { LeaseRow, LeaseStore } from '../../lambda/hub/lease.ts';
import type { SettleRow, SettleState } from '../../lambda/hub/presence/presence-ports.ts';
import { BLANK } from '../../lambda/hub/presence/settle.ts';
import type { CursorRow, Progress, Shard } from '../../lambda/hub/push/push-ports.ts';
import { HEALTHY } from '../../lambda/webhook/health.ts';
import type { EndpointRow, EndpointState } from '../../lambda/webhook/webhook-stores.ts';
import { hardOfHearing, NOW, newId, progressOf, type Stores, storesUnderTest } from './stores.ts';

const LATER = NOW + 60_000;

/** One kind of leases. */
interface Kind<Key, State, Row extends State & LeaseRow> {
  readonly leasesOf: (stores: Stores) => LeaseStore<Key, State, Row>;
  readonly newKey: () => Key;
  /** The state before the first commit, and two others. */
  readonly fresh: State;
  readonly used: State;
  readonly other: State;
  /** Returns the state in a row. */
  readonly stateOf: (row: Row) => State;
}

const SHARDS: Kind<Shard, Progress, CursorRow> = {
  leasesOf: ({ cursors }) => cursors,
  newKey: () => ({ channel: newId(), pattern: `${newId()}/*`, shard: 3 }),
  fresh: progressOf({}),
  used: progressOf({ delivered: { entry: 5, index: 1 }, at: NOW, isClosed: true, lookAt: 8, fence: 2 }),
  other: progressOf({ delivered: { entry: 6, index: 0 }, at: NOW + 1, lookAt: 9, fence: 3 }),
  // A row is unclean while there is an owner (listeners.test.ts).
  stateOf: ({ delivered, at, isClosed, lookAt, fence }) =>
    progressOf({ delivered, at, isClosed, lookAt, fence }),
};

const ENDPOINTS: Kind<string, EndpointState, EndpointRow> = {
  leasesOf: ({ leases }) => leases,
  newKey: newId,
  fresh: { health: HEALTHY, wakeAt: 0, wakeBy: '' },
  used: {
    health: {
      failures: 3,
      failingSince: NOW - 9,
      failedAt: NOW - 1,
      opens: 2,
      backoffUntil: NOW + 10,
      isNotified: true,
      nextStartAt: NOW + 11,
    },
    wakeAt: NOW + 12,
    wakeBy: 'wake',
  },
  other: { health: { ...HEALTHY, nextStartAt: NOW }, wakeAt: NOW, wakeBy: 'other' },
  stateOf: ({ health, wakeAt, wakeBy }) => ({ health, wakeAt, wakeBy }),
};

const SETTLERS: Kind<string, SettleState, SettleRow> = {
  leasesOf: ({ settleLeases }) => settleLeases,
  newKey: () => `chat/${newId()}`,
  fresh: BLANK,
  used: { lookAt: NOW + 20_000, isEmpty: false },
  other: { lookAt: NOW + 40_000, isEmpty: true },
  stateOf: ({ lookAt, isEmpty }) => ({ lookAt, isEmpty }),
};

describe.each([...storesUnderTest(), hardOfHearing])('%s', (name, open) => {
  const isTwice = name === hardOfHearing[0];
  describe('shards', () => prove(SHARDS, open, isTwice));
  describe('endpoints', () => prove(ENDPOINTS, open, isTwice));
  describe('settlers of presence', () => prove(SETTLERS, open, isTwice));
});

// A request may count more than once, since the SDK may repeat it. So counts are compared with earlier answers.
function prove<Key, State, Row extends State & LeaseRow>(
  { leasesOf, newKey, fresh, used, other, stateOf }: Kind<Key, State, Row>,
  open: () => Stores,
  isTwice: boolean,
): void {
  /** The store, and a key that it does not know yet. */
  function newLease() {
    const leases = leasesOf(open());
    const key = newKey();
    /** When the lease of each owner ends, as that owner knows it. */
    const ends = new Map<string, number>();
    const leaseOf = (owner: string) => ({ owner, until: ends.get(owner) ?? LATER });
    let commits = 0;
    /** Returns what became of a release, as its caller finds it out: one more read tells after `false`. */
    const outcomeOf = async (isReleased: boolean, owner: string) => {
      const row = isReleased ? undefined : await leases.get(key);
      if (row?.owner === undefined) return 'released';
      return row.owner === owner && row.until === leaseOf(owner).until ? 'asked' : 'lost';
    };
    return {
      leases,
      key,
      outcomeOf,
      /** Returns true if there is an owner, which will look once more. */
      ask: async (now = NOW) => (await leases.ask(key, now)) !== undefined,
      async take(owner: string, now = NOW, until = LATER) {
        ends.set(owner, until);
        const row = await leases.take(key, { owner, until }, now);
        return row && { row, state: stateOf(row), asks: row.asks };
      },
      async commit(owner: string, state = used, until = LATER + ++commits) {
        const asks = await leases.commit(key, leaseOf(owner), state, until);
        if (asks !== undefined) ends.set(owner, until);
        return asks;
      },
      async release(owner: string, asks: number | undefined, state = used, now = NOW) {
        const isReleased = await leases.release(key, leaseOf(owner), state, asks, now);
        const outcome = await outcomeOf(isReleased, owner);
        // The second call finds that the first one was carried out.
        expect(isReleased).toBe(outcome === 'released' && !isTwice);
        return outcome;
      },
      async stored() {
        const row = await leases.get(key);
        return row && { state: stateOf(row), owner: row.owner, until: row.until };
      },
    };
  }

  test('a lease has one owner until it ends, and only that owner commits', async () => {
    const { take, commit, release, stored } = newLease();
    expect(await stored()).toBeUndefined();
    expect(await take('one', NOW, NOW + 1_000)).toMatchObject({ state: fresh, asks: 0 });
    expect(await take('two', NOW + 999)).toBeUndefined();
    expect(await commit('two')).toBeUndefined();
    expect(await release('two', undefined)).toBe('lost');
    expect(await commit('one', used, NOW + 2_000)).toBe(0);
    expect(await take('two', NOW + 1_999)).toBeUndefined();
    expect(await take('two', NOW + 2_000)).toMatchObject({ state: used, asks: 0 });
    expect(await commit('one', other)).toBeUndefined();
    expect(await release('one', 0, other)).toBe('lost');
    expect(await take('one', NOW + 2_001)).toBeUndefined();
    expect(await release('two', 0)).toBe('released');
    expect(await take('one')).toMatchObject({ state: used, asks: 0 });
  });

  test('the name of the owner is part of the right to commit, and so is the end of the lease', async () => {
    const { leases, key, take, stored } = newLease();
    await take('one');
    for (const wrong of [
      { owner: 'two', until: LATER },
      { owner: 'one', until: LATER - 1 },
    ]) {
      expect(await leases.commit(key, wrong, used, LATER + 1)).toBeUndefined();
      expect(await leases.release(key, wrong, used, undefined, NOW)).toBe(false);
    }
    expect(await stored()).toStrictEqual({ state: fresh, owner: 'one', until: LATER });
  });

  test('a repeated take has no further effect, and keeps a later renewal', async () => {
    const { take, commit } = newLease();
    await take('one', NOW, NOW + 1_000);
    expect(await take('one', NOW, NOW + 1_000)).toBeDefined();
    expect(await commit('one', used, NOW + 2_000)).toBe(0);
    expect(await take('one', NOW, NOW + 1_000)).toBeUndefined();
    expect(await take('two', NOW + 1_999)).toBeUndefined();
  });

  test('a commit is repeated without effect; a commit or a release that comes late changes nothing', async () => {
    const { leases, key, take, stored } = newLease();
    const until = (seconds: number) => ({ owner: 'one', until: NOW + seconds * 1_000 });
    await take('one', NOW, until(1).until);
    expect(await leases.commit(key, until(1), fresh, until(2).until)).toBe(0);
    expect(await leases.commit(key, until(1), fresh, until(2).until)).toBe(0);
    expect(await leases.commit(key, until(2), used, until(3).until)).toBe(0);
    expect(await leases.commit(key, until(1), fresh, until(2).until)).toBeUndefined();
    expect(await leases.release(key, until(2), other, 0, NOW)).toBe(false);
    expect(await stored()).toStrictEqual({ state: used, ...until(3) });
    expect(await take('two', NOW + 2_999)).toBeUndefined();
    await leases.release(key, until(3), used, 0, NOW);
    await take('two');
    expect(await leases.release(key, until(3), other, 0, NOW)).toBe(false);
    expect(await stored()).toStrictEqual({ state: used, owner: 'two', until: LATER });
  });

  test('an owner that released the lease does not take it again: its first call may arrive late', async () => {
    const { take, release } = newLease();
    const taken = await take('one');
    expect(await take('one')).toBeDefined();
    expect(await release('one', taken?.asks)).toBe('released');
    expect(await take('one')).toBeUndefined();
    expect(await take('two')).toBeDefined();
  });

  test('a take that arrives after other owners has no effect', async () => {
    const { take, release, stored } = newLease();
    await take('one');
    await release('one', 0, used, NOW + 900);
    expect(await take('one')).toBeUndefined();
    await take('two', NOW + 900, LATER + 1);
    await release('two', 0, other, NOW + 950);
    // Another owner was the last that released the lease, but long after this call was made.
    expect(await take('one')).toBeUndefined();
    expect(await stored()).toStrictEqual({ state: other, owner: undefined, until: undefined });
    expect(await take('three', NOW + 950)).toBeDefined();
  });

  test('exactly one of many takes at the same time succeeds', async () => {
    const { take, commit } = newLease();
    const owners = Array.from({ length: 20 }, (_, at) => `owner${at}`);
    const taken = await Promise.all(owners.map((owner) => take(owner)));
    expect(taken.filter((one) => one !== undefined)).toHaveLength(1);
    const commits = await Promise.all(owners.map((owner) => commit(owner)));
    expect(commits.map((one) => one !== undefined)).toEqual(taken.map((one) => one !== undefined));
  });

  test('the next owner, and a reader, find the state that was committed or released last', async () => {
    const { take, commit, release, stored } = newLease();
    await take('one');
    expect(await stored()).toStrictEqual({ state: fresh, owner: 'one', until: LATER });
    await commit('one', used, LATER + 1);
    await commit('two', other);
    expect(await stored()).toStrictEqual({ state: used, owner: 'one', until: LATER + 1 });
    expect(await release('one', undefined, other)).toBe('released');
    expect(await stored()).toStrictEqual({ state: other, owner: undefined, until: undefined });
    expect(await take('two')).toMatchObject({ state: other, asks: 0 });
    expect(await commit('two', used, LATER + 2)).toBe(0);
    expect(await take('three', LATER + 9, LATER + 10)).toMatchObject({ state: used, asks: 0 });
  });

  test('a row that was taken can be committed and released as it is', async () => {
    const { take, commit, release } = newLease();
    await take('one');
    await commit('one', used, NOW);
    const taken = await take('two');
    if (!taken) throw new Error('not taken');
    for (const name of ['owner', 'until', 'left', 'freedAt']) expect(taken.row).not.toHaveProperty(name);
    expect(await commit('two', taken.row)).toBe(0);
    expect(await take('three')).toBeUndefined();
    expect(await release('two', 0, taken.row)).toBe('released');
    expect(await take('three')).toMatchObject({ state: used, asks: 0 });
  });

  test('a row that was read brings back no owner', async () => {
    const { leases, key, take, release, stored } = newLease();
    await take('one');
    const row = await leases.get(key);
    if (!row) throw new Error('no row');
    expect(await release('one', 0, row)).toBe('released');
    expect(await stored()).toMatchObject({ owner: undefined, until: undefined });
  });

  test('a request returns the owner, the end of its lease, and the row', async () => {
    const { leases, key, take, commit, release } = newLease();
    const asked = async () => {
      const row = await leases.ask(key, NOW);
      return row && { owner: row.owner, until: row.until, state: stateOf(row) };
    };
    expect(await asked()).toBeUndefined();
    await take('one');
    expect(await asked()).toStrictEqual({ owner: 'one', until: LATER, state: fresh });
    await commit('one', used, LATER + 1);
    expect(await asked()).toStrictEqual({ owner: 'one', until: LATER + 1, state: used });
    expect(await release('one', undefined)).toBe('released');
    expect(await asked()).toBeUndefined();
  });

  test('a request keeps the owner from releasing the lease before it has looked again', async () => {
    const { ask, take, commit, release } = newLease();
    await take('one');
    expect(await ask()).toBe(true);
    expect(await release('one', 0)).toBe('asked');
    const asks = await commit('one');
    expect(asks).toBeGreaterThan(0);
    expect(await ask()).toBe(true);
    expect(await release('one', asks)).toBe('asked');
    const now = await commit('one');
    expect(now).toBeGreaterThan(asks ?? 0);
    expect(await release('one', now)).toBe('released');
    expect(await ask()).toBe(false);
    expect((await take('two'))?.asks).toBe(now);
    await ask();
    expect(await release('two', now)).toBe('asked');
    expect(await release('two', undefined)).toBe('released');
  });

  test('a request without an owner, or after its lease ended, returns nothing and is not counted', async () => {
    const { ask, take, release, stored } = newLease();
    expect(await ask()).toBe(false);
    expect(await stored()).toBeUndefined();
    expect(await take('one', NOW, NOW + 1_000)).toMatchObject({ state: fresh, asks: 0 });
    expect(await ask(NOW + 999)).toBe(true);
    expect(await ask(NOW + 1_000)).toBe(false);
    expect(await release('one', 0)).toBe('asked');
    expect(await release('one', undefined)).toBe('released');
    const asks = (await take('two', NOW, NOW + 1_000))?.asks;
    expect(asks).toBeGreaterThan(0);
    expect(await ask(NOW + 1_000)).toBe(false);
    // The process that asked takes the lease itself, or starts an owner. Both look in any case.
    expect(await release('two', asks)).toBe('released');
  });

  test('a request and a release at the same time never miss each other', async () => {
    for (let nth = 0; nth < 10; nth++) {
      const { ask, take, release } = newLease();
      await take('one');
      const [isHeard, end] = await Promise.all([ask(), release('one', 0)]);
      expect([isHeard, end]).toEqual(isHeard ? [true, 'asked'] : [false, 'released']);
    }
  });

  test('a repeated release returns false, and a read recognizes it', async () => {
    const { leases, key, outcomeOf, take, release } = newLease();
    const again = () => leases.release(key, { owner: 'one', until: LATER }, other, 0, NOW);
    await take('one');
    expect(await release('one', 0)).toBe('released');
    const isReleased = await again();
    expect([isReleased, await outcomeOf(isReleased, 'one')]).toEqual([false, 'released']);
    expect(await take('two')).toMatchObject({ state: used });
    expect(await release('one', 0)).toBe('lost');
    expect(await take('three')).toBeUndefined();
  });

  test('each key has its own lease', async () => {
    const [one, two] = [newLease(), newLease()];
    await one.take('one');
    expect(await two.take('two')).toMatchObject({ state: fresh, asks: 0 });
    expect(await one.commit('two')).toBeUndefined();
  });
}
