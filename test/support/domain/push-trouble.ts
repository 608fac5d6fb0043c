/**
 * Shared by tests of the push under failures: stores that can be wrapped, and publishes that die.
 * @module
 */
import type { ConnectionStore, CursorStore, SubscriptionStore } from '../../../lambda/hub/push/push-ports.ts';
import { unsubscribe } from '../../../lambda/hub/push/subscribe.ts';
import { losePublish } from './json-log.ts';
import type { Client } from './push-client.ts';
import { pushWorld, type World, type WorldOptions } from './push-world.ts';
import { seededRandom } from './random.ts';

export const worldOf = (options: Partial<WorldOptions> = {}): World =>
  pushWorld({ random: seededRandom(7), ...options });
export const run = async (world: World, work: () => Promise<void>) => await world.time.until(work());
export const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, at) => from + at);

/** Wraps a method of a store. */
export function around<S extends object, K extends keyof S>(
  store: S,
  name: K,
  wrap: (original: S[K]) => S[K],
): void {
  store[name] = wrap(store[name]);
}

type Open<T> = { -readonly [K in keyof T]: T[K] };
interface OpenStores {
  readonly connections: Open<ConnectionStore>;
  readonly subscriptions: Open<SubscriptionStore>;
  readonly cursors: Open<CursorStore>;
}
export const storesOf = (w: World): OpenStores => w.listeners;

export function counted(w: World): { commits: number; takes: number } {
  const count = { commits: 0, takes: 0 };
  around(storesOf(w).cursors, 'commit', (original) => async (...args) => {
    count.commits++;
    return await original(...args);
  });
  around(storesOf(w).cursors, 'take', (original) => async (...args) => {
    count.takes++;
    return await original(...args);
  });
  return count;
}

export async function lose(w: World): Promise<void> {
  const hook = w.log.hook;
  await losePublish(w.log);
  w.log.hook = hook;
}

/** Returns a function that returns the longest time for which an owner held a shard so far, in milliseconds. */
export function longestOwnership(w: World): () => number {
  const since = new Map<string, number>();
  let longest = 0;
  around(storesOf(w).cursors, 'take', (original) => async (shard, lease, now) => {
    const taken = await original(shard, lease, now);
    if (taken) since.set(lease.owner, w.time.now());
    return taken;
  });
  around(storesOf(w).cursors, 'release', (original) => async (shard, lease, ...rest) => {
    longest = Math.max(longest, w.time.now() - (since.get(lease.owner) ?? 0));
    return await original(shard, lease, ...rest);
  });
  return () => longest;
}

/** Ends a subscription of a client. @param clock of the process that does so */
export async function leave(
  w: World,
  { id, connection }: Client,
  pattern: string,
  clock = () => w.log.now,
): Promise<void> {
  const { connections, subscriptions } = w.listeners;
  const seen = (await connections.get(id)) ?? connection;
  await unsubscribe({ connections, subscriptions, log: { ...w.log, clock } }, seen, pattern);
}
