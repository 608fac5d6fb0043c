/**
 * The ports of the log: stores, clock and ids. The domain has no clock and no randomness of its own, and knows nothing of AWS.
 * @module
 */
import type { Recent } from '../bounded-map.ts';
import type { SnapshotStore } from '../keyed/snapshot-ports.ts';
import type { Channel } from './channel.ts';
import type { Entry, HintedEntry } from './entry.ts';
import type { Producer, SilentProducer } from './producer.ts';

/** Milliseconds since 1970. */
export type Clock = () => number;

/** Returns a unique text that cannot be guessed, for streams and entries. */
export type NewId = () => string;

/** A claim on the next slot of a channel, with all conditions under which it is granted. */
export interface Claim {
  /** Name of the channel. */
  readonly channel: string;
  /** Id of the entry that is to be written. The channel remembers the id of the claim that closed it. */
  readonly id: string;
  /** Granted only if its media type is that of the channel; undefined fits every channel. */
  readonly contentType: string | undefined;
  /** Granted only if this is the key of the channel, and undefined only if it has none. It is not compared without a content type. */
  readonly streamKey: string | undefined;
  /** Granted only if it is above the last one, compared by bytes. */
  readonly seq: string | undefined;
  /** True to close the channel. Every claim is granted only while the channel is open. */
  readonly close: boolean;
  /** Granted only if this is the next publish of the producer. */
  readonly producer: Producer | undefined;
  /**
   * The sealed slot of an earlier attempt at the same publish, which this claim replaces. Then `seq` and `producer` need not be the
   * next: both must still be those of that slot.
   */
  readonly replaces: number | undefined;
  /** 1; 0 to close without a message. */
  readonly slots: 0 | 1;
  /** Time of the claim, in milliseconds since 1970. */
  readonly now: number;
  /** Granted only if a slot was claimed after this time: otherwise an epoch must begin first (retention.ts). */
  readonly silentSince: number;
  /** The channel to create if there is none; undefined in explicit mode, where the claim is refused then. */
  readonly fresh: Channel | undefined;
}

/** A page of a list of channels. */
export interface ChannelPage {
  /** The channels; perhaps none, although there are more. */
  readonly channels: readonly Channel[];
  /** Where the next page begins; undefined after the last one. It may be a name without the prefix. */
  readonly after: string | undefined;
}

/** Store of channels, one item each. @throws Refusal unavailable */
export interface ChannelStore {
  /** Returns the channel, also an expired one, as of every write that was answered before. */
  get(name: string): Promise<Channel | undefined>;
  /** Creates the channel, and returns true, unless a live one has the name. It is sent once, as `reserve`. */
  create(channel: Channel, now: number): Promise<boolean>;
  /**
   * Checks the claim and takes the slot `next - 1` of the channel that it returns, in one write; undefined if a condition does not
   * hold. It is sent once: if it was carried out twice, it would take two slots for one publish. A caller that gets no answer in
   * time does not know whether the slot was taken.
   * @throws Refusal unavailable
   */
  reserve(claim: Claim): Promise<Channel | undefined>;
  /** Begins an epoch at `next`, if no slot has been claimed since the channel was read. */
  beginEpoch(channel: Channel, now: number, keptUntil: number): Promise<void>;
  /** Removes a producer to make room for another, unless it has published since the channel was read. */
  forgetProducer(channel: Channel, producer: SilentProducer): Promise<void>;
  /**
   * Returns a page of the channels whose names begin with the prefix, in no order; also expired ones. A channel that was created or
   * changed within the last second may be missing or old.
   * @param after where the page before it ended; undefined for the first page
   */
  list(prefix: string, after: string | undefined, most: number): Promise<ChannelPage>;
  /** Sets the time at which the channel expires, if it is the same stream and has not expired. */
  touch(channel: Channel, aliveUntil: number, now: number): Promise<void>;
  /** Deletes the channel, if it is the same stream. */
  remove(channel: Channel): Promise<void>;
}

/** Consecutive entries of the store. */
export interface EntryPage {
  /** The entries. */
  readonly entries: readonly Entry[];
  /** True if the page is full. Then the store may have more entries. */
  readonly more: boolean;
}

/** An entry without its messages: its slot, and the time for which it is kept. */
export type Age = Pick<Entry, 'slot' | 'time' | 'expiresAt'>;

/** Store of entries. @throws Refusal unavailable */
export interface EntryStore {
  /**
   * Puts the entry into its slot if that is empty. Then it is durable. Returns false if the slot has another entry, and `there` if
   * it has an entry with this id (the client repeats a call whose answer was lost; a retry may have other messages).
   */
  put(streamId: string, entry: Entry): Promise<'written' | 'there' | false>;
  /** Returns entries from `slot` on, also expired ones, as of every write that was answered before. */
  page(streamId: string, slot: number): Promise<EntryPage>;
  /**
   * Returns the entries below `slot`, the highest first, also expired ones, as of every write that was answered before.
   * @param most the largest number of entries
   */
  before(streamId: string, slot: number, most: number): Promise<EntryPage>;
  /** Returns the age of the entry nearest to `slot`: below it, or from it on; undefined if there is none on that side. */
  nearest(streamId: string, slot: number, side: 'below' | 'from'): Promise<Age | undefined>;
}

/** The slot of the publish that came with an Idempotency-Key. */
export interface KeyRecord {
  /** Fingerprint of the first request with the key. */
  readonly fingerprint: string;
  /** Stream of the channel at that time. */
  readonly streamId: string;
  /** The slot that the publish claimed. */
  readonly slot: number;
}

/** Store of Idempotency-Keys. @throws Refusal unavailable */
export interface KeyStore {
  /** Returns the record of a key that has not expired, as of every write that was answered before. */
  get(key: string, now: number): Promise<KeyRecord | undefined>;
  /** Records the key and returns true, unless there is a record that has not expired. */
  put(key: string, record: KeyRecord, now: number, expiresAt: number): Promise<boolean>;
  /** Moves the key from one slot to another. Returns false if it is at neither. */
  move(key: string, from: number, to: number): Promise<boolean>;
}

/**
 * Sends the hint that a channel has grown, or was closed. It is sent after the write, so that its receiver finds what was written.
 * @throws Refusal unavailable if it is not certain that the hint was accepted
 */
export type SendHint = (hint: {
  readonly channel: string;
  readonly offset: string;
  readonly isClosing: boolean;
  /** The key of a keyed channel, whose newest messages are to be folded. */
  readonly streamKey?: string | undefined;
  /** The entry that ends at `offset`, if a receiver may show it without a look at the log (`hintedEntry` in append.ts). */
  readonly entry?: HintedEntry | undefined;
}) => Promise<void>;

/** Everything that a publish needs. */
export interface Publishing extends Log {
  /** Sends hints. */
  readonly hint: SendHint;
  /** Channel → its key as this process has seen it last; empty for a channel without a key. A claim checks it. */
  readonly streamKeys: Recent<string>;
}

/** Everything that an operation on the log needs. */
export interface Log {
  /** The store of channels. */
  readonly channels: ChannelStore;
  /** The store of entries. */
  readonly entries: EntryStore;
  /** The store of Idempotency-Keys. */
  readonly keys: KeyStore;
  /** The store of snapshots of keyed channels. */
  readonly snapshots: SnapshotStore;
  /** The clock, in milliseconds since 1970. */
  readonly clock: Clock;
  /** Makes ids of streams, entries and owners. */
  readonly newId: NewId;
  /** `implicit`: the first publish creates a channel. `explicit`: only PUT creates one. */
  readonly channelCreation: 'implicit' | 'explicit';
  /** Time for which an entry is kept, in milliseconds. */
  readonly retentionMs: number;
}
