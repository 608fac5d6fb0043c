/**
 * Subscribe and unsubscribe (PROTOCOL.md §12.4): rows that say who listens, nothing else. Only the owner of a shard posts.
 * @module
 */
import { Refusal } from '../../../protocol/errors.ts';
import { ownValue } from '../../../protocol/fields.ts';
import { CONNECTION_LIFE_MS, MAX_SUBSCRIPTIONS } from '../../../protocol/limits.ts';
import type { Position } from '../../../protocol/offset.ts';
import { catchUp } from '../log/catch-up.ts';
import type { Log } from '../log/log-ports.ts';
import type { From } from '../log/read-log.ts';
import type {
  Connection,
  Connections,
  Jobs,
  OwnCursor,
  PatternShard,
  Subscriber,
  SubscriberStore,
} from './push-ports.ts';

export interface Subscribing {
  readonly log: Log;
  readonly subscribers: SubscriberStore;
  readonly jobs: Jobs;
}

export interface Subscribed {
  /** Where what comes begins; undefined for patterns, and for a subscription that was there already. */
  readonly offset: Position | undefined;
  /** True if nothing will come: the offset is the end of a closed channel. */
  readonly isClosed: boolean;
}

/** Subscribers that one process can post to within a fraction of a second; with more, the next go to twice the shards. */
const MEMBERS_PER_SHARD = 1_000;

/** Each hint is as many messages as there are shards, and some callers subscribe and unsubscribe all day. */
const MAX_SHARDS = 64;

/**
 * An unsubscribe ends what began until so long after it by another clock, in milliseconds: above what clocks of Lambda differ
 * by, and far below the 800 after which the SDK repeats a call, so that a late one leaves what was begun after its answer.
 */
const CLOCKS_DIFFER_MS = 100;

/** A pattern stays known for longer than any connection that listens by it, in milliseconds. */
const KNOWN_FOR_MS = CONNECTION_LIFE_MS + 10 * 60_000;

/**
 * Subscribes a connection to a channel from a position on, or to a pattern from now on. Doing it again changes nothing,
 * and completes what a crash left undone.
 * @throws Refusal bad_offset, too_many_subscriptions, unavailable, and those of `catchUp`
 */
export async function subscribe(
  { log, subscribers, jobs }: Subscribing,
  connection: Connection,
  pattern: string,
  from: From,
): Promise<Subscribed> {
  const isChannel = !pattern.endsWith('*');
  if (!isChannel && from !== 'now')
    throw new Refusal('bad_offset', 'a pattern begins now: only a channel has an offset');
  const start = isChannel ? await startOf(log, pattern, from) : undefined;
  const { shards, joined } = await subscribers.open(pattern, log.clock(), log.clock() + KNOWN_FOR_MS);
  // Those who come after this one: nobody moves, since each shard's order is its owner's alone.
  if (joined > MEMBERS_PER_SHARD * shards && shards < MAX_SHARDS) await subscribers.split(pattern, shards);
  const set = { pattern, shard: shardOf(connection.id, shards) };
  const noted = await subscribers.note(connection.id, set, MAX_SUBSCRIPTIONS);
  if (noted === 'gone') throw new Refusal('unavailable', 'the connection has ended');
  if (noted === 'full') {
    throw new Refusal('too_many_subscriptions', `a connection may have ${MAX_SUBSCRIPTIONS} subscriptions`);
  }
  const isThere = noted === 'there';
  const shard = isThere ? (ownValue(connection.subscriptions, pattern) ?? set.shard) : set.shard;
  const subscriber = subscriberOf(log, connection, pattern, start?.offset);
  // A note alone says little: an attempt that was cut off, or the first try of the SDK, may have left it.
  const isAdded = await subscribers.add({ pattern, shard }, subscriber, !isThere);
  if (start && (isThere || (await hasMore(log, pattern, start))))
    await jobs.send([{ channel: pattern, pattern, shard }], 0);
  return { offset: isAdded ? start?.offset : undefined, isClosed: start?.isEnd ?? false };
}

interface Start {
  readonly offset: Position;
  /** True if that is the end of a closed channel. */
  readonly isEnd: boolean;
}

async function startOf(log: Log, name: string, from: From): Promise<Start> {
  const { channel, result } = await catchUp(log, name, from);
  const offset = typeof from === 'object' ? from : result.from;
  return { offset, isEnd: channel.closed && offset.entry === channel.next };
}

/** Anything that a push which did not see the subscription yet may have passed by. */
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
    places: at ? { [channel]: ownCursorAt(at) } : {},
  };
}

/** What `allowedUntil` is of a subscription that was ended for another reason than its token. */
export const EXPIRED = 0;

export const ownCursorAt = (at: Position): OwnCursor => ({
  at,
  isUnsure: false,
  rests: 0,
  restsUntil: 0,
  term: 0,
});

/** Ends a subscription, and is content if there is none. */
export async function unsubscribe(
  { subscribers, log }: Pick<Subscribing, 'subscribers' | 'log'>,
  connection: Connection,
  pattern: string,
): Promise<void> {
  const noted = ownValue(connection.subscriptions, pattern);
  // A write that came late may have taken the note away, or brought the subscription back.
  const shards = noted === undefined ? shardsFor(connection.id) : [noted];
  // In this order: whoever is refused in between can try again, and a subscription that is noted is completed by the next.
  // If this is carried out late, the caller may have subscribed again: that subscription stays.
  const by = log.clock() + CLOCKS_DIFFER_MS;
  await Promise.all(shards.map((shard) => subscribers.remove({ pattern, shard }, connection.id, { by })));
  if (noted !== undefined) await subscribers.unnote(connection.id, pattern);
}

/** The shards that a subscription of the connection may be in: their number doubles, and nobody moves. */
function shardsFor(connection: string): readonly number[] {
  const shards = new Set<number>();
  for (let count = 1; count <= MAX_SHARDS; count *= 2) shards.add(shardOf(connection, count));
  return [...shards];
}

/** Forgets a connection and all that it subscribed to. */
export async function forget(
  { subscribers }: Pick<Subscribing, 'subscribers'>,
  id: string,
  seenIn?: PatternShard,
): Promise<void> {
  const connection = await subscribers.connection(id);
  const sets = Object.entries(connection?.subscriptions ?? {}).map(([pattern, shard]) => ({
    pattern,
    shard,
  }));
  await Promise.all([...sets, ...(seenIn ? [seenIn] : [])].map((set) => subscribers.remove(set, id)));
  if (connection) await subscribers.disconnect(connection);
}

/** Tells a subscriber whose token has ended, and ends his subscription. */
export async function endSubscription(
  { subscribers, connections }: { readonly subscribers: SubscriberStore; readonly connections: Connections },
  { pattern, shard }: PatternShard,
  { id, connection, allowedUntil }: Subscriber,
): Promise<void> {
  const why =
    allowedUntil === EXPIRED
      ? {
          code: 'unavailable',
          message: 'too many channels of this pattern are behind; read on from your offsets',
        }
      : { code: 'unauthorized', message: 'the token has ended' };
  // Before the client hears of it: it may subscribe anew at once, and that must not be what is removed.
  await subscribers.unnote(connection, pattern);
  const posted = await connections.post(
    connection,
    JSON.stringify({ type: 'error', ...why, channel: pattern }),
  );
  // Who cannot be told yet is told at the next push.
  if (posted === 'busy') return;
  await subscribers.remove({ pattern, shard }, connection, { id });
}

/** Spreads connections over shards (FNV-1a). Ids are random, so any mix will do. */
export function shardOf(connection: string, shards: number): number {
  let hash = 0x811c9dc5;
  for (const character of connection) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193);
  return (hash >>> 0) % shards;
}
