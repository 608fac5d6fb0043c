/**
 * The lease, by which one process at a time works on something: it pushes to a shard, or it serves an endpoint.
 *
 * A process that leaves work first stores the work, and then asks the owner to look once more. If there is an owner, the
 * request is counted, and the owner does not release the lease before it has looked again. If there is none, the next owner
 * looks in any case, so nothing is counted: the process takes the lease itself, or sends a message that starts an owner.
 *
 * The client may carry out every call twice, and late (docs/adr/0011-late-writes.md). A call that is carried out again after its
 * answer changes nothing, except that a request may count twice: then the owner looks once more than needed. The proof for
 * every store is test/contract/leases.test.ts. All times are in milliseconds since 1970.
 * @module
 */

/** The right to work on something, as it was taken or renewed last. */
export interface Lease {
  /** Id of the process that has the lease. A process takes a lease under a new id each time. */
  readonly owner: string;
  /** Time at which it ends. Each renewal ends later than the one before, so a late write of an earlier one is known as such. */
  readonly until: number;
}

/** The least that is stored with a lease. */
export interface LeaseRow {
  /** Counts the requests that came while there was an owner. */
  readonly asks: number;
}

/**
 * A store of leases, with the state that each owner hands to the next one. `Key` names what the owner works on, `State` is
 * what the owner commits, and `Row` is what is stored. @throws Refusal unavailable
 */
export interface LeaseStore<Key, State, Row extends LeaseRow> {
  /** Returns the row, and the last lease unless it was released, as of every write that was answered before. */
  get(key: Key): Promise<(Row & Partial<Lease>) | undefined>;
  /**
   * Takes the lease if it is free or has run out, unless this owner released it, or another one did so after `now`. Returns
   * the row as the last owner left it; undefined if the lease was not taken.
   */
  take(key: Key, lease: Lease, now: number): Promise<Row | undefined>;
  /** Asks the owner to look once more before it releases the lease. Returns its row and lease; undefined if there is no owner. */
  ask(key: Key, now: number): Promise<(Row & Lease) | undefined>;
  /** Stores the state, and extends the lease to `until`. Returns the count of requests; undefined if the lease was lost. */
  commit(key: Key, lease: Lease, state: State, until: number): Promise<number | undefined>;
  /**
   * Stores the state and releases the lease, unless the count of requests differs from `asks` (undefined: in any case). Returns
   * false if it did not: a request came since, the lease was lost, or an earlier attempt of this very call released it and its
   * answer was lost. `get` tells which, for one more read.
   */
  release(key: Key, lease: Lease, state: State, asks: number | undefined, now: number): Promise<boolean>;
}
