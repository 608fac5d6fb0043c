/**
 * What a push is given to work with here: one shard of a pattern, whose members are there and stay. In memory, and no
 * more of the ports than a push calls when nothing fails.
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
  throw new Error('a push into which nothing fails has no need of this');
}

export interface Published extends Log {
  readonly publish: (message: string) => void;
}

/** The log of one channel. */
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
      reserve: uncalled,
      beginEpoch: uncalled,
      forgetProducer: uncalled,
      touch: uncalled,
      remove: uncalled,
    },
    entries: {
      page: async (_, from) => ({ entries: entries.filter(({ slot }) => slot >= from), more: false }),
      nearest: async (_, from) => entries.find(({ slot }) => slot >= from),
      put: uncalled,
    },
    keys: { get: uncalled, put: uncalled, move: uncalled },
  };
}

/** Subscribers who have been there for as long as the process. */
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
    open: uncalled,
    shardsOf: uncalled,
    add: uncalled,
    move: uncalled,
    expire: uncalled,
    remove: uncalled,
  };
}

export const noConnections: Push['connections'] = {
  add: uncalled,
  get: uncalled,
  remove: uncalled,
  ofPrincipal: uncalled,
  note: uncalled,
  unnote: uncalled,
};

export const noWaits: Push['waits'] = { waiting: uncalled, remove: uncalled };

/** The cursor of one shard that has one owner at a time. */
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
    // Only after a failure, which then is the one to be told.
    abandon: async () => {},
  };
}

export const noJobs: Push['jobs'] = { send: uncalled };
