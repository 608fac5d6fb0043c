/**
 * The leases of endpoints: one owner at a time (lambda/webhook/webhook-stores.ts).
 * @module
 */
import { describe, expect, test } from 'vitest';
import { HEALTHY } from '../../lambda/webhook/health.ts';
import type { EndpointState, Health } from '../../lambda/webhook/webhook-stores.ts';
import { hardOfHearing, NOW, newId, storesUnderTest } from './stores.ts';

const LATER = NOW + 60_000;
const FAILING: Health = {
  failures: 3,
  failingSince: NOW - 9,
  failedAt: NOW - 1,
  opens: 2,
  backoffUntil: NOW + 10,
  isNotified: true,
  nextStartAt: NOW + 11,
};
const FRESH: EndpointState = { health: HEALTHY, wakeAt: 0, wakeBy: '' };
const USED: EndpointState = { health: FAILING, wakeAt: NOW + 12, wakeBy: 'wake' };

// A request may count more than once, since the SDK may repeat it. So counts are compared with earlier answers.
describe.each([...storesUnderTest(), hardOfHearing])('%s', (_name, open) => {
  /** The stores, and an endpoint that they do not know yet. */
  function newEndpoint() {
    const { leases } = open();
    const endpoint = newId();
    /** When the lease of each owner ends, as that owner knows it. */
    const ends = new Map<string, number>();
    const leaseOf = (owner: string) => ({ owner, until: ends.get(owner) ?? LATER });
    let commits = 0;
    return {
      leases,
      endpoint,
      /** Returns true if there is an owner, which will look once more. */
      ask: async (now = NOW) => (await leases.ask(endpoint, now)) !== undefined,
      held: (now = NOW) => leases.ask(endpoint, now),
      take: (owner: string, now = NOW, until = LATER) => {
        ends.set(owner, until);
        return leases.take(endpoint, { owner, until }, now);
      },
      async commit(owner: string, state = USED, until = LATER + ++commits) {
        const asks = await leases.commit(endpoint, leaseOf(owner), state, until);
        if (asks !== undefined) ends.set(owner, until);
        return asks;
      },
      release: (owner: string, asks: number | undefined, state = USED, now = NOW) =>
        leases.release(endpoint, leaseOf(owner), state, asks, now),
      health: () => leases.health(endpoint),
    };
  }

  test('a lease has one holder until it ends', async () => {
    const { take, commit, release } = newEndpoint();
    expect(await take('one', NOW, NOW + 1_000)).toStrictEqual({ ...FRESH, asks: 0 });
    expect(await take('two', NOW + 999)).toBeUndefined();
    expect(await commit('two')).toBeUndefined();
    expect(await release('two', undefined)).toBe('lost');
    expect(await commit('one', USED, NOW + 2_000)).toBe(0);
    expect(await take('two', NOW + 1_999)).toBeUndefined();
    expect(await take('two', NOW + 2_000)).toStrictEqual({ ...USED, asks: 0 });
    expect(await commit('one', FRESH)).toBeUndefined();
    expect(await release('one', 0, FRESH)).toBe('lost');
    expect(await take('one', NOW + 2_001)).toBeUndefined();
    expect(await release('two', 0)).toBe('released');
    expect(await take('one')).toStrictEqual({ ...USED, asks: 0 });
  });

  test('a repeated take has no further effect, and keeps a later renewal', async () => {
    const { take, commit } = newEndpoint();
    await take('one', NOW, NOW + 1_000);
    expect(await take('one', NOW, NOW + 1_000)).toBeDefined();
    expect(await commit('one', USED, NOW + 2_000)).toBe(0);
    expect(await take('one', NOW, NOW + 1_000)).toBeUndefined();
    expect(await take('two', NOW + 1_999)).toBeUndefined();
  });

  test('a late commit or release changes nothing', async () => {
    const { leases, endpoint, take, health } = newEndpoint();
    const [first, second, third] = [1, 2, 3].map((n) => ({ owner: 'one', until: NOW + n * 1_000 }));
    if (!first || !second || !third) throw new Error('three leases');
    await take('one', NOW, first.until);
    expect(await leases.commit(endpoint, first, FRESH, second.until)).toBe(0);
    expect(await leases.commit(endpoint, second, USED, third.until)).toBe(0);
    expect(await leases.commit(endpoint, first, FRESH, second.until)).toBeUndefined();
    expect(await leases.release(endpoint, second, FRESH, 0, NOW)).toBe('lost');
    expect(await health()).toStrictEqual(FAILING);
    expect(await take('two', NOW + 2_999)).toBeUndefined();
  });

  test('a take that arrives after other owners has no effect', async () => {
    const { take, release } = newEndpoint();
    await take('one');
    await release('one', 0, USED, NOW + 900);
    await take('two', NOW + 900, LATER + 1);
    await release('two', 0, USED, NOW + 950);
    expect(await take('one')).toBeUndefined();
    expect(await take('three', NOW + 950)).toBeDefined();
  });

  test('an owner that released the lease cannot take it again, since its first call may arrive late', async () => {
    const { take, release } = newEndpoint();
    const taken = await take('one');
    expect(await release('one', taken?.asks)).toBe('released');
    expect(await take('one')).toBeUndefined();
    expect(await take('two')).toBeDefined();
  });

  test('a request returns the owner, the end of its lease, and the postponed wake', async () => {
    const { held, take, commit, release } = newEndpoint();
    expect(await held()).toBeUndefined();
    const taken = await take('one');
    expect(await held()).toStrictEqual({ owner: 'one', until: LATER, wakeBy: '' });
    await commit('one', USED, LATER + 1);
    expect(await held()).toStrictEqual({ owner: 'one', until: LATER + 1, wakeBy: 'wake' });
    expect(taken).toBeDefined();
    expect(await release('one', undefined)).toBe('released');
    expect(await held()).toBeUndefined();
  });

  test('exactly one of many takes at the same time succeeds', async () => {
    const { take, commit } = newEndpoint();
    const owners = Array.from({ length: 20 }, (_, at) => `owner${at}`);
    const taken = await Promise.all(owners.map((owner) => take(owner)));
    expect(taken.filter((one) => one !== undefined)).toHaveLength(1);
    const commits = await Promise.all(owners.map((owner) => commit(owner)));
    expect(commits.map((one) => one !== undefined)).toEqual(taken.map((one) => one !== undefined));
  });

  test('the next owner finds the state that was committed or released last', async () => {
    const { take, commit, release } = newEndpoint();
    await take('one');
    await commit('one');
    expect(await release('one', undefined, FRESH)).toBe('released');
    expect(await take('two')).toStrictEqual({ ...FRESH, asks: 0 });
    expect(await commit('two', { ...FRESH, wakeAt: NOW, wakeBy: 'other' })).toBe(0);
    expect(await take('three', LATER + 9, LATER + 10)).toStrictEqual({
      ...FRESH,
      wakeAt: NOW,
      wakeBy: 'other',
      asks: 0,
    });
  });

  test('a state that was taken can be released as it is', async () => {
    const { take, commit, release } = newEndpoint();
    await take('one');
    await commit('one', USED, NOW);
    const taken = await take('two');
    if (!taken) throw new Error('not taken');
    expect(await commit('two', taken)).toBe(0);
    expect(await take('three')).toBeUndefined();
    expect(await release('two', 0, taken)).toBe('released');
    expect(await take('three')).toStrictEqual({ ...USED, asks: 0 });
  });

  test('a request keeps the owner from releasing the lease', async () => {
    const { ask, take, commit, release } = newEndpoint();
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
    expect((await take('two'))?.asks).toBeGreaterThan(now ?? 0);
    await ask();
    expect(await release('two', undefined)).toBe('released');
  });

  test('a request without an owner, or after its lease ended, returns nothing', async () => {
    const { ask, take, release } = newEndpoint();
    expect(await ask()).toBe(false);
    const taken = await take('one', NOW, NOW + 1_000);
    expect(taken?.asks).toBeGreaterThan(0);
    expect(taken).toMatchObject(FRESH);
    expect(await ask(NOW + 999)).toBe(true);
    expect(await ask(NOW + 1_000)).toBe(false);
    expect(await release('one', taken?.asks)).toBe('asked');
    expect(await release('one', undefined)).toBe('released');
    expect(await ask()).toBe(false);
  });

  test('a request and a release at the same time never miss each other', async () => {
    for (let round = 0; round < 10; round++) {
      const { ask, take, release } = newEndpoint();
      await take('one');
      const [isHeard, end] = await Promise.all([ask(), release('one', 0)]);
      expect([isHeard, end]).toEqual(isHeard ? [true, 'asked'] : [false, 'released']);
    }
  });

  test('a repeated release is recognized', async () => {
    const { take, release } = newEndpoint();
    await take('one');
    expect(await release('one', 0)).toBe('released');
    expect(await release('one', 0)).toBe('released');
    await take('two');
    expect(await release('one', 0)).toBe('lost');
    expect(await take('three')).toBeUndefined();
  });

  test('the health is the one that the last owner stored', async () => {
    const { ask, take, commit, release, health } = newEndpoint();
    expect(await health()).toStrictEqual(HEALTHY);
    await ask();
    await take('one');
    expect(await health()).toStrictEqual(HEALTHY);
    await commit('one', USED);
    await commit('two', FRESH);
    expect(await health()).toStrictEqual(FAILING);
    await release('one', undefined, { ...USED, health: { ...FAILING, failures: 4 } });
    expect(await health()).toStrictEqual({ ...FAILING, failures: 4 });
    await take('two');
    await release('two', undefined, FRESH);
    expect(await health()).toStrictEqual(HEALTHY);
  });

  test('each endpoint has its own lease', async () => {
    const [one, other] = [newEndpoint(), newEndpoint()];
    await one.take('one');
    expect(await other.take('two')).toStrictEqual({ ...FRESH, asks: 0 });
    expect(await one.commit('two')).toBeUndefined();
  });
});
