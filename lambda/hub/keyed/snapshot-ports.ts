/**
 * The ports of snapshots: what the newest messages of a keyed channel are stored as, so that they outlive the retention.
 *
 * A snapshot is a list of runs. Each run is the fold of a part of the log, and has up to 300 KB in each of its chunks. The head lists
 * the runs, and says up to which offset of the log they go. Chunks never change: a fold writes new ones, and then replaces the head.
 * @module
 */
import type { Position } from '../../../protocol/offset.ts';

/** The fold of a part of the log, as it is stored. */
export interface SnapshotRun {
  /** The ids of its chunks, in the order of the log. */
  readonly chunks: readonly string[];
  /** Bytes of its messages and keys. */
  readonly bytes: number;
  /** The number of its keys, removed ones included. */
  readonly keys: number;
}

/** What readers need to find a snapshot. */
export interface SnapshotHead {
  /** Tells it from every other head of the stream. */
  readonly id: string;
  /** Counts the heads of the stream, from 1 on. */
  readonly version: number;
  /** The end of the part of the log that the runs have folded. */
  readonly end: Position;
  /** The runs, the oldest first. */
  readonly runs: readonly SnapshotRun[];
}

/** The newest message of a key. */
export interface SnapshotMessage {
  /** Its place in the log: slot, and index in the entry. */
  readonly at: Position;
  /** Time at which it was published, in milliseconds since 1970. */
  readonly time: number;
  /** Its key (`KeyedText`). */
  readonly key: string;
  /** True if it removes its key. */
  readonly isDelete: boolean;
  /** The text as it was published. A chunk has no text of a removal. */
  readonly text: string;
}

/** A chunk that is stored. */
export interface StoredChunk {
  /** Its id. */
  readonly id: string;
  /** Time at which it was written, in milliseconds since 1970. */
  readonly at: number;
}

/**
 * Store of snapshots. All reads are as of every write that was answered before. Each write may be carried out twice, and late
 * (docs/adr/0011-late-writes.md). @throws Refusal unavailable
 */
export interface SnapshotStore {
  /** Returns the head; undefined if nothing was folded yet. */
  head(streamId: string): Promise<SnapshotHead | undefined>;
  /**
   * Stores the head if the stored one has the version before it (or there is none, for version 1), and returns true. Returns false
   * if not, also for a repetition.
   * @param until time in milliseconds since 1970 after which the store may remove it; undefined for never
   */
  replaceHead(streamId: string, head: SnapshotHead, until: number | undefined): Promise<boolean>;
  /** Removes the head. */
  removeHead(streamId: string): Promise<void>;
  /** Stores a chunk of up to 300 KB. @param until as for `replaceHead` */
  putChunk(
    streamId: string,
    chunk: StoredChunk,
    messages: readonly SnapshotMessage[],
    until: number | undefined,
  ): Promise<void>;
  /** Returns the messages of a chunk; undefined if it was removed. */
  chunk(streamId: string, id: string): Promise<readonly SnapshotMessage[] | undefined>;
  /** Returns all chunks that are stored, those of no head included. */
  chunks(streamId: string): Promise<readonly StoredChunk[]>;
  /** Removes a chunk. */
  removeChunk(streamId: string, id: string): Promise<void>;
}

/** What the fold has to do. */
export type FoldTask =
  /** A keyed channel has grown. */
  { readonly kind: 'grown'; readonly channel: string } | RemovedTask;

/** A keyed channel was deleted, or is about to be. Its snapshot goes with it. */
export interface RemovedTask {
  readonly kind: 'removed';
  readonly channel: string;
  readonly streamId: string;
  /** The number of times that the channel was still there. */
  readonly tries: number;
}

/** Queue of the fold. @throws Refusal unavailable */
export interface FoldQueue {
  /** Sends a task, which arrives after `delayMs` milliseconds, or some seconds later. */
  send(task: FoldTask, delayMs: number): Promise<void>;
}
