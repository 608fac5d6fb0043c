/**
 * Subscribe and unsubscribe (PROTOCOL.md §12.4). They only write rows that say who listens. The owner of a shard posts.
 * @module
 */
import { Refusal } from '../../../protocol/errors.ts';
import { ownValue } from '../../../protocol/fields.ts';
import { CONNECTION_LIFE_MS, MAX_SUBSCRIPTIONS } from '../../../protocol/limits.ts';
import { BEGINNING, type Position } from '../../../protocol/offset.ts';
import { readingOf } from '../keyed/read-keyed.ts';
import { catchUp } from '../log/catch-up.ts';
import { NO_STREAM } from '../log/channel.ts';
import { find } from '../log/lifecycle.ts';
import type { Log } from '../log/log-ports.ts';
import { type From, isPosition, positionIn } from '../log/read-log.ts';
import { leaveAll } from '../presence/members.ts';
import type { Noting } from '../presence/presence-ports.ts';
import type {
  Connection,
  ConnectionStore,
  Jobs,
  OwnCursor,
  PatternShard,
  SocketPoster,
  Subscriber,
  SubscriptionStore,
} from './push-ports.ts';

/** Everything that subscriptions need. */
export interface Subscribing {
  /** The log with the channels. */
  readonly log: Log;
  /** The store of connections. */
  readonly connections: ConnectionStore;
  /** The store of subscriptions. */
  readonly subscriptions: SubscriptionStore;
  /** The queue of jobs. */
  readonly jobs: Jobs;
  /** Notes who is in a channel; undefined on a hub without presence. */
  readonly presence?: Noting | undefined;
}

/** A wish to subscribe. */
export interface SubscribeRequest {
  /** A channel or a pattern. */
  readonly pattern: string;
  /** Where it begins. */
  readonly from: From;
  /** True if values may be left out that newer ones of the same key have replaced. */
  readonly isConflated: boolean;
}

/** The result of a subscription. */
export interface Subscribed {
  /** Position of the first message that comes; undefined for a pattern, and for a subscription that was there already. */
  readonly offset: Position | undefined;
  /** True if no message will come: the offset is the end of a closed channel. */
  readonly isClosed: boolean;
}

/**
 * Subscribers of one shard. One process posts to that many within a fraction of a second. With more, the number of shards
 * doubles for those that come after.
 */
const MEMBERS_PER_SHARD = 1_000;

/** Limits the messages of each hint, which are as many as shards: some callers subscribe and unsubscribe all day. */
const MAX_SHARDS = 64;

/**
 * An unsubscribe ends a subscription that began up to this long after it by another clock, in milliseconds. That is above the
 * difference between clocks of Lambda, and far below the 800 after which the client repeats a call. So a late unsubscribe leaves a
 * subscription that began after its answer.
 */
const CLOCKS_DIFFER_MS = 100;

/** How long a pattern stays known, in milliseconds: longer than any connection that listens by it. */
const KNOWN_FOR_MS = CONNECTION_LIFE_MS + 10 * 60_000;

/**
 * Subscribes a connection to a channel from a position on, or to a pattern from now on. A repetition changes nothing, and
 * completes what a crash left undone.
 * @throws Refusal bad_offset, bad_request, too_many_subscriptions, unavailable, and those of `catchUp`
 */
export async function subscribe(
  { log, connections, subscriptions, jobs }: Subscribing,
  connection: Connection,
  { pattern, from, isConflated }: SubscribeRequest,
): Promise<Subscribed> {
  const isChannel = !pattern.endsWith('*');
  if (!isChannel && from !== 'now')
    throw new Refusal('bad_offset', 'a pattern begins now: only a channel has an offset');
  if (!isChannel && isConflated)
    throw new Refusal('bad_request', 'conflate is for one channel, not for a pattern');
  const [start, shards] = await Promise.all([
    isChannel ? startOf(log, pattern, from, isConflated) : undefined,
    subscriptions.shardsOf(pattern),
  ]);
  const set = { pattern, shard: shardOf(connection.id, shards) };
  const noted = await connections.note(connection.id, set, MAX_SUBSCRIPTIONS);
  if (noted === 'gone') throw new Refusal('unavailable', 'the connection has ended');
  if (noted === 'full') {
    throw new Refusal('too_many_subscriptions', `a connection may have ${MAX_SUBSCRIPTIONS} subscriptions`);
  }
  const isThere = noted === 'there';
  const shard = isThere ? (ownValue(connection.subscriptions, pattern) ?? set.shard) : set.shard;
  const subscriber = { ...subscriberOf(log, connection, pattern, start?.offset), ...conflation(isConflated) };
  // A note is no proof of a subscription: an attempt that was cut off, or the first try of the client, may have left it.
  const isAdded = await subscriptions.add({ pattern, shard }, subscriber, !isThere);
  // After the subscription is stored, and also if it was there: the attempt that stored it may have been cut off before this.
  const joined = await subscriptions.open(pattern, log.clock(), log.clock() + KNOWN_FOR_MS);
  // No member moves to another shard: only the owner of a shard knows its order.
  if (joined > MEMBERS_PER_SHARD * shards && shards < MAX_SHARDS) await subscriptions.split(pattern, shards);
  if (start && (isThere || (await hasMore(log, pattern, start))))
    await jobs.send([{ channel: pattern, pattern, shard }], 0);
  return { offset: isAdded ? start?.offset : undefined, isClosed: start?.isEnd ?? false };
}

interface Start {
  readonly offset: Position;
  /** True if the offset is the end of a closed channel. */
  readonly isEnd: boolean;
}

async function startOf(log: Log, name: string, from: From, isConflated: boolean): Promise<Start> {
  if (from === 'latest' || (isPosition(from) && from.foldEnd)) return await latestOf(log, name, from);
  const { channel, result } = await catchUp(log, name, from, readingOf(isConflated));
  const offset = isPosition(from) ? from : result.from;
  return { offset, isEnd: channel.closed && offset.entry === channel.next };
}

/**
 * Begins at the newest message of each key, or at a page of them. The push reads the messages, so that this costs one read.
 * @throws Refusal bad_offset, offset_gone
 */
async function latestOf(log: Log, name: string, from: 'latest' | Position): Promise<Start> {
  const channel = await find(log, name);
  const end = { entry: channel.next, index: 0 };
  if (channel.streamId === NO_STREAM) return { offset: end, isEnd: false };
  if (channel.streamKey === undefined)
    throw new Refusal('bad_offset', 'latest is for keyed channels, and this channel has no key');
  if (from === 'latest') return { offset: { ...BEGINNING, foldEnd: end }, isEnd: false };
  positionIn(channel, from.foldEnd ?? from);
  return { offset: from, isEnd: false };
}

/** The mark of a subscriber; nothing for one that gets everything. */
const conflation = (isConflated: boolean) => (isConflated ? { isConflated } : {});

/** Returns true if the log has something that a push may have passed by before it saw the subscription. */
async function hasMore(log: Log, name: string, { offset, isEnd }: Start): Promise<boolean> {
  const channel = await log.channels.get(name);
  return channel !== undefined && (channel.next > offset.entry || channel.closed !== isEnd);
}

function subscriberOf(
  log: Log,
  { id, until, allowedUntil }: Connection,
  channel: string,
  at: Position | undefined,
): Subscriber {
  return {
    id: log.newId(),
    connection: id,
    since: log.clock(),
    until,
    allowedUntil,
    joins: 0,
    ownCursors: at ? { [channel]: ownCursorAt(at) } : {},
  };
}

/** The `allowedUntil` of a subscription that the hub ended for another reason than its token. */
export const EXPIRED = 0;

/** Returns an own cursor at a position, without a backoff. */
export const ownCursorAt = (at: Position): OwnCursor => ({
  at,
  isUnsure: false,
  backoffs: 0,
  backoffUntil: 0,
  term: 0,
});

/** Ends a subscription. It succeeds also if there is none. */
export async function unsubscribe(
  {
    connections,
    subscriptions,
    log,
    presence,
  }: Pick<Subscribing, 'connections' | 'subscriptions' | 'log' | 'presence'>,
  connection: Connection,
  pattern: string,
): Promise<void> {
  const noted = ownValue(connection.subscriptions, pattern);
  // Without a note: a write that came late may have removed it, or brought the subscription back.
  const shards = noted === undefined ? shardsFor(connection.id) : [noted];
  // The note last: a caller that is refused in between can try again, and `subscribe` completes a subscription that is noted.
  // A removal that is carried out late leaves a subscription that the caller began meanwhile.
  const by = log.clock() + CLOCKS_DIFFER_MS;
  await Promise.all(shards.map((shard) => subscriptions.remove({ pattern, shard }, connection.id, { by })));
  await subscriptions.noteChange(pattern);
  if (presence) await leaveAll(presence, [pattern], connection.id);
  if (noted !== undefined) await connections.unnote(connection.id, pattern);
}

/** Returns the shards in which a subscription of the connection may be stored: their number doubles, and no member moves. */
function shardsFor(connection: string): readonly number[] {
  const shards = new Set<number>();
  for (let count = 1; count <= MAX_SHARDS; count *= 2) shards.add(shardOf(connection, count));
  return [...shards];
}

/**
 * Removes a connection and its subscriptions.
 * @param seenIn a shard in which it has a subscription, whether or not that is noted
 */
export async function forget(
  { connections, subscriptions, presence }: Pick<Subscribing, 'connections' | 'subscriptions' | 'presence'>,
  id: string,
  seenIn?: PatternShard,
): Promise<void> {
  const connection = await connections.get(id);
  const sets = Object.entries(connection?.subscriptions ?? {}).map(([pattern, shard]) => ({
    pattern,
    shard,
  }));
  await Promise.all([...sets, ...(seenIn ? [seenIn] : [])].map((set) => subscriptions.remove(set, id)));
  if (presence) await leaveAll(presence, Object.keys(connection?.subscriptions ?? {}), id);
  if (connection) await connections.remove(connection);
}

/** Tells a subscriber that its subscription has ended, and removes it. */
export async function endSubscription(
  {
    connections,
    subscriptions,
    poster,
  }: Pick<Subscribing, 'connections' | 'subscriptions'> & { readonly poster: SocketPoster },
  { pattern, shard }: PatternShard,
  { id, connection, allowedUntil }: Subscriber,
): Promise<void> {
  const reason =
    allowedUntil === EXPIRED
      ? {
          code: 'unavailable',
          message: 'too many channels of this pattern are behind; read on from your offsets',
        }
      : { code: 'unauthorized', message: 'the token has ended' };
  // Before the client is told: it may subscribe again at once, and that note must stay.
  await connections.unnote(connection, pattern);
  const posted = await poster.post(
    connection,
    JSON.stringify({ type: 'error', ...reason, channel: pattern }),
  );
  // The next push tells it again.
  if (posted === 'busy') return;
  await subscriptions.remove({ pattern, shard }, connection, { id });
}

/** Returns the shard of a connection (FNV-1a of its id). Ids are random, so any hash spreads them evenly. */
export function shardOf(connection: string, shards: number): number {
  let hash = 0x811c9dc5;
  for (const character of connection) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193);
  return (hash >>> 0) % shards;
}
