/**
 * The stores of a push in the benchmark: one shard of a pattern, whose members never change. They are in memory, and
 * have only what a push calls when nothing fails.
 * @module
 */
import { randomUUID } from 'node:crypto';
import { type Channel, JSON_MEDIA_TYPE, newChannel } from '../../lambda/hub/log/channel.ts';
import type { Entry } from '../../lambda/hub/log/entry.ts';
import type { Log } from '../../lambda/hub/log/log-ports.ts';
import type {
  CursorRow,
  CursorStore,
  Push,
  Subscriber,
  SubscriptionStore,
} from '../../lambda/hub/push/push-ports.ts';
import { CONNECTION_LIFE_MS } from '../../protocol/limits.ts';

const RETENTION_MS = 7 * 86_400_000;

const clock = Date.now;
const newId = randomUUID;

function uncalled(): never {
  throw new Error('a post failed or was late: this machine is too busy for the benchmark');
}

/** A log to which the benchmark publishes. */
export interface Published extends Log {
  /** Appends one message. */
  readonly publish: (message: string) => void;
}

/** Returns the log of one channel, in memory. */
export function logOf(name: string): Published {
  const wanted = { name, contentType: JSON_MEDIA_TYPE, ttlSeconds: undefined, expiresAt: undefined };
  let channel: Channel = newChannel({ newId, retentionMs: RETENTION_MS }, wanted, clock());
  const entries: Entry[] = [];
  return {
    clock,
    newId,
    channelCreation: 'implicit',
    retentionMs: RETENTION_MS,
    publish(message) {
      const time = clock();
      const entry = { slot: channel.next, messages: [message], id: newId(), time };
      entries.push({ ...entry, expiresAt: time + RETENTION_MS });
      channel = { ...channel, next: channel.next + 1, claimedAt: time };
    },
    channels: {
      get: async () => channel,
      create: uncalled,
      list: uncalled,
      reserve: uncalled,
      beginEpoch: uncalled,
      forgetProducer: uncalled,
      touch: uncalled,
      remove: uncalled,
    },
    entries: {
      page: async (_, from) => ({ entries: entries.filter(({ slot }) => slot >= from), more: false }),
      before: uncalled,
      nearest: async (_, from) => entries.find(({ slot }) => slot >= from),
      put: uncalled,
    },
    keys: { get: uncalled, put: uncalled, move: uncalled },
    snapshots: {
      head: uncalled,
      replaceHead: uncalled,
      removeHead: uncalled,
      putChunk: uncalled,
      chunk: uncalled,
      chunks: uncalled,
      removeChunk: uncalled,
    },
  };
}

/** Returns subscribers that have been connected as long as the process. */
export function membersOf(connections: readonly string[]): SubscriptionStore {
  const since = clock();
  const until = since + CONNECTION_LIFE_MS;
  const members = connections.map(
    (connection): Subscriber => ({
      id: newId(),
      connection,
      since,
      until,
      allowedUntil: undefined,
      joins: 0,
      ownCursors: {},
    }),
  );
  return {
    members: async () => members,
    member: uncalled,
    // The shard is as large as it is meant to be.
    split: async () => {},
    shardsOf: uncalled,
    open: uncalled,
    noteChange: uncalled,
    add: uncalled,
    move: uncalled,
    expire: uncalled,
    remove: uncalled,
  };
}

/** The push reads no connections when nothing fails. */
export const noConnections: Push['connections'] = {
  add: uncalled,
  get: uncalled,
  remove: uncalled,
  ofPrincipal: uncalled,
  list: uncalled,
  note: uncalled,
  unnote: uncalled,
};

/** No held request waits for the shard. */
export const noWaits: Push['waits'] = { others: uncalled, remove: uncalled };

/** The benchmark handles no hints. */
export const noLookup: Push['lookup'] = { find: uncalled };

/** Returns the cursor of one shard that has one owner at a time. */
export function oneCursor(): CursorStore {
  let cursor: CursorRow = {
    delivered: undefined,
    at: 0,
    isClosed: false,
    lookAt: 0,
    asks: 0,
    isUnclean: false,
    term: 0,
    fence: 0,
    streamId: undefined,
    roster: 0,
    guardedUntil: 0,
  };
  return {
    get: async () => cursor,
    take: async () => cursor,
    ask: uncalled,
    guard: uncalled,
    async commit(_, __, progress) {
      cursor = { ...cursor, ...progress };
      return cursor.asks;
    },
    async release(_, __, progress) {
      cursor = { ...cursor, ...progress };
      return true;
    },
    // Called only after a failure, and that failure is reported.
    abandon: async () => {},
  };
}

/** A push that finds all its members needs no queue. */
export const noJobs: Push['jobs'] = { send: uncalled };
