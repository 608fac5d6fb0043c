/**
 * The items of one table or index in memory, in the form that dynalite asks for. The memory store of dynalite itself writes each
 * item as JSON, waits two turns of the event loop for each operation, and starts a stream for each query.
 * @module
 */
import { Stream } from 'node:stream';
import type { ItemDb, RangeOptions } from 'dynalite/db/index.js';

/** The hash of the partition key, with which dynalite begins each key. */
const PARTITION_LENGTH = 6;

/**
 * Returns an empty store. Callbacks are called at once, so an operation of dynalite is over before the next one begins.
 * @param lock of the store of dynalite that this one replaces
 */
export function createItemStore(lock: ItemDb['lock']): ItemDb {
  const items = new Map<string, object>();
  // In one array for all keys each insert would move most of them.
  const partitions = new Map<string, string[]>();
  return {
    lock,
    get: (key, done) => done(null, items.get(key)),
    put(key, item, done) {
      if (!items.has(key)) insert(partitions, key);
      items.set(key, withoutAbsent(item));
      done(null);
    },
    del(key, done) {
      if (items.delete(key)) remove(partitions, key);
      done(null);
    },
    createValueStream: (options) => new Values(partitions, items, options),
  };
}

/** An index entry has a member without a value for each attribute that its item lacks. As JSON it would have none. */
function withoutAbsent(item: object): object {
  const members: [string, unknown][] = Object.entries(item);
  if (!members.some(([, value]) => value === undefined)) return item;
  return Object.fromEntries(members.filter(([, value]) => value !== undefined));
}

function insert(partitions: Map<string, string[]>, key: string): void {
  const name = key.slice(0, PARTITION_LENGTH);
  const keys = partitions.get(name);
  if (keys === undefined) partitions.set(name, [key]);
  else keys.splice(firstFrom(keys, key), 0, key);
}

function remove(partitions: Map<string, string[]>, key: string): void {
  const name = key.slice(0, PARTITION_LENGTH);
  const keys = partitions.get(name);
  if (keys === undefined) return;
  keys.splice(firstFrom(keys, key), 1);
  if (keys.length === 0) partitions.delete(name);
}

/** Returns the index of the first key that is not below the bound. */
function firstFrom(keys: readonly string[], bound: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((keys[middle] ?? '') < bound) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** A part of the keys of one partition: from the index `start`, to that before `end`. */
interface Slice {
  readonly keys: readonly string[];
  readonly start: number;
  readonly end: number;
}

/** Returns the keys of a range: of one partition for a query, of all for a scan. */
function slicesOf(
  partitions: ReadonlyMap<string, readonly string[]>,
  { gt, gte = gt ?? '', lt, lte }: RangeOptions,
): Slice[] {
  const last = lte ?? lt;
  const name = gte.slice(0, PARTITION_LENGTH);
  const isOne = name.length === PARTITION_LENGTH && last?.startsWith(name) === true;
  const names = isOne ? [name] : [...partitions.keys()].toSorted();
  return names.map((one) => {
    const keys = partitions.get(one) ?? [];
    const first = firstFrom(keys, gte);
    const start = gt !== undefined && keys[first] === gt ? first + 1 : first;
    const end = last === undefined ? keys.length : firstFrom(keys, last);
    return { keys, start, end: lte !== undefined && keys[end] === lte ? end + 1 : end };
  });
}

function* keysIn(slices: readonly Slice[], isReverse: boolean): Generator<string> {
  for (const { keys, start, end } of isReverse ? slices.toReversed() : slices) {
    for (let at = start; at < end; at += 1) {
      const key = keys[isReverse ? start + end - 1 - at : at];
      if (key !== undefined) yield key;
    }
  }
}

/**
 * Emits the items of a range, until it is destroyed. It is no Readable, which costs more than the whole query. All items are
 * emitted in one turn, so none changes meanwhile.
 */
class Values extends Stream {
  #isDestroyed = false;

  constructor(
    partitions: ReadonlyMap<string, readonly string[]>,
    items: ReadonlyMap<string, object>,
    options: RangeOptions,
  ) {
    super();
    process.nextTick(() => {
      let left = options.limit === undefined || options.limit < 0 ? Infinity : options.limit;
      for (const key of keysIn(slicesOf(partitions, options), options.reverse === true)) {
        if (this.#isDestroyed) return;
        if (left <= 0) break;
        left -= 1;
        this.emit('data', items.get(key));
      }
      this.emit('end');
    });
  }

  /** Ends the stream. The items that were not read are dropped. */
  destroy(): void {
    this.#isDestroyed = true;
  }
}
