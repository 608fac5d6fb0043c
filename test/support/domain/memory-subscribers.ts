/**
 * The stores of the push in memory: the promises of the ports in few lines, with a hook around every call.
 * @module
 */
import { isDeepStrictEqual } from 'node:util';
import {
  type Connection,
  type ConnectionStore,
  type CursorRow,
  type CursorStore,
  type HintLookup,
  ownCursorIn,
  type PatternShard,
  type Progress,
  type Shard,
  type Subscriber,
  type SubscriptionStore,
  type WaitStore,
} from '../../../lambda/hub/push/push-ports.ts';
import { EXPIRED } from '../../../lambda/hub/push/subscribe.ts';
import { CONNECTION_LIFE_MS } from '../../../protocol/limits.ts';
import { memoryLeases } from './memory-leases.ts';
import { type Hook, hooked } from './memory-log.ts';

export interface MemoryListeners {
  readonly connections: ConnectionStore;
  readonly subscriptions: SubscriptionStore;
  readonly waits: WaitStore;
  readonly cursors: CursorStore;
  readonly lookup: HintLookup;
  /** Returns all subscriptions, for tests that count what is left. */
  readonly subscriptionRows: () => readonly Subscriber[];
  readonly connectionRows: ReadonlyMap<string, Connection>;
}

export function memoryListeners(hook: () => Hook): MemoryListeners {
  const connectionRows = new Map<string, Connection>();
  const sets = new Map<string, Map<string, Subscriber>>();
  const patterns = new Map<string, PatternRow>();
  const cursors = cursorStore();
  const waits: Waits = new Map();
  return {
    connections: hooked('connections', connectionStore(connectionRows), hook),
    subscriptions: hooked('subscriptions', subscriptionStore(sets, patterns), hook),
    waits: hooked('waits', waitStore(waits), hook),
    cursors: hooked('cursors', cursors, hook),
    lookup: hooked('lookup', hintLookup(patterns, cursors, waits), hook),
    subscriptionRows: () => [...sets.values()].flatMap((set) => [...set.values()]),
    connectionRows,
  };
}

const keyOf = ({ pattern, shard }: PatternShard) => `${pattern}#${shard}`;

function connectionStore(rows: Map<string, Connection>): ConnectionStore {
  return {
    async add(connection, most) {
      const own = [...rows.values()].filter(({ principal }) => principal === connection.principal);
      if (own.length >= most) return false;
      if (!rows.has(connection.id)) rows.set(connection.id, connection);
      return true;
    },
    get: async (id) => rows.get(id),
    remove: async ({ id }) => void rows.delete(id),
    ofPrincipal: async (principal, by) =>
      [...rows.values()]
        .filter((one) => one.principal === principal && one.since <= by && one.until > by)
        .map(({ id }) => id),
    async list(after, most) {
      const ids = [...rows.keys()].toSorted().filter((id) => after === undefined || id > after);
      const page = ids.slice(0, most);
      const connections = page.flatMap((id) => rows.get(id) ?? []);
      return { connections, after: page.length < ids.length ? page.at(-1) : undefined };
    },
    async note(id, { pattern, shard }, most) {
      const connection = rows.get(id);
      if (!connection) return 'gone';
      const { subscriptions } = connection;
      if (Object.hasOwn(subscriptions, pattern)) return 'there';
      if (Object.keys(subscriptions).length >= most) return 'full';
      rows.set(id, { ...connection, subscriptions: { ...subscriptions, [pattern]: shard } });
      return 'noted';
    },
    async unnote(id, pattern) {
      const connection = rows.get(id);
      if (!connection) return;
      const { [pattern]: _, ...subscriptions } = connection.subscriptions;
      rows.set(id, { ...connection, subscriptions });
    },
  };
}

interface PatternRow {
  readonly shards: number;
  readonly until: number;
  readonly joined: number;
  readonly since: number;
  readonly version: number;
}

function hintLookup(
  patterns: ReadonlyMap<string, PatternRow>,
  cursors: CursorStore,
  waits: Waits,
): HintLookup {
  return {
    async find(channel, names, shards, now) {
      const known = names.flatMap((name) => {
        const row = patterns.get(name);
        if (!row || row.until <= now) return [];
        return [[name, { shards: row.shards, version: `${row.since}.${row.version}` }] as const];
      });
      const rows = await Promise.all(
        shards.map(async (shard) => [shard.pattern, await cursors.get(shard)] as const),
      );
      const found = rows.flatMap(([pattern, row]) => (row ? [[pattern, row] as const] : []));
      const all = waitersOf(waits, channel, now);
      const waiting = { names: all.slice(0, FIRST), hasOthers: all.length > FIRST };
      return { patterns: new Map(known), cursors: new Map(found), waiting };
    },
  };
}

function subscriptionStore(
  sets: Map<string, Map<string, Subscriber>>,
  patterns: Map<string, PatternRow>,
): SubscriptionStore {
  const setOf = (set: PatternShard) => {
    const rows = sets.get(keyOf(set)) ?? new Map<string, Subscriber>();
    sets.set(keyOf(set), rows);
    return rows;
  };
  return {
    shardsOf: async (pattern) => patterns.get(pattern)?.shards ?? 1,
    async open(pattern, now, until) {
      const there = patterns.get(pattern) ?? { shards: 1, joined: 0, since: now, version: 0 };
      const isOld = now - there.since > CONNECTION_LIFE_MS;
      const joined = isOld ? 1 : there.joined + 1;
      const version = there.version + 1;
      patterns.set(pattern, { ...there, until, joined, since: isOld ? now : there.since, version });
      return joined;
    },
    async noteChange(pattern) {
      const there = patterns.get(pattern);
      if (there) patterns.set(pattern, { ...there, version: there.version + 1 });
    },
    async split(pattern, shards) {
      const there = patterns.get(pattern);
      if (there?.shards === shards) patterns.set(pattern, { ...there, shards: 2 * shards });
    },
    async add(set, subscriber, isNew) {
      const rows = setOf(set);
      const there = rows.get(subscriber.connection);
      const isOver = (there?.allowedUntil ?? Number.POSITIVE_INFINITY) <= subscriber.since;
      const isOlder = isNew && there !== undefined && there.since < subscriber.since;
      if (!there || isOver || isOlder) rows.set(subscriber.connection, subscriber);
      return rows.get(subscriber.connection)?.id === subscriber.id;
    },
    members: async (set) => [...setOf(set).values()],
    member: async (set, connection) => setOf(set).get(connection),
    async move(set, subscriber, channel, cursor) {
      const { id, connection } = subscriber;
      const row = setOf(set).get(connection);
      const was = ownCursorIn(subscriber, channel);
      if (row?.id !== id || !isDeepStrictEqual(ownCursorIn(row, channel), was)) return false;
      if (!was && row.joins !== subscriber.joins) return false;
      const { [channel]: _, ...rest } = row.ownCursors;
      const [ownCursors, joins] = cursor
        ? [{ ...rest, [channel]: cursor }, row.joins]
        : [rest, row.joins + 1];
      setOf(set).set(connection, { ...row, ownCursors, joins });
      return true;
    },
    async expire(set, { id, connection }) {
      const row = setOf(set).get(connection);
      if (row?.id === id) setOf(set).set(connection, { ...row, allowedUntil: EXPIRED, ownCursors: {} });
    },
    async remove(set, connection, which) {
      const row = setOf(set).get(connection);
      if (!row || (which && ('id' in which ? row.id !== which.id : row.since > which.by))) return;
      setOf(set).delete(connection);
    },
  };
}

/** Channel → connection → time until which it is shown. */
type Waits = Map<string, Map<string, number>>;

/** So many connections of a channel are found by the look-up, and the others by the store. */
const FIRST = 20;

const waitersOf = (waits: Waits, channel: string, now: number): string[] =>
  [...(waits.get(channel) ?? [])].filter(([, until]) => until > now).map(([connection]) => connection);

function waitStore(waits: Waits): WaitStore {
  const shownForMs = 60_000;
  return {
    shownForMs,
    show: async (channel, connection, now) =>
      void waits.set(channel, new Map(waits.get(channel)).set(connection, now + shownForMs)),
    others: async (channel, now) => waitersOf(waits, channel, now).slice(FIRST),
    remove: async (channel, connection) => void waits.get(channel)?.delete(connection),
  };
}

const blank: Omit<CursorRow, 'asks'> = {
  delivered: undefined,
  at: 0,
  isClosed: false,
  lookAt: 0,
  isUnclean: false,
  term: 0,
  fence: 0,
  streamId: undefined,
  roster: 0,
  guardedUntil: 0,
};

function cursorStore(): CursorStore {
  const { store, change, letGo } = memoryLeases<Shard, Progress, Omit<CursorRow, 'asks'>>({
    keyOf: (shard) => `${shard.channel} ${keyOf(shard)}`,
    blank,
    stateOf: ({ delivered, at, isClosed, lookAt, isUnclean, fence, streamId, roster }) => ({
      delivered,
      at,
      isClosed,
      lookAt,
      isUnclean,
      fence,
      streamId,
      roster,
    }),
    takenOf: (row) => ({ ...row, term: row.term + 1 }),
    rowOf: (row, isOwned) => ({ ...row, isUnclean: row.isUnclean || isOwned }),
  });
  return {
    ...store,
    async guard(shard, until) {
      const row = await store.get(shard);
      if (row?.owner !== undefined)
        change(shard, row.owner, { guardedUntil: Math.max(until, row.guardedUntil) });
    },
    async abandon(shard, owner, now) {
      change(shard, owner, { isUnclean: true });
      letGo(shard, owner, now);
    },
  };
}
