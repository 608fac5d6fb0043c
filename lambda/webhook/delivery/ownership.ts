/**
 * The ownership of an endpoint: how a wake takes the lease, and what becomes of the wake when the lease is released.
 *
 * A wake may carry tasks that are not stored. Then it is only deleted when each of them is done or stored. If something is left
 * to do later, a new wake without tasks takes its place: a postponed wake would bring the tasks again when they are done. The
 * new wake has the same id, by which the stored state counts on it.
 * @module
 */
import { DELIVERY_TIMEOUT_MS } from '../../../protocol/limits.ts';
import { isBusy } from '../../hub/defects.ts';
import type { Lease } from '../../hub/lease.ts';
import { settleAll, settleBoth } from '../../hub/settle-all.ts';
import type { Delivering, ReadAhead } from '../webhook-ports.ts';
import type { EndpointState } from '../webhook-stores.ts';
import type { RangeTask } from './delivery-task.ts';
import { slotsAhead } from './expand-task.ts';
import type { CarriedTasks } from './pass-state.ts';

/** The wake that started the owner: a message of the queue, which can be postponed and then comes again. */
export interface WakeMessage {
  /** The id of the wake. Copies of a message have the same one, and so has the wake that takes the place of another one. */
  readonly id: string;
  /** True if it was postponed so often that a new wake must replace it: a queue deletes a message after some days. */
  readonly isOld: boolean;
  /** Tasks that came in it. They may be done or stored already if the message comes again. */
  readonly tasks: readonly RangeTask[];
}

/**
 * What happens to the wake: it is deleted (`done`), it comes again (`later`), or a new wake without tasks replaces it (`renew`).
 * `at` is in milliseconds since 1970. `id` is the id of the new wake; undefined if nothing counts on it.
 */
export type WakeOutcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'later'; readonly at: number }
  | { readonly kind: 'renew'; readonly at: number; readonly id: string | undefined };

/** Attempts begin in the first part of a delivery pass. The rest is time for the last one to end. In milliseconds. */
export const BEGIN_MS = 5_000;
const MARGIN_MS = 5_000;

/** The length of a lease and of a delivery pass, in milliseconds. No attempt outlives the lease in which it began. */
export const LEASE_MS = BEGIN_MS + DELIVERY_TIMEOUT_MS + MARGIN_MS;

/** The pause after a store was busy, in milliseconds. */
const BUSY_MS = 5_000;

/**
 * Attempts to take the lease. Each further one is needed only if the owner released the lease between the attempt and the
 * request to it.
 */
const MAX_ATTEMPTS = 5;

/** The wake has nothing left to do. */
export const DONE: WakeOutcome = { kind: 'done' };

/** A lease that this process holds, and the state that the previous owner left. */
export interface EndpointOwnership {
  /** Id of the endpoint. */
  readonly endpoint: string;
  /** The wake that started this process. */
  readonly wake: WakeMessage;
  /** What the next owner gets when the lease is released. */
  state: EndpointState;
  /** How many requests to the owner the row had when the lease was taken or renewed. */
  asks: number;
  /** The lease. */
  lease: Lease;
  /**
   * The end of the lease if the last renewal was carried out, even if its answer was lost. In milliseconds since 1970.
   */
  renewedUntil: number;
  /** The tasks of the wake, until they are done or stored. */
  carried: CarriedTasks | undefined;
  /** True if no task in the table can be without a wake. Then an owner need not look at the table to do the tasks of its wake. */
  isCovered: boolean;
}

/** Takes the lease. Returns what happens to the wake if there is another owner. @throws Refusal unavailable */
export async function takeLease(
  delivering: Delivering,
  endpoint: string,
  wake: WakeMessage,
): Promise<EndpointOwnership | WakeOutcome> {
  const { leases, deliveries, clock, newId } = delivering;
  const owner = ownerOf(wake, newId());
  let { tasks } = wake;
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const now = clock();
    const lease = { owner, until: now + LEASE_MS };
    const [taken, ahead] = await settleBoth(
      leases.take(endpoint, lease, now),
      readAhead(delivering, endpoint, tasks),
    );
    if (taken) {
      const { asks, isUnclean, ...state } = taken;
      const carried = tasks.length > 0 ? { tasks, ahead } : undefined;
      const isCovered = !isUnclean && !isOverdue(state, wake, now);
      return { endpoint, wake, state, asks, lease, renewedUntil: lease.until, carried, isCovered };
    }
    // Stored before the owner is asked, so that it finds them. If there is no owner any more, they are in the table.
    await settleAll(tasks.map((task) => deliveries.putTask(endpoint, task)));
    tasks = [];
    const held = await leases.ask(endpoint, now);
    // The owner serves this message by another copy, or it counts on this wake, which came early. Without this wake
    // the endpoint would then be forgotten.
    if (held && (held.owner.startsWith(ownerOf(wake, '')) || held.wakeBy === wake.id))
      return comesAt(wake, held.until);
    if (held) return DONE;
  }
  throw new Error('the lease of an endpoint changed hands all the time');
}

/** Returns the name of an owner. It begins with the wake, so that a copy of the wake is recognized. */
const ownerOf = (wake: WakeMessage, id: string): string => `${wake.id} ${id}`;

/**
 * Returns true if the stored state counts on a wake that should have come: on this one, or on another one that is late. Then the
 * table may have tasks that are due.
 */
const isOverdue = ({ wakeAt, wakeBy }: EndpointState, wake: WakeMessage, now: number): boolean =>
  wakeBy === wake.id || (wakeAt !== 0 && wakeAt <= now);

/** Reads what the tasks need, while the lease is taken. Without it the tasks are stored, and done from there. */
async function readAhead(
  delivering: Delivering,
  endpoint: string,
  tasks: readonly RangeTask[],
): Promise<ReadAhead | undefined> {
  if (tasks.length === 0) return undefined;
  const places = tasks.flatMap((task) => slotsAhead(task).map((slot) => ({ streamId: task.streamId, slot })));
  try {
    return await delivering.readAhead(endpoint, [...new Set(tasks.map(({ channel }) => channel))], places);
  } catch (error) {
    if (isBusy(error)) return undefined;
    throw error;
  }
}

/** Returns what happens to a wake whose tasks are stored, and on which the stored state counts. */
const comesAt = ({ id, tasks }: WakeMessage, at: number): WakeOutcome =>
  tasks.length > 0 ? { kind: 'renew', at, id } : { kind: 'later', at };

/** Stores the tasks of the wake. */
export async function storeCarried({ deliveries }: Delivering, own: EndpointOwnership): Promise<void> {
  await settleAll((own.carried?.tasks ?? []).map((task) => deliveries.putTask(own.endpoint, task)));
  own.carried = undefined;
}

/**
 * Releases the lease. Returns what happens to the wake; undefined if the lease stays because a request came meanwhile.
 * @param next when the next task can be done, in milliseconds since 1970
 * @param isForced true to release in spite of requests: the wake comes back at once
 */
export async function letGo(
  { leases, clock }: Delivering,
  own: EndpointOwnership,
  next: number | undefined,
  isForced: boolean,
): Promise<WakeOutcome | undefined> {
  const now = clock();
  const { wake, state } = own;
  // Another wake is postponed and comes in time. If the postponed wake is this one, it came early or after a crash, and
  // must be postponed again.
  const hasOtherWake = state.wakeAt > now && state.wakeBy !== wake.id;
  const isNeeded = next !== undefined && !(hasOtherWake && state.wakeAt <= next);
  // A wake that comes back at once is not stored: a new owner looks at the tasks in any case, or that wake does.
  const postponed = isNeeded && next > now && !wake.isOld ? { wakeAt: next, wakeBy: wake.id } : {};
  const remaining = hasOtherWake ? {} : { wakeAt: 0, wakeBy: '' };
  const after = { ...state, ...remaining, ...postponed };
  const isReleased = await leases.release(
    own.endpoint,
    own.lease,
    after,
    isForced ? undefined : own.asks,
    now,
  );
  const holder = isReleased ? undefined : await leases.get(own.endpoint);
  // Without an owner, an earlier attempt of this release was carried out. The stored state then counts on this wake, so the
  // wake must be postponed as the state says, or the endpoint would be forgotten.
  if (holder?.owner !== undefined) return isSame(holder, own.lease) ? undefined : DONE;
  if (!isNeeded) return DONE;
  return wake.isOld ? { kind: 'renew', at: next, id: undefined } : comesAt(wake, next);
}

const isSame = (one: Partial<Lease>, { owner, until }: Lease): boolean =>
  one.owner === owner && one.until === until;

/**
 * Releases the lease for a moment after a store was busy. The wake comes back even if that could not be stored. It comes with its
 * tasks if it still carries some.
 */
export async function retreat({ leases, clock }: Delivering, own: EndpointOwnership): Promise<WakeOutcome> {
  const at = clock() + BUSY_MS;
  const { isOld, id } = own.wake;
  const state = { ...own.state, ...(isOld ? { wakeAt: 0, wakeBy: '' } : { wakeAt: at, wakeBy: id }) };
  const outcomeAt = (time: number): WakeOutcome => {
    if (own.carried) return { kind: 'later', at: time };
    return isOld ? { kind: 'renew', at: time, id: undefined } : comesAt(own.wake, time);
  };
  const release = async (until: number) =>
    await leases.release(own.endpoint, { ...own.lease, until }, state, undefined, clock());
  try {
    if (!(await release(own.lease.until))) await release(own.renewedUntil);
    return outcomeAt(at);
  } catch {
    return outcomeAt(own.renewedUntil);
  }
}

/** Returns what happens to a wake that found a busy store. It has stored nothing, so it comes again as it is. */
export const comesAgain = ({ clock }: Pick<Delivering, 'clock'>): WakeOutcome => ({
  kind: 'later',
  at: clock() + BUSY_MS,
});
