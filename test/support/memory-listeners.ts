/**
 * Subscribers and cursors in memory: the ports' promises in the fewest lines, with a hook around every call.
 * @module
 */
import type {
  Connection,
  Cursor,
  CursorStore,
  PatternShard,
  Shard,
  Subscriber,
  SubscriberStore,
} from '../../lambda/hub/listeners.ts';
import { EXPIRED } from '../../lambda/hub/subscribe.ts';
import { CONNECTION_LIFE_MS } from '../../protocol/limits.ts';
import { type Hook, hooked } from './memory-log.ts';

export interface MemoryListeners {
  readonly subscribers: SubscriberStore;
  readonly cursors: CursorStore;
  /** All rows there are, for tests that count what is left. */
  readonly rows: () => readonly Subscriber[];
  readonly connections: ReadonlyMap<string, Connection>;
}

export function memoryListeners(hook: () => Hook): MemoryListeners {
  const connections = new Map<string, Connection>();
  const sets = new Map<string, Map<string, Subscriber>>();
  const subscribers = hooked('subscribers', subscriberStore(connections, sets), hook);
  return {
    subscribers,
    cursors: hooked('cursors', cursorStore(), hook),
    rows: () => [...sets.values()].flatMap((set) => [...set.values()]),
    connections,
  };
}

const keyOf = ({ pattern, shard }: PatternShard) => `${pattern}#${shard}`;

function subscriberStore(
  connections: Map<string, Connection>,
  sets: Map<string, Map<string, Subscriber>>,
): SubscriberStore {
  const patterns = new Map<string, { shards: number; until: number; joined: number; since: number }>();
  const waits = new Map<string, Set<string>>();
  const setOf = (set: PatternShard) => {
    const rows = sets.get(keyOf(set)) ?? new Map<string, Subscriber>();
    sets.set(keyOf(set), rows);
    return rows;
  };
  return {
    async connect(connection, most) {
      const own = [...connections.values()].filter(({ principal }) => principal === connection.principal);
      if (own.length >= most) return false;
      connections.set(connection.id, connection);
      return true;
    },
    connection: async (id) => connections.get(id),
    disconnect: async ({ id }) => void connections.delete(id),
    connectionsOf: async (principal, by) =>
      [...connections.values()]
        .filter((one) => one.principal === principal && one.since <= by && one.until > by)
        .map(({ id }) => id),
    async note(id, { pattern, shard }, most) {
      const connection = connections.get(id);
      if (!connection) return 'gone';
      const { subscriptions } = connection;
      if (Object.hasOwn(subscriptions, pattern)) return 'there';
      if (Object.keys(subscriptions).length >= most) return 'full';
      connections.set(id, { ...connection, subscriptions: { ...subscriptions, [pattern]: shard } });
      return 'noted';
    },
    async unnote(id, pattern) {
      const connection = connections.get(id);
      if (!connection) return;
      const { [pattern]: _, ...subscriptions } = connection.subscriptions;
      connections.set(id, { ...connection, subscriptions });
    },
    async open(pattern, now, until) {
      const there = patterns.get(pattern) ?? { shards: 1, joined: 0, since: now };
      const isOld = now - there.since > CONNECTION_LIFE_MS;
      const joined = isOld ? 1 : there.joined + 1;
      patterns.set(pattern, { ...there, until, joined, since: isOld ? now : there.since });
      return { shards: there.shards, joined };
    },
    async shardsOf(names, now) {
      const known = names.flatMap((name) => {
        const pattern = patterns.get(name);
        return pattern && pattern.until > now ? [[name, pattern.shards] as const] : [];
      });
      return new Map(known);
    },
    async split(pattern, shards) {
      const there = patterns.get(pattern);
      if (there?.shards === shards) patterns.set(pattern, { ...there, shards: 2 * shards });
    },
    async add(set, subscriber) {
      const rows = setOf(set);
      const there = rows.get(subscriber.connection);
      const isOver = (there?.allowedUntil ?? Number.POSITIVE_INFINITY) <= subscriber.since;
      if (!there || isOver) rows.set(subscriber.connection, subscriber);
    },
    members: async (set) => [...setOf(set).values()],
    async move(set, { id, connection }, channel, place) {
      const row = setOf(set).get(connection);
      if (row?.id !== id) return;
      const { [channel]: _, ...rest } = row.places;
      setOf(set).set(connection, { ...row, places: place ? { ...rest, [channel]: place } : rest });
    },
    async expire(set, { id, connection }) {
      const row = setOf(set).get(connection);
      if (row?.id === id) setOf(set).set(connection, { ...row, allowedUntil: EXPIRED, places: {} });
    },
    async remove(set, connection, id) {
      if (id === undefined || setOf(set).get(connection)?.id === id) setOf(set).delete(connection);
    },
    waits: async (channel) => [...(waits.get(channel) ?? [])],
    removeWait: async (channel, connection) => void waits.get(channel)?.delete(connection),
  };
}

function cursorStore(): CursorStore {
  interface Row extends Cursor {
    readonly owner?: string;
    readonly until: number;
  }
  const rows = new Map<string, Row>();
  const key = (shard: Shard) => `${shard.channel} ${keyOf(shard)}`;
  const blank: Row = {
    delivered: undefined,
    at: 0,
    isClosed: false,
    lookAt: 0,
    asks: 0,
    isUnclean: false,
    until: 0,
  };
  return {
    async get(shard) {
      const row = rows.get(key(shard));
      return row && { ...row, isUnclean: row.isUnclean || row.owner !== undefined };
    },
    async take(shard, owner, now, until) {
      const row = rows.get(key(shard)) ?? blank;
      if (row.owner !== undefined && row.until > now) return undefined;
      rows.set(key(shard), { ...row, owner, until });
      return { ...row, isUnclean: row.isUnclean || row.owner !== undefined };
    },
    async ask(shard, now) {
      const row = rows.get(key(shard));
      if (row?.owner === undefined || row.until <= now) return false;
      rows.set(key(shard), { ...row, asks: row.asks + 1 });
      return true;
    },
    async commit(shard, owner, progress, until) {
      const row = rows.get(key(shard));
      if (row?.owner !== owner) return undefined;
      rows.set(key(shard), { ...row, ...progress, until });
      return row.asks;
    },
    async release(shard, owner, progress, asks) {
      const row = rows.get(key(shard));
      if (row?.owner !== owner || (asks !== undefined && row.asks !== asks)) return false;
      const { owner: _, ...rest } = row;
      rows.set(key(shard), { ...rest, ...progress, until: 0 });
      return true;
    },
    async abandon(shard, owner) {
      const row = rows.get(key(shard));
      if (row?.owner !== owner) return;
      const { owner: _, ...rest } = row;
      rows.set(key(shard), { ...rest, isUnclean: true, until: 0 });
    },
  };
}
