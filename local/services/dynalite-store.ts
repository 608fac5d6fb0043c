/**
 * The store below dynalite. Its iterators are closed, which dynalite forgets, and it is opened again after a write failed,
 * which LevelDB needs.
 * @module
 */
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { create, type Iterators, type Store } from 'dynalite/db/index.js';

export interface GuardedStore {
  /**
   * Runs an action of dynalite.
   * @throws what the action refuses; the reason for it while nothing can be written
   */
  use<T>(isWrite: boolean, act: (store: Store) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** Between two looks whether there is room again, in milliseconds. */
const RETRY_MS = 1_000;

/** What LevelDB keeps in its log at most (its `writeBufferSize`), and writes once more when it is opened. */
const LOG_PIECES = 4;
const PIECE_BYTES = 1024 * 1024;

const OPTIONS = { createTableMs: 0, deleteTableMs: 0, updateTableMs: 0 };

/**
 * Opens the store in `data`, or one in memory.
 *
 * After a write failed, because the disk is full mostly, nothing more is written into the same log of LevelDB: it counts
 * the bytes that it could not write, so what follows them is acknowledged and cannot be read back after a kill. Reading
 * goes on. As soon as there is room the store is closed and opened again, which begins a new log.
 * https://github.com/google/leveldb/blob/main/db/log_writer.cc (`block_offset_` moves on whatever became of the write)
 */
export async function openGuardedStore(
  data: string | undefined,
  log: (line: string) => void,
): Promise<GuardedStore> {
  const path = data === undefined ? undefined : join(data, 'dynamodb');
  const closing = new AbortController();
  let store: Store | undefined = await openStore(path);
  let trouble: Error | undefined;
  let healing = Promise.resolve();

  async function reopen(): Promise<void> {
    if (store !== undefined) await closeStore(store);
    store = undefined;
    store = await openStore(path);
  }

  async function heal(path: string, because: Error): Promise<void> {
    log(`[dynamodb] cannot write: ${because.message}. Reading goes on; writing goes on when there is room.`);
    while (trouble !== undefined && !closing.signal.aborted) {
      await wait(RETRY_MS, undefined, { signal: closing.signal }).catch(() => {});
      if (closing.signal.aborted || !(await hasRoom(path))) continue;
      await reopen().then(
        () => {
          trouble = undefined;
          log(`[dynamodb] writes to ${path} again`);
        },
        () => {}, // the room has gone meanwhile: it is tried again
      );
    }
  }

  return {
    async use(isWrite, act) {
      const used = store;
      if (used === undefined || (isWrite && trouble !== undefined)) throw trouble ?? new Error('closed');
      try {
        const result = await act(used);
        // It may stand in the log behind the write that failed meanwhile.
        if (isWrite && trouble !== undefined) throw trouble;
        return result;
      } catch (error) {
        if (isWrite && path !== undefined && trouble === undefined && isFailedWrite(error)) {
          trouble = error;
          healing = heal(path, error);
        }
        throw error;
      }
    },
    async close() {
      closing.abort();
      await healing;
      if (store !== undefined) await closeStore(store);
      store = undefined;
    },
  };
}

const isFailedWrite = (error: unknown): error is Error =>
  error instanceof Error && 'code' in error && error.code === 'LEVEL_IO_ERROR';

/** Tries it: how much of a disk a user may fill is not in its statistics. */
async function hasRoom(path: string): Promise<boolean> {
  const pieces = Array.from({ length: LOG_PIECES }, (_, number) => join(path, `room-${number}.tmp`));
  try {
    for (const piece of pieces) await writeFile(piece, Buffer.alloc(PIECE_BYTES));
    return true;
  } catch {
    return false;
  } finally {
    await Promise.all(pieces.map((piece) => rm(piece, { force: true })));
  }
}

/** LevelDB locks its directory; without this the first operation would only say that the database is closed. */
async function openStore(path: string | undefined): Promise<Store> {
  if (path !== undefined) {
    mkdirSync(path, { recursive: true });
    refuseHeadless(path);
  }
  const store = create({ ...OPTIONS, ...(path !== undefined && { path }) });
  closeIterators(store.db);
  try {
    await store.db.open();
    return store;
  } catch (error) {
    await closeStore(store);
    const cause =
      error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error);
    throw new Error(
      `the tables in ${path} cannot be opened, they may be in use by another process: ${cause}`,
    );
  }
}

/** Where the file that names the others is missing, LevelDB would begin a new database, and remove the others. */
function refuseHeadless(path: string): void {
  if (existsSync(join(path, 'CURRENT')) || !readdirSync(path).some((name) => /\.(ldb|log)$/.test(name)))
    return;
  throw new Error(
    `the tables in ${path} are damaged: the file CURRENT is missing. Put back a copy of ${path}, ` +
      'or remove it to begin without the channels',
  );
}

const closeStore = (store: Store) => new Promise<void>((resolve) => store.db.close(() => resolve()));

/**
 * dynalite ends a stream by the `return` of its iterator, which those of abstract-level do not have: each would stay open
 * for as long as the store, with all that it had read.
 */
function closeIterators(db: Iterators): void {
  for (const kind of ['keys', 'values'] as const) {
    const open = db[kind].bind(db);
    db[kind] = (options) => {
      const iterator = open(options);
      return Object.assign(iterator, { return: () => iterator.close() });
    };
  }
}
