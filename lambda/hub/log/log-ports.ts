/**
 * What the domain needs from the world. The domain knows no AWS, no clock and no randomness of its own.
 * @module
 */
import type { Channel } from './channel.ts';
import type { Entry } from './entry.ts';
import type { Producer, SilentProducer } from './producer.ts';

/** Milliseconds since 1970. */
export type Clock = () => number;

/** Unguessable, unique text; used for stream ids and to recognise one's own write. */
export type NewId = () => string;

/** A claim on the next slot of a channel, and all that must hold for it to be granted. */
export interface Claim {
  readonly channel: string;
  /** Of the entry that is to be written; remembered as who closed the channel. */
  readonly id: string;
  /** Must be the channel's; undefined fits every channel. */
  readonly contentType: string | undefined;
  /** Granted only if above the last one granted, by bytes. */
  readonly seq: string | undefined;
  /** Closes the channel. Every claim is granted only while it is open. */
  readonly close: boolean;
  /** Granted only as the next publish of its producer, which it then is. */
  readonly producer: Producer | undefined;
  /**
   * The sealed slot of an earlier attempt at the same publish, which this one takes the place of: then neither `seq` nor
   * `producer` must be the next, but both must still stand at that slot.
   */
  readonly replaces: number | undefined;
  /** 1, or 0 to close without a message. */
  readonly slots: 0 | 1;
  readonly now: number;
  /** Granted only if something was claimed after this time: else an era must begin first (retention.ts). */
  readonly silentSince: number;
  /** The channel to make if there is none; undefined in explicit mode, where that is a refusal. */
  readonly fresh: Channel | undefined;
}

export interface ChannelStore {
  /** The channel, expired or not, as of every write acknowledged before. */
  get(name: string): Promise<Channel | undefined>;
  /** Creates the channel unless a live one has the name; says whether it did. Never repeated (see `reserve`). */
  create(channel: Channel, now: number): Promise<boolean>;
  /**
   * ONE write that checks the claim and takes the slot `next - 1`; undefined when a condition did not hold. A claim that
   * was carried out twice would take two slots for one publish. So it is sent once: a caller that gets no answer in time
   * does not know whether the slot was taken.
   * @throws Refusal unavailable
   */
  reserve(claim: Claim): Promise<Channel | undefined>;
  /** Begins an era at `next`, if nothing has been claimed since the channel was read. */
  beginEra(channel: Channel, now: number, keptUntil: number): Promise<void>;
  /** Forgets a producer to make room for another, unless it has published since the channel was read. */
  forgetProducer(channel: Channel, producer: SilentProducer): Promise<void>;
  /** Moves the end of a channel's idle time, if it still is the same stream and alive. */
  touch(channel: Channel, aliveUntil: number, now: number): Promise<void>;
  /** Deletes the channel, if it still is the same stream. */
  remove(channel: Channel): Promise<void>;
}

/** Entries in slot order. `more` says that the store stopped at its page size, not at the end. */
export interface EntryPage {
  readonly entries: readonly Entry[];
  readonly more: boolean;
}

/** What tells how long an entry is kept, without its messages. */
export type Age = Pick<Entry, 'slot' | 'time' | 'expiresAt'>;

export interface EntryStore {
  /**
   * Puts the entry into its slot if that is empty: the durable moment. False when the slot is taken by another;
   * true also when it holds this very entry (a retry inside the SDK whose first answer was lost).
   */
  put(streamId: string, entry: Entry): Promise<boolean>;
  /** Entries from `slot` on, expired ones included, as of every write acknowledged before. */
  page(streamId: string, slot: number): Promise<EntryPage>;
  /** The age of the entry nearest to `slot`: below it, or from it on. Undefined if there is none on that side. */
  nearest(streamId: string, slot: number, side: 'below' | 'from'): Promise<Age | undefined>;
}

/** Where the publish of an Idempotency-Key went. */
export interface KeyRecord {
  /** Of the request that came first with the key. */
  readonly fingerprint: string;
  readonly streamId: string;
  readonly slot: number;
}

export interface KeyStore {
  /** The record of a key that has not expired, as of every write acknowledged before. */
  get(key: string, now: number): Promise<KeyRecord | undefined>;
  /** Records the key unless it is, unexpired; says whether it did. */
  put(key: string, record: KeyRecord, now: number, expiresAt: number): Promise<boolean>;
  /** Points the key from one slot to another; says whether it did. */
  move(key: string, from: number, to: number): Promise<boolean>;
}

/**
 * Says to whoever pushes that a channel has grown, or was closed. Sent after the write that it is about, so that whoever
 * gets it finds that.
 * @throws Refusal unavailable if it could not be handed over for sure
 */
export type SendHint = (hint: {
  readonly channel: string;
  readonly offset: string;
  readonly isClosing: boolean;
}) => Promise<void>;

/** What a publish needs. */
export interface Publishing extends Log {
  readonly hint: SendHint;
}

/** Everything that an operation on the log needs. */
export interface Log {
  readonly channels: ChannelStore;
  readonly entries: EntryStore;
  readonly keys: KeyStore;
  readonly clock: Clock;
  readonly newId: NewId;
  /** `implicit`: channels appear on first use. `explicit`: only PUT makes them. */
  readonly channelCreation: 'implicit' | 'explicit';
  /** How long an entry is kept, in milliseconds. */
  readonly retentionMs: number;
}
