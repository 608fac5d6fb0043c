/**
 * Who listens on sockets, and what the domain needs to know and tell them: the ports of the push (PROTOCOL.md §12).
 * @module
 */
import type { Capability } from '../../../protocol/capability.ts';
import { ownValue } from '../../../protocol/fields.ts';
import type { Position } from '../../../protocol/offset.ts';
import type { Log } from '../log/log-ports.ts';

/** A socket, and what its caller may do: nothing but `$connect` ever sees the token. */
export interface Connection {
  readonly id: string;
  /** Who the token was made for, if it says so: by whom connections are counted, and whose can be ended together. */
  readonly principal: string | undefined;
  readonly capability: Capability;
  /** When it was opened, in milliseconds. */
  readonly since: number;
  /** When the token ends, in milliseconds; undefined for callers without one. */
  readonly allowedUntil: number | undefined;
  /** When API Gateway will have ended the connection at the latest, in milliseconds. */
  readonly until: number;
  /** Pattern → shard that its subscription is kept in. */
  readonly subscriptions: Readonly<Record<string, number>>;
}

/** Where a subscriber goes on who is not with the others. */
export interface OwnCursor {
  readonly at: Position;
  /** True if the frame that began there may have arrived all the same. */
  readonly isUnsure: boolean;
  /** How often in a row he could not take a frame, and until when he is left alone for that, in milliseconds. */
  readonly rests: number;
  readonly restsUntil: number;
  /** Of the owner that wrote it (Cursor.term); 0 for where a subscription begins. */
  readonly term: number;
}

/** One subscription. */
export interface Subscriber {
  /** Tells it from an earlier subscription of the same connection to the same pattern. */
  readonly id: string;
  readonly connection: string;
  /** When it began, in milliseconds. */
  readonly since: number;
  /** When its connection and its token will have ended, in milliseconds. */
  readonly until: number;
  readonly allowedUntil: number | undefined;
  /** Counts how often it has joined the others: a place that is written late must not lead it back. */
  readonly joins: number;
  /** Channel → where it goes on. In every other channel that matches it is with the others, at the cursor. */
  readonly places: Readonly<Record<string, OwnCursor>>;
}

/** The place of its own that is stored for a subscriber in a channel. */
export const ownCursorIn = ({ places }: Subscriber, channel: string): OwnCursor | undefined =>
  ownValue(places, channel);

/** The subscriptions of a pattern are kept in shards, so that many can be pushed to at once. */
export interface PatternShard {
  readonly pattern: string;
  readonly shard: number;
}

/** The unit of order: whoever owns it is the only one who posts messages of the channel to that set. */
export interface Shard extends PatternShard {
  readonly channel: string;
}

/**
 * Every write of the stores of this file may be carried out twice, and late: the SDK gives an attempt up after 800 ms and
 * repeats it, and the first one may still be on its way. A write that is carried out again after it was answered changes
 * nothing, and a repetition is answered as the first one (test/contract/listeners.test.ts). There are three exceptions: an
 * `add` may bring back what was removed, a `note` what was taken back, and an `unnote` may take back a later note. So an
 * `unsubscribe` also ends a subscription that has no note, and a note without a subscription is completed by the next.
 */
export interface SubscriberStore {
  /** Notes it, unless its principal has `most` of them; says whether it did. */
  connect(connection: Connection, most: number): Promise<boolean>;
  connection(id: string): Promise<Connection | undefined>;
  /** Forgets the connection itself, once; its subscriptions are removed one by one. */
  disconnect(connection: Pick<Connection, 'id' | 'principal' | 'since'>): Promise<void>;
  /** The connections that a principal had opened by then, and that may still be there. */
  connectionsOf(principal: string, by: number): Promise<readonly string[]>;
  /** Notes the subscription on its connection. `full`: it has `most` others; `gone`: there is no such connection. */
  note(id: string, set: PatternShard, most: number): Promise<'noted' | 'there' | 'full' | 'gone'>;
  /** Takes the note back. */
  unnote(id: string, pattern: string): Promise<void>;
  /**
   * Makes a pattern known until then. Answers its number of shards, and how many joined it within the life of a
   * connection, this one included: about as many as listen.
   */
  open(
    pattern: string,
    now: number,
    until: number,
  ): Promise<{ readonly shards: number; readonly joined: number }>;
  /** The number of shards of each of the patterns that are known. */
  shardsOf(patterns: readonly string[], now: number): Promise<ReadonlyMap<string, number>>;
  /** Doubles the shards of a pattern, if they still are that many. */
  split(pattern: string, shards: number): Promise<void>;
  /**
   * Adds the subscription unless the connection has one in the set that has not ended by then. A new one takes the place
   * of an older one that its connection has no note of. Returns whether it is there.
   */
  add(set: PatternShard, subscriber: Subscriber, isNew: boolean): Promise<boolean>;
  /** Everyone in the set, as of every `add` that was answered before. */
  members(set: PatternShard): Promise<readonly Subscriber[]>;
  /** The subscription of a connection in the set, as of every write that was answered before. */
  member(set: PatternShard, connection: string): Promise<Subscriber | undefined>;
  /**
   * Moves a subscriber to a place of its own, or (undefined) to the others, if it still is that subscription and stands
   * where `subscriber` says; if that is with the others, if it has not left and joined them since. Returns false if it
   * does not, also for a repetition.
   */
  move(
    set: PatternShard,
    subscriber: Subscriber,
    channel: string,
    place: OwnCursor | undefined,
  ): Promise<boolean>;
  /** Removes the subscription of a connection, if it is the one named, or began by then, in milliseconds. */
  remove(set: PatternShard, connection: string, which?: { id: string } | { by: number }): Promise<void>;
  /** Ends a subscription with what it remembers, so that its next push tells the client and removes it. */
  expire(set: PatternShard, subscriber: Subscriber): Promise<void>;
  /** Connections of processes that hold readers of the channel, and are to be woken. */
  waits(channel: string, now: number): Promise<readonly string[]>;
  removeWait(channel: string, connection: string): Promise<void>;
}

/** How far a shard has been pushed to. */
export interface Cursor {
  /** Everyone without a place of their own has everything before this. Undefined before the first push. */
  readonly delivered: Position | undefined;
  /** When the log was read that far, in milliseconds. */
  readonly at: number;
  /** True once its members know that the channel is closed. */
  readonly isClosed: boolean;
  /** When a look is due that somebody was told to take, at a gap or at who rests, in milliseconds. */
  readonly lookAt: number;
  /** Counts who came while it was owned. */
  readonly asks: number;
  /** True if it has an owner, or had one that did not get to the end: nobody knows which frames have arrived. */
  readonly isUnclean: boolean;
  /** Counts the owners. */
  readonly term: number;
  /**
   * Places of earlier terms count for nothing, but for those of term 0: the owner of this term took over from one that did
   * not let go, and rewrote all places that it found. Others were written late.
   */
  readonly fence: number;
}

export type Progress = Omit<Cursor, 'asks' | 'term'>;

/** The right to push to a shard, as it was taken or renewed last. */
export interface Lease {
  readonly owner: string;
  /** When it ends, in milliseconds. Each renewal ends later than the one before: by that a late write of it is known. */
  readonly until: number;
}

export interface CursorStore {
  get(shard: Shard): Promise<Cursor | undefined>;
  /**
   * Takes the lease if it is free or has run out, unless it was let go after `now`. Returns the cursor as it was left;
   * undefined if the lease is another's.
   */
  take(shard: Shard, lease: Lease, now: number): Promise<Cursor | undefined>;
  /** Asks the owner to look once more before it lets go. Returns until when a guard is on its way; undefined if there is no owner. */
  ask(shard: Shard, now: number): Promise<number | undefined>;
  /** Notes that a guard is on its way until then, in milliseconds. */
  guard(shard: Shard, until: number): Promise<void>;
  /** Commits, and keeps the lease until then. Returns the count of asks; undefined if the lease was lost. */
  commit(shard: Shard, lease: Lease, progress: Progress, until: number): Promise<number | undefined>;
  /** Commits and lets go, unless somebody asked since; without a count in any case. Says whether it did. */
  release(
    shard: Shard,
    lease: Lease,
    progress: Progress,
    asks: number | undefined,
    now: number,
  ): Promise<boolean>;
  /** Lets go without a commit: the next owner takes it that anything may have arrived. */
  abandon(shard: Shard, owner: string, now: number): Promise<void>;
}

/** What became of a post. `busy`: it did not arrive. `unsure`: it may have. */
export type Posted = 'sent' | 'gone' | 'busy' | 'unsure';

/** What became of an end. `busy`: it is not known to have ended. */
export type Closed = 'closed' | 'gone' | 'busy';

export interface Connections {
  /**
   * Posts are sent in the order in which they are asked for, but those that are under way together may overtake each
   * other: who needs an order on a connection waits for each.
   * @param by no attempt is begun after that, by the clock, in milliseconds
   * @throws Error for what is a defect of the hub or of its grants, not of the connection
   */
  post(connection: string, frame: string, by?: number): Promise<Posted>;
  /** Ends a connection. @throws Error as `post` */
  close(connection: string): Promise<Closed>;
}

/** A shard to be looked at. */
export interface Job extends Shard {
  /** True for a guard: there is nothing to do unless the owner of the shard has died. */
  readonly isGuard?: boolean;
}

/** Work for another time, or for somebody else. */
export interface Jobs {
  /** Has each of the shards looked at, after that many milliseconds. */
  send(jobs: readonly Job[], delayMs: number): Promise<void>;
}

/** Word that sockets have to go: one when its token has ended, or all that a principal had opened by then. */
export type DisconnectRequest =
  | { readonly kind: 'expired'; readonly connection: string; readonly at: number }
  | { readonly kind: 'kicked'; readonly principal: string; readonly at: number };

export interface DisconnectQueue {
  /** Leaves word for after that long, or for earlier: whoever gets it then leaves it once more. */
  send(goodbye: DisconnectRequest, delayMs: number): Promise<void>;
}

/** Is told how the push is doing. It must not throw. */
export interface PushWatch {
  /** So many messages have arrived at one connection. */
  readonly delivered: (count: number) => void;
  /** What was published so many milliseconds ago, and since, has been posted to those who were waiting for it. */
  readonly lag: (ms: number) => void;
}

export interface Push {
  readonly log: Log;
  readonly subscribers: SubscriberStore;
  readonly cursors: CursorStore;
  readonly connections: Connections;
  readonly jobs: Jobs;
  readonly watch: PushWatch;
}
