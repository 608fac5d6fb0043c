/**
 * Folds the log of a keyed channel onto its snapshot, so that the newest message of each key outlives the retention (PROTOCOL.md §5.4).
 *
 * Nobody waits for it: readers fold what the snapshot does not have yet. Every step may be done twice, by two processes at the same
 * time, and may be the last one of a process that dies. Only the head makes chunks visible, and of two heads with the same version one
 * is stored (docs/adr/0021-keyed-channels.md).
 * @module
 */
import { GAP_GRACE_MS } from '../../../protocol/limits.ts';
import { isBefore } from '../../../protocol/offset.ts';
import { type Channel, isAlive } from '../log/channel.ts';
import type { Log } from '../log/log-ports.ts';
import { settleAll } from '../settle-all.ts';
import { type Fold, type FoldedRange, foldWhatIsKept, type KeyedMessage, layOnto } from './fold.ts';
import { loadRuns, withNext } from './load-snapshot.ts';
import type { FoldQueue, SnapshotHead, SnapshotRun } from './snapshot-ports.ts';
import { keyOfMessages } from './stream-key.ts';

/** Everything that a fold needs. */
export interface Folding {
  /** The log, with the snapshots. */
  readonly log: Log;
  /** The queue of folds, for what must be looked at later. */
  readonly queue: FoldQueue;
}

/** Bytes of the messages of one chunk. An item of DynamoDB may have 400 KB, and compression may gain nothing. */
const CHUNK_BYTES = 300 * 1024;

/** Bytes that a message takes in a chunk beside its text and its key: the offset, the time and the punctuation. */
const ROW_BYTES = 48;

/**
 * A run is merged with the run before it unless that has at least twice its bytes and twice its keys. So the sizes of runs grow at least
 * as powers of two: there are few of them, and together they have at most about twice the bytes of the newest messages. Removals are
 * small, but each ends a message: the keys count, so that a channel whose keys were removed does not keep them.
 */
const SIZE_RATIO = 2;

/**
 * Age of a chunk that no head lists, in milliseconds, at which it is removed. It is far longer than a fold may run, so the process
 * that wrote it has died, or found that another one was faster.
 */
const ORPHAN_MS = 10 * 60_000;

/** How long an item of a channel that ends at a fixed time stays after that, in milliseconds. */
const KEPT_AFTER_END_MS = 24 * 3_600_000;

/** Attempts to replace the head. Each further one needs another process that folds the same channel. */
const MAX_ATTEMPTS = 3;

/** When to look again at a channel with a gap that is too young to be sealed, in milliseconds. */
const LOOK_AGAIN_MS = GAP_GRACE_MS + 1_000;

/**
 * Folds what has been published since the last fold.
 * @param until time at which the process must end, in milliseconds since 1970. Another process continues with the rest
 * @throws Refusal unavailable
 */
export async function foldChannel(folding: Folding, name: string, until: number): Promise<void> {
  const { log, queue } = folding;
  for (let attempt = 0; ; ) {
    const channel = await log.channels.get(name);
    if (!channel || !isAlive(channel, log.clock()) || channel.streamKey === undefined) return;
    const step = await foldStep(log, channel);
    if (step === 'lost') {
      attempt += 1;
      if (attempt < MAX_ATTEMPTS) continue;
      return await queue.send({ kind: 'grown', channel: name }, 0);
    }
    if (step.isGap) return await queue.send({ kind: 'grown', channel: name }, LOOK_AGAIN_MS);
    if (step.upToDate) return;
    if (log.clock() >= until) return await queue.send({ kind: 'grown', channel: name }, 0);
  }
}

/** Folds a part of the log. Returns `lost` if another process replaced the head meanwhile. */
async function foldStep(log: Log, channel: Channel): Promise<FoldedRange | 'lost'> {
  const { streamId, streamKey = '' } = channel;
  const { snapshots } = log;
  const head = await snapshots.head(streamId);
  const fold: Fold = new Map();
  const keyOf = keyOfMessages(streamKey);
  const range = await foldWhatIsKept(log, channel, { from: head?.end ?? 'beginning', keyOf }, fold);
  // A head never goes backwards, also if the log after it was read from elsewhere.
  if (head ? !isBefore(head.end, range.end) : range.count === 0) return range;
  const merged = await mergedRuns(log, streamId, head, fold);
  if (!merged) return 'lost';
  const run = await writeRun(log, channel, merged.messages);
  const id = log.newId();
  const next: SnapshotHead = {
    id,
    version: (head?.version ?? 0) + 1,
    end: range.end,
    runs: [...merged.kept, ...(run.chunks.length > 0 ? [run] : [])],
  };
  // A repetition of the client finds its own head, and the answer to the first attempt was lost.
  const isReplaced =
    (await snapshots.replaceHead(streamId, next, keptUntil(channel))) ||
    (await snapshots.head(streamId))?.id === id;
  if (!isReplaced) {
    await removeChunks(log, streamId, run.chunks);
    return 'lost';
  }
  await removeChunks(log, streamId, merged.replaced);
  if (merged.kept.length === 0) await removeOrphans(log, streamId, next);
  // The channel may have been deleted since it was read, and its snapshot removed before this one was stored.
  const present = await log.channels.get(channel.name);
  if (present?.streamId !== streamId) await removeSnapshot(log, streamId);
  return range;
}

interface Merged {
  /** The runs that stay as they are. */
  readonly kept: readonly SnapshotRun[];
  /** The chunks of the other runs. */
  readonly replaced: readonly string[];
  /** The messages of the new run. */
  readonly messages: readonly KeyedMessage[];
}

/** Merges the newest runs with what was folded; undefined if another process has replaced them. */
async function mergedRuns(
  { snapshots }: Log,
  streamId: string,
  head: SnapshotHead | undefined,
  fold: Fold,
): Promise<Merged | undefined> {
  const runs = head?.runs ?? [];
  let bytes = [...fold.values()].reduce((sum, message) => sum + sizeOf(message), 0);
  let keys = fold.size;
  let first = runs.length;
  for (const run of runs.toReversed()) {
    if (run.bytes >= SIZE_RATIO * bytes && run.keys >= SIZE_RATIO * keys) break;
    bytes += run.bytes;
    keys += run.keys;
    first -= 1;
  }
  const older = await loadRuns(snapshots, streamId, runs.slice(first));
  if (!older) return undefined;
  const all: Fold = new Map();
  for (const message of older) layOnto(all, withNext(message));
  for (const message of fold.values()) layOnto(all, message);
  // A removal has nothing to remove before the oldest run.
  const messages = [...all.values()].filter(({ isDelete }) => first > 0 || !isDelete);
  return {
    kept: runs.slice(0, first),
    replaced: runs.slice(first).flatMap(({ chunks }) => chunks),
    messages,
  };
}

const encoder = new TextEncoder();
const sizeOf = ({ text, key, isDelete }: KeyedMessage): number =>
  ROW_BYTES + encoder.encode(key).byteLength + (isDelete ? 0 : encoder.encode(text).byteLength);

/** Writes the messages in chunks. */
async function writeRun(log: Log, channel: Channel, messages: readonly KeyedMessage[]): Promise<SnapshotRun> {
  const chunks: { readonly id: string; readonly messages: KeyedMessage[] }[] = [];
  let bytes = 0;
  let room = 0;
  for (const message of messages) {
    const size = sizeOf(message);
    if (size > room) {
      chunks.push({ id: log.newId(), messages: [] });
      room = CHUNK_BYTES;
    }
    chunks.at(-1)?.messages.push(message);
    room -= size;
    bytes += size;
  }
  const at = log.clock();
  await settleAll(
    chunks.map(({ id, messages: some }) =>
      log.snapshots.putChunk(channel.streamId, { id, at }, some.map(stored), keptUntil(channel)),
    ),
  );
  return { chunks: chunks.map(({ id }) => id), bytes, keys: messages.length };
}

const stored = ({ at, time, key, isDelete, text }: KeyedMessage) => ({
  at,
  time,
  key,
  isDelete,
  text: isDelete ? '' : text,
});

/** Only a channel with a fixed end expires without a deletion. Nothing of it is found then, and the store may remove it. */
const keptUntil = ({ aliveUntil }: Channel): number | undefined =>
  aliveUntil === undefined ? undefined : aliveUntil + KEPT_AFTER_END_MS;

const removeChunks = async ({ snapshots }: Log, streamId: string, ids: readonly string[]): Promise<void> =>
  void (await settleAll(ids.map((id) => snapshots.removeChunk(streamId, id))));

/** Removes chunks of processes that died, when a fold has rewritten all others in any case. */
async function removeOrphans(log: Log, streamId: string, { runs }: SnapshotHead): Promise<void> {
  const listed = new Set(runs.flatMap(({ chunks }) => chunks));
  const now = log.clock();
  const all = await log.snapshots.chunks(streamId);
  const orphans = all.filter(({ id, at }) => !listed.has(id) && now - at > ORPHAN_MS);
  await removeChunks(
    log,
    streamId,
    orphans.map(({ id }) => id),
  );
}

/** Removes the snapshot of a stream. The head goes first, so that no reader finds a head without its chunks. */
export async function removeSnapshot(log: Log, streamId: string): Promise<void> {
  await log.snapshots.removeHead(streamId);
  const all = await log.snapshots.chunks(streamId);
  await removeChunks(
    log,
    streamId,
    all.map(({ id }) => id),
  );
}
