/**
 * The LevelDB store of dynalite, with two corrections: iterators are closed, and the store is opened again after a failed write.
 * @module
 */
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { create, type ItemDb, type Iterators, type Store, type Table } from 'dynalite/db/index.js';
import { createItemStore } from './item-store.ts';

/** The store of all tables. */
export interface GuardedStore {
  /**
   * Runs an action of dynalite.
   * @throws Error of the action; for a write, the error of an earlier write while the disk is full
   */
  use<T>(isWrite: boolean, act: (store: Store) => Promise<T>): Promise<T>;
  /** Closes the store. */
  close(): Promise<void>;
}

/** Interval in which the free space of a full disk is checked, in milliseconds. */
const RETRY_MS = 1_000;

/** The maximum log of LevelDB (`writeBufferSize`), which it writes again when it is opened. */
const LOG_PIECES = 4;
const PIECE_BYTES = 1024 * 1024;

const OPTIONS = { createTableMs: 0, deleteTableMs: 0, updateTableMs: 0 };

/**
 * Opens the store in `data`, or one in memory.
 *
 * After a failed write, mostly because the disk is full, no write may go into the same log. LevelDB counts the bytes of the
 * failed write, so it acknowledges later writes that cannot be read after a kill. Reads go on. When the disk has room again, the
 * store is closed and opened, which starts a new log.
 * https://github.com/google/leveldb/blob/main/db/log_writer.cc (`block_offset_` grows even if the write fails)
 * @throws Error with one sentence if the store is damaged or in use
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
        () => {}, // the disk is full again; the next attempt follows
      );
    }
  }

  return {
    async use(isWrite, act) {
      const used = store;
      if (used === undefined || (isWrite && trouble !== undefined)) throw trouble ?? new Error('closed');
      try {
        const result = await act(used);
        // This write may be in the log behind another write that has failed meanwhile.
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

/** Returns true if the disk has room for a new log. It writes files, because the statistics of a disk do not show quotas. */
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

/** Opens LevelDB, which locks its directory. If it opened later, the error of the first operation would not say why. */
async function openStore(path: string | undefined): Promise<Store> {
  if (path !== undefined) {
    mkdirSync(path, { recursive: true });
    refuseWithoutCurrent(path);
  }
  const store = create({ ...OPTIONS, ...(path !== undefined && { path }) });
  closeIterators(store.db);
  keepTables(store);
  if (path === undefined) keepItems(store);
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

/** Without the file CURRENT, LevelDB would create a new database and remove the files of the old one. */
function refuseWithoutCurrent(path: string): void {
  if (existsSync(join(path, 'CURRENT')) || !readdirSync(path).some((name) => /\.(ldb|log)$/.test(name)))
    return;
  throw new Error(
    `the tables in ${path} are damaged: the file CURRENT is missing. Put back a copy of ${path}, ` +
      'or remove it to begin with empty tables',
  );
}

const closeStore = (store: Store) => new Promise<void>((resolve) => store.db.close(() => resolve()));

/**
 * Adds `return` to the iterators of abstract-level. dynalite ends a stream with it. Without it each iterator, and the data that
 * it has read, would stay in memory until the store closes.
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

/** Each operation asks for its table. A table that is active does not change, because the service has no operation that changes one. */
function keepTables(store: Store): void {
  const active = new Map<string, Table>();
  const { getTable } = store;
  store.getTable = (name, checkStatus, last) => {
    const done = typeof checkStatus === 'function' ? checkStatus : last;
    const known = active.get(name);
    if (known !== undefined) return done?.(null, known);
    getTable(name, checkStatus === done ? true : checkStatus, (error, table) => {
      if (table?.TableStatus === 'ACTIVE') active.set(name, table);
      done?.(error, table);
    });
  };
}

/** Keeps the items of a store in memory as they are. */
function keepItems(store: Store): void {
  const kept = new Map<string, ItemDb>();
  const keep = (name: string, replaced: () => ItemDb): ItemDb => {
    const found = kept.get(name) ?? createItemStore(replaced().lock);
    kept.set(name, found);
    return found;
  };
  const { getItemDb, getIndexDb } = store;
  store.getItemDb = (table) => keep(table, () => getItemDb(table));
  store.getIndexDb = (type, table, index) => keep(`${table} ${index}`, () => getIndexDb(type, table, index));
}
