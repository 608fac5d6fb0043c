/**
 * The ports of the push (PROTOCOL.md §12): stores of subscribers and of owners, and what the push does to a socket.
 *
 * The client gives a write up after 800 ms and repeats it, and the first attempt may still be under way. So every write of these
 * stores may be carried out twice, and late. A write that is carried out again after its answer changes nothing, and a
 * repetition gets the answer of the first attempt (test/contract/listeners.test.ts). Leases have their own rules (lease.ts).
 * There are three exceptions. A late `SubscriptionStore.add` may bring back a subscription that was removed. A late `note`
 * may bring back a note, and a late `unnote` may take away a newer note. Therefore `unsubscribe` also ends a subscription
 * that has no note, and the next `subscribe` completes a note that has no subscription.
 *
 * All times are in milliseconds since 1970.
 * @module
 */
import type { Capability } from '../../../protocol/capability.ts';
import { ownValue } from '../../../protocol/fields.ts';
import type { Position } from '../../../protocol/offset.ts';
import type { LeaseStore } from '../lease.ts';
import type { Log } from '../log/log-ports.ts';
import type { Noting } from '../presence/presence-ports.ts';
import type { PushMemory } from './push-memory.ts';

/** A socket and the rights of its caller. Only `$connect` sees the token, so the rights are stored. */
export interface Connection {
  /** Id that API Gateway gave. */
  readonly id: string;
  /** The `sub` of the token, if it has one. Connections are counted and ended by it. */
  readonly principal: string | undefined;
  /** The rights of the caller. */
  readonly capability: Capability;
  /** Time at which it was opened. */
  readonly since: number;
  /** Time at which the token ends; undefined for a caller without a token. */
  readonly allowedUntil: number | undefined;
  /** Time by which API Gateway has ended the connection. */
  readonly until: number;
  /** Notes of its subscriptions: pattern → shard in which the subscription is stored. */
  readonly subscriptions: Readonly<Record<string, number>>;
}

/** The position of one member that is not at the head of its shard. */
export interface OwnCursor {
  /** Position of the next message for the member. */
  readonly at: Position;
  /** True if the frame that began there may have arrived after all. */
  readonly isUnsure: boolean;
  /** How many times in a row the member could not take a frame. */
  readonly backoffs: number;
  /** Time until which nothing is posted to the member, after such a failure; 0 if there was none. */
  readonly backoffUntil: number;
  /** Term of the owner that wrote it (Cursor.term); 0 for the beginning of a subscription. */
  readonly term: number;
}

/** One subscription of one connection. */
export interface Subscriber {
  /** Tells it from an earlier subscription of the same connection to the same pattern. */
  readonly id: string;
  /** Id of the connection. */
  readonly connection: string;
  /** Time at which it began. */
  readonly since: number;
  /** Time by which its connection has ended. */
  readonly until: number;
  /** Time at which the token ends; EXPIRED (subscribe.ts) if the hub ended the subscription for another reason. */
  readonly allowedUntil: number | undefined;
  /** True if values may be left out for it that newer ones of the same key have replaced (PROTOCOL.md §5.5). */
  readonly isConflated?: boolean;
  /** Counts how many times it has joined the head. By this, an own cursor that is written late is refused. */
  readonly joins: number;
  /** Channel → own cursor. In every other channel that matches, the subscriber is at the head of the shard. */
  readonly ownCursors: Readonly<Record<string, OwnCursor>>;
}

/** Returns the own cursor of a subscriber in a channel; undefined if it is at the head. */
export const ownCursorIn = ({ ownCursors }: Subscriber, channel: string): OwnCursor | undefined =>
  ownValue(ownCursors, channel);

/** Returns true if a connection, or the token of its caller, has ended. */
export const isOver = (
  { until, allowedUntil = until }: Pick<Connection, 'until' | 'allowedUntil'>,
  now: number,
): boolean => Math.min(until, allowedUntil) <= now;

/** A part of the subscriptions of a pattern. Several processes can push to one pattern, each to its shard. */
export interface PatternShard {
  /** Name of a channel, or a pattern that ends with `*`. */
  readonly pattern: string;
  /** Number of the shard, from 0 on. */
  readonly shard: number;
}

/** The unit of order: only the owner of a shard posts messages of the channel to its members. */
export interface Shard extends PatternShard {
  /** A channel that the pattern matches. */
  readonly channel: string;
}

/** A page of connections. `after` is undefined on the last one. */
export type ConnectionPage = {
  readonly connections: readonly Connection[];
  readonly after: string | undefined;
};

/** Store of connections and of the notes of their subscriptions. @throws Refusal unavailable */
export interface ConnectionStore {
  /** Adds a connection, unless its principal has `most` of them. Returns false if it has. */
  add(connection: Connection, most: number): Promise<boolean>;
  /** Returns the connection, as of every write that was answered before. */
  get(id: string): Promise<Connection | undefined>;
  /** Removes the connection, and gives its slot of the quota back once. Its subscriptions stay. */
  remove(connection: Pick<Connection, 'id' | 'principal' | 'since'>): Promise<void>;
  /** Returns the ids of the connections that a principal had opened by that time and that may still be open. */
  ofPrincipal(principal: string, by: number): Promise<readonly string[]>;
  /** Returns a page of at most `most` connections, in no order, and where the next one begins. It may have fewer, or be late by a second. */
  list(after: string | undefined, most: number): Promise<ConnectionPage>;
  /**
   * Notes a subscription on its connection. Returns `there` if it is noted already, `full` if the connection has `most`
   * others, `gone` if there is no such connection.
   */
  note(id: string, set: PatternShard, most: number): Promise<'noted' | 'there' | 'full' | 'gone'>;
  /** Removes the note. */
  unnote(id: string, pattern: string): Promise<void>;
}

/** Store of subscriptions, and of the number of shards of each pattern. @throws Refusal unavailable */
export interface SubscriptionStore {
  /** Returns the number of shards of a pattern; 1 if it has never had a subscriber. */
  shardsOf(pattern: string): Promise<number>;
  /**
   * Makes a pattern known until that time, and gives it another version (`PatternState`). So this comes after a member has been
   * added, and before anything is promised about it. Returns how many have joined it within the life of a connection, this one
   * included. That is about the number of its subscribers.
   */
  open(pattern: string, now: number, until: number): Promise<number>;
  /**
   * Gives a known pattern another version, after a member has been removed. A process that remembers members compares the version
   * at every hint (push-memory.ts).
   */
  noteChange(pattern: string): Promise<void>;
  /** Doubles the number of shards of a pattern, if it still is `shards`. */
  split(pattern: string, shards: number): Promise<void>;
  /**
   * Adds the subscription, unless the connection has one in the shard that has not ended. A new one (`isNew`: the connection
   * had no note of it) replaces an older one. Returns true if this very subscription is stored now.
   */
  add(set: PatternShard, subscriber: Subscriber, isNew: boolean): Promise<boolean>;
  /** Returns all subscriptions of the shard, as of every `add` that was answered before. */
  members(set: PatternShard): Promise<readonly Subscriber[]>;
  /** Returns the subscription of a connection in the shard, as of every write that was answered before. */
  member(set: PatternShard, connection: string): Promise<Subscriber | undefined>;
  /**
   * Gives a subscriber an own cursor in a channel, or (undefined) moves it to the head. It does so only if the stored
   * subscription is the same one, has the own cursor that `subscriber` has, and, if it has none, has not left and joined
   * the head meanwhile. Returns false if not, also for a repetition.
   */
  move(
    set: PatternShard,
    subscriber: Subscriber,
    channel: string,
    cursor: OwnCursor | undefined,
  ): Promise<boolean>;
  /** Removes the subscription of a connection, if it has that id, or began by that time. */
  remove(set: PatternShard, connection: string, which?: { id: string } | { by: number }): Promise<void>;
  /** Marks a subscription as ended, and drops its own cursors. Its next push tells the client and removes it. */
  expire(set: PatternShard, subscriber: Subscriber): Promise<void>;
}

/** What is known of a pattern that has subscribers. */
export interface PatternState {
  /** Number of its shards. */
  readonly shards: number;
  /** Differs from every earlier version if members have changed since. */
  readonly version: string;
}

/** What a hint looks up, in one call. @throws Refusal unavailable */
export interface HintLookup {
  /**
   * Returns those of the patterns that are known, the cursors of the shards, by pattern, and who waits on the channel: as of every
   * write that was answered before.
   * @param shards at most one of each pattern
   */
  find(
    channel: string,
    patterns: readonly string[],
    shards: readonly Shard[],
    now: number,
  ): Promise<{
    readonly patterns: ReadonlyMap<string, PatternState>;
    readonly cursors: ReadonlyMap<string, CursorRow>;
    readonly waiting: Waiting;
  }>;
}

/** The processes that hold requests of a channel. */
export interface Waiting {
  /** The names of some (waiting-names.ts). */
  readonly names: readonly string[];
  /** True if there may be more (`WaitStore.others`). */
  readonly hasOthers: boolean;
}

/** Which processes hold requests of a channel, and by which wake socket the push can wake them. */
export interface WaitStore {
  /** How long a process is shown, in milliseconds. */
  readonly shownForMs: number;
  /** Shows that a process waits on a channel, by its name (waiting-names.ts). */
  show(channel: string, name: string, now: number): Promise<void>;
  /** Returns the names that `HintLookup.find` does not return. */
  others(channel: string, now: number): Promise<readonly string[]>;
  /** Removes a process whose wake socket has gone. */
  remove(channel: string, name: string): Promise<void>;
}

/** How far a shard has been pushed to. */
export interface Cursor {
  /** The head: every member without an own cursor has everything before it. Undefined before the first push. */
  readonly delivered: Position | undefined;
  /** Time at which the log was read that far. */
  readonly at: number;
  /** True if the members know that the channel is closed. */
  readonly isClosed: boolean;
  /** Time of the next job that was sent for this shard, because of a gap or of a member in backoff. */
  readonly lookAt: number;
  /** Counts the processes that came while the shard had an owner. */
  readonly asks: number;
  /** True if there is an owner, or if the last owner did not finish: it is unknown which frames have arrived. */
  readonly isUnclean: boolean;
  /** Counts the owners. */
  readonly term: number;
  /**
   * Own cursors of earlier terms are ignored, except those of term 0. The owner of this term took over from one that did not
   * let go, and rewrote every own cursor that it found. All others were written late.
   */
  readonly fence: number;
  /** The stream in which the head is; undefined before the first push. */
  readonly streamId: string | undefined;
  /**
   * The members at the head as one number (push-memory.ts), if the head was the end of what was stored, and every other member was
   * in backoff; else 0.
   */
  readonly roster: number;
}

/**
 * Returns true if a member at the head is owed all that follows the cursor. A subscriber to the channel itself has come to the head by
 * joining it, so the cursor is its position in any case. After an owner that died, every member may have received something.
 */
export const isOwed = (
  { since }: Subscriber,
  { pattern, channel }: Shard,
  { at, isUnclean }: Cursor,
): boolean => since <= at || isUnclean || pattern === channel;

/** What an owner commits. */
export type Progress = Omit<Cursor, 'asks' | 'term'>;

/** A cursor as it is stored. */
export interface CursorRow extends Cursor {
  /** Time until which a guard is under way; 0 if none was sent. */
  readonly guardedUntil: number;
}

/** Store of the cursors of shards, with the lease of each shard's owner. @throws Refusal unavailable */
export interface CursorStore extends LeaseStore<Shard, Progress, CursorRow> {
  /** Notes that a guard is under way until that time. */
  guard(shard: Shard, until: number): Promise<void>;
  /** Releases the lease without a commit. The next owner must assume that any frame may have arrived. */
  abandon(shard: Shard, owner: string, now: number): Promise<void>;
}

/** The result of a post. `busy`: it did not arrive. `unsure`: it may have arrived. */
export type Posted = 'sent' | 'gone' | 'busy' | 'unsure';

/** The result of closing a connection. `busy`: it may still be open. */
export type Closed = 'closed' | 'gone' | 'busy';

/** Posts to sockets and closes them. */
export interface SocketPoster {
  /**
   * Posts a frame to a connection. Posts that are under way together may overtake each other, so a caller that needs an order
   * on a connection waits for each.
   * @param by time after which no attempt is begun
   * @param attempts the most attempts; with one, the frame arrives at most once
   * @throws Error for a defect of the hub or of its permissions
   */
  post(connection: string, frame: string, by?: number, attempts?: number): Promise<Posted>;
  /** Closes a connection. @throws Error as `post` */
  close(connection: string): Promise<Closed>;
}

/** A shard that a process has to look at. */
export interface Job extends Shard {
  /** True for a guard: there is nothing to do unless the owner of the shard has died. */
  readonly isGuard?: boolean;
}

/** Queue of jobs. @throws Refusal unavailable */
export interface Jobs {
  /** Sends one job for each shard, which arrives after that many milliseconds. */
  send(jobs: readonly Job[], delayMs: number): Promise<void>;
}

/** Says that a socket has to go because its token has ended or a caller wants it, or all that a principal had opened by then. */
export type DisconnectRequest =
  | { readonly kind: 'expired' | 'ended'; readonly connection: string; readonly at: number }
  | { readonly kind: 'kicked'; readonly principal: string; readonly at: number };

/** Queue of disconnect requests. @throws Refusal unavailable */
export interface DisconnectQueue {
  /**
   * Sends a request that arrives after `delayMs`, or earlier: a queue delays by 15 minutes at most. Its receiver sends a
   * request that is too early again.
   */
  send(request: DisconnectRequest, delayMs: number): Promise<void>;
}

/** Is told how the push is doing. It must not throw. */
export interface PushWatch {
  /** Counts the messages that have arrived at one connection. */
  readonly delivered: (count: number) => void;
  /** Notes how many milliseconds ago the oldest message of a frame was published, when it has been posted to live members. */
  readonly lag: (ms: number) => void;
}

/** Everything that a push needs. */
export interface Push {
  /** The log, from which frames are read. */
  readonly log: Log;
  /** The store of connections. */
  readonly connections: ConnectionStore;
  /** The store of subscriptions, which are the members of shards. */
  readonly subscriptions: SubscriptionStore;
  /** The store of processes that hold requests. */
  readonly waits: Pick<WaitStore, 'others' | 'remove'>;
  /** The store of cursors of shards, with their leases. */
  readonly cursors: CursorStore;
  /** Finds what a hint concerns, in one call. */
  readonly lookup: HintLookup;
  /** What this process remembers from one push to the next. */
  readonly memory: PushMemory<Subscriber>;
  /** Posts frames to sockets. */
  readonly poster: SocketPoster;
  /** Sends this push, or another process, back to a shard later. */
  readonly jobs: Jobs;
  /** Is told what has arrived. */
  readonly watch: PushWatch;
  /** Notes who is in a channel; undefined on a hub without presence. */
  readonly presence?: Noting | undefined;
}
