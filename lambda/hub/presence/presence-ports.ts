/**
 * The ports of presence (PROTOCOL.md §14): who is in a channel, and what its readers were told.
 *
 * The rows of the members are the truth. Each is valid until a time, and the process that holds the connection moves that time on. The presence
 * channel is a copy, which only the settler of a channel writes (settle.ts). So a write of these stores that is carried out twice, or
 * late, does no harm that outlives the next look. All times are in milliseconds since 1970.
 * @module
 */
import type { PresentBy } from '../../../protocol/presence.ts';
import type { LeaseRow, LeaseStore } from '../lease.ts';
import type { Clock, NewId } from '../log/log-ports.ts';

/** What the readers of a presence channel learn of a member. */
export interface MemberValue {
  /** The `sub` of the token; undefined if it has none. */
  readonly principal: string | undefined;
  /** The transport by which it reads. */
  readonly transport: PresentBy;
  /** Time at which it came. */
  readonly since: number;
  /** What it says about itself: JSON text, `null` for nothing. */
  readonly data: string;
}

/** A connection or a reader in a channel. */
export interface Member extends MemberValue {
  /** The connection of a socket, or the id of a reader over HTTP. */
  readonly id: string;
  /** Time until which it is in the channel, unless it is seen again. */
  readonly until: number;
  /** Time until which its row is kept: a socket that was thought lost may ping again. */
  readonly keptUntil: number;
  /** Time of the write. By this, a write that is carried out late changes nothing. */
  readonly at: number;
}

/** Store of members. @throws Refusal unavailable */
export interface MemberStore {
  /** Returns a member, also one whose time is over, as of every write that was answered before. */
  get(channel: string, id: string): Promise<Member | undefined>;
  /** Stores a member in the place of what was written before. A late write may bring back one that has left, until its time is over. */
  put(channel: string, member: Member): Promise<void>;
  /** Stores the times of a member, if the member that came at that time is still there, and was not written later. */
  extend(channel: string, member: Member): Promise<void>;
  /** Removes a member that came by that time. */
  remove(channel: string, id: string, by: number): Promise<void>;
  /** Returns all members, also those whose time is over, as of every write that was answered before. */
  of(channel: string): Promise<readonly Member[]>;
}

/** Queue of looks. @throws Refusal unavailable */
export interface Looks {
  /** Sends a message that makes a process settle the channel after that many milliseconds. */
  send(channel: string, delayMs: number): Promise<void>;
}

/** What a settler hands to the next one. */
export interface SettleState {
  /** Time of the next look that is under way because there are members; 0 if there is none. */
  readonly lookAt: number;
  /** True if the last settler found nobody. */
  readonly isEmpty: boolean;
}

/** What is stored of the settlers of a channel. */
export interface SettleRow extends SettleState, LeaseRow {
  /** Time until which a look is under way in case the owner dies; 0 if none was sent. */
  readonly guardedUntil: number;
}

/** The lease of a channel: one process at a time compares and publishes. @throws Refusal unavailable */
export interface SettleLeases extends LeaseStore<string, SettleState, SettleRow> {
  /** Notes that a look is under way until that time, in case the owner dies. */
  guard(channel: string, until: number): Promise<void>;
}

/** The presence channel. @throws Refusal unavailable */
export interface PresenceCopy {
  /** Returns what its readers know: the id of each member, and its value as JSON. */
  shown(channel: string): Promise<ReadonlyMap<string, string>>;
  /** Appends messages as one entry. */
  publish(channel: string, messages: readonly object[]): Promise<void>;
}

/** Everything that notes who comes and goes. */
export interface Noting {
  /** The patterns of the channels that have presence. */
  readonly patterns: readonly string[];
  readonly members: MemberStore;
  readonly looks: Looks;
  readonly clock: Clock;
}

/** Everything that settles a channel. */
export interface Settling extends Omit<Noting, 'patterns'> {
  readonly leases: SettleLeases;
  readonly copy: PresenceCopy;
  readonly newId: NewId;
}
