/**
 * Loads the snapshot of a keyed channel.
 * @module
 */
import { Refusal } from '../../../protocol/errors.ts';
import type { Position } from '../../../protocol/offset.ts';
import { type Fold, layOnto } from './fold.ts';
import type { SnapshotMessage, SnapshotRun, SnapshotStore } from './snapshot-ports.ts';

/**
 * A head is replaced, and the chunks of the one before it are removed, some seconds after the last publish. A reader that meets this
 * reads the new head. It does not happen to it again and again.
 */
const MAX_ATTEMPTS = 4;

/** A snapshot in memory. */
export interface Snapshot {
  /** Its messages by key, in the order of the log. */
  readonly fold: Fold;
  /** The end of the part of the log that it has folded; undefined if nothing was folded yet. */
  readonly end: Position | undefined;
}

/** Loads the snapshot of a stream. @throws Refusal unavailable */
export async function loadSnapshot(snapshots: SnapshotStore, streamId: string): Promise<Snapshot> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const head = await snapshots.head(streamId);
    const messages = head && (await loadRuns(snapshots, streamId, head.runs));
    if (head && !messages) continue;
    const fold: Fold = new Map();
    for (const message of messages ?? []) layOnto(fold, withNext(message));
    return { fold, end: head?.end };
  }
  throw new Refusal('unavailable', 'the snapshot was replaced all the time; retry');
}

/** Returns the messages of runs, the oldest first; undefined if a chunk was removed meanwhile. */
export async function loadRuns(
  snapshots: SnapshotStore,
  streamId: string,
  runs: readonly SnapshotRun[],
): Promise<readonly SnapshotMessage[] | undefined> {
  const ids = runs.flatMap(({ chunks }) => chunks);
  const chunks = await Promise.all(ids.map((id) => snapshots.chunk(streamId, id)));
  const found = chunks.filter((chunk) => chunk !== undefined);
  return found.length === chunks.length ? found.flat() : undefined;
}

/** Where the entry of a message in a snapshot ends is not known any more, and does not matter to a read of the newest messages. */
export const withNext = (message: SnapshotMessage) => ({
  ...message,
  next: { entry: message.at.entry, index: message.at.index + 1 },
});
