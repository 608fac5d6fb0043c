/**
 * Leases in memory: the promises of the port in few lines (lambda/hub/lease.ts).
 * @module
 */
import type { Lease, LeaseRow, LeaseStore } from '../../../lambda/hub/lease.ts';

/** A take that is so much older than the last release is late: in milliseconds, as in lambda/aws/dynamodb/lease-rows.ts. */
const LATE_TAKE_MS = 500;

/** What the leases belong to. `Row` is the state, and what else is stored with it. */
export interface MemoryLeaseOptions<Key, State, Row extends State> {
  readonly keyOf: (key: Key) => string;
  /** The row before the first commit. */
  readonly blank: Row;
  /** Returns only the state. A caller may pass a row, which must not bring back its old owner. */
  readonly stateOf: (state: State) => State;
  /** Returns the row as it is after a take. */
  readonly takenOf: (row: Row) => Row;
  /** Returns the row as a reader sees it. */
  readonly rowOf: (row: Row, isOwned: boolean) => Row;
}

/** The store, and the changes that only one kind of leases has. */
export interface MemoryLeases<Key, State, Row extends State> {
  readonly store: LeaseStore<Key, State, Row & LeaseRow>;
  /** Changes the row while that owner has its lease. */
  readonly change: (key: Key, owner: string, change: Partial<Row>) => void;
  /** Takes the lease from that owner. */
  readonly letGo: (key: Key, owner: string, now: number) => void;
}

/** Returns an empty store. */
export function memoryLeases<Key, State, Row extends State>({
  keyOf,
  blank,
  stateOf,
  takenOf,
  rowOf,
}: MemoryLeaseOptions<Key, State, Row>): MemoryLeases<Key, State, Row> {
  interface Stored {
    readonly row: Row;
    readonly asks: number;
    readonly lease: Lease | undefined;
    /** The last owner that released the lease, and when. */
    readonly left: string | undefined;
    readonly freedAt: number;
  }
  const rows = new Map<string, Stored>();
  const storedOf = (key: Key): Stored =>
    rows.get(keyOf(key)) ?? { row: blank, asks: 0, lease: undefined, left: undefined, freedAt: 0 };
  const set = (key: Key, change: Partial<Stored>): void =>
    void rows.set(keyOf(key), { ...storedOf(key), ...change });
  const isHeld = ({ lease }: Stored, { owner, until }: Lease) =>
    lease?.owner === owner && lease.until === until;
  const seen = ({ row, asks, lease }: Stored) => ({ ...rowOf(row, lease !== undefined), asks });
  const letGo = (key: Key, owner: string, now: number): void => {
    if (storedOf(key).lease?.owner === owner) set(key, { lease: undefined, left: owner, freedAt: now });
  };
  return {
    store: {
      async get(key) {
        const stored = rows.get(keyOf(key));
        return stored && { ...seen(stored), ...stored.lease };
      },
      async take(key, { owner, until }, now) {
        const before = storedOf(key);
        const isTaken = (before.lease?.until ?? 0) > now && !isHeld(before, { owner, until });
        if (isTaken || before.left === owner || before.freedAt > now + LATE_TAKE_MS) return undefined;
        const row = takenOf(before.row);
        set(key, { row, lease: { owner, until } });
        return seen({ ...before, row });
      },
      async ask(key, now) {
        const { asks, lease } = storedOf(key);
        if (!lease || lease.until <= now) return undefined;
        set(key, { asks: asks + 1 });
        return { ...seen(storedOf(key)), ...lease };
      },
      async commit(key, { owner, until: was }, state, until) {
        const stored = storedOf(key);
        if (isHeld(stored, { owner, until })) return stored.asks;
        if (!isHeld(stored, { owner, until: was })) return undefined;
        set(key, { row: { ...stored.row, ...stateOf(state) }, lease: { owner, until } });
        return stored.asks;
      },
      async release(key, lease, state, asks, now) {
        const stored = storedOf(key);
        if (!isHeld(stored, lease) || (asks !== undefined && stored.asks !== asks)) return false;
        set(key, { row: { ...stored.row, ...stateOf(state) } });
        letGo(key, lease.owner, now);
        return true;
      },
    },
    change(key, owner, change) {
      const { row, lease } = storedOf(key);
      if (lease?.owner === owner) set(key, { row: { ...row, ...change } });
    },
    letGo,
  };
}
