/**
 * Serves an endpoint: its owner, which holds the lease, does the due tasks (PROTOCOL.md §13.4).
 *
 * One endpoint therefore uses a small share of the hub: at most ten requests under way and a few messages in the queue. An
 * endpoint that never answers does not hold up others, since its backlog stays in the log as a range. A process that leaves
 * a task asks the owner to look once more, or sends a wake if there is no owner.
 * @module
 */
import { patternsOf } from '../../../protocol/channel-name.ts';
import { Refusal } from '../../../protocol/errors.ts';
import { DELIVERY_TIMEOUT_MS } from '../../../protocol/limits.ts';
import type { Lease } from '../../hub/lease.ts';
import { settleAll } from '../../hub/settle-all.ts';
import type { Endpoint } from '../endpoint.ts';
import { healthSince } from '../health.ts';
import type { Delivering } from '../webhook-ports.ts';
import type { EndpointState } from '../webhook-stores.ts';
import { LONGEST_PAUSE_MS, runDeliveryPass } from './delivery-pass.ts';
import { type DeliveryTask, isAwaited } from './delivery-task.ts';
import { beginPass } from './pass-state.ts';

/** The wake that started the owner: a message of the queue, which can be postponed and then comes again. */
export interface WakeMessage {
  /** The message id of SQS. Copies of a message have the same one. */
  readonly id: string;
  /** True if it was postponed so often that a new wake must replace it: a queue deletes a message after some days. */
  readonly isOld: boolean;
}

/**
 * What happens to the wake: it is deleted (`done`), it comes again (`later`), or a new wake replaces it (`renew`). `at` is
 * in milliseconds since 1970.
 */
export type WakeOutcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'later'; readonly at: number }
  | { readonly kind: 'renew'; readonly at: number };

/** Attempts begin in the first part of a delivery pass. The rest is time for the last one to end. In milliseconds. */
const BEGIN_MS = 5_000;
const MARGIN_MS = 5_000;

/** The length of a lease and of a delivery pass, in milliseconds. No attempt outlives the lease in which it began. */
export const LEASE_MS = BEGIN_MS + DELIVERY_TIMEOUT_MS + MARGIN_MS;

/** Tasks that are read at a time. */
const TASKS_PER_PASS = 50;

/** The pause after a store was busy, in milliseconds. */
const BUSY_MS = 5_000;

/**
 * Attempts to take the lease. Each further one is needed only if the owner released the lease between the attempt and the
 * request to it.
 */
const MAX_ATTEMPTS = 5;

/** The pause before the next look at an endpoint that had no task to do, in milliseconds. */
const ASKED_AGAIN_MS = 250;

const DONE: WakeOutcome = { kind: 'done' };
const never = new AbortController().signal;

/** A lease that this process holds, and the state that the previous owner left. */
interface Ownership {
  readonly endpoint: string;
  readonly wake: WakeMessage;
  state: EndpointState;
  asks: number;
  lease: Lease;
  /**
   * The end of the lease if the last renewal was carried out, even if its answer was lost. In milliseconds since 1970.
   */
  renewedUntil: number;
}

/** The tasks that can be done now. */
interface DueTasks {
  readonly ready: readonly DeliveryTask[];
  /** True if more tasks are due than were read. */
  readonly isMore: boolean;
  /** When the next task can be done, in milliseconds since 1970; undefined if none is known. */
  readonly next: number | undefined;
}

/**
 * Does the due tasks of an endpoint. Ends when they are done, when another owner serves the endpoint, or when the time is
 * over.
 * @param until the last moment at which a delivery pass may begin, in milliseconds since 1970
 * @throws Error for a defect. A busy store only postpones the wake
 */
export async function serveEndpoint(
  delivering: Delivering,
  endpoint: string,
  wake: WakeMessage,
  until: number,
): Promise<WakeOutcome> {
  const own = await takeLease(delivering, endpoint, wake);
  if ('kind' in own) return own;
  try {
    return await serve(delivering, own, until);
  } catch (error) {
    if (!(error instanceof Refusal && error.code === 'unavailable')) throw error;
    return await retreat(delivering, own);
  }
}

async function takeLease(
  { leases, clock, newId }: Delivering,
  endpoint: string,
  wake: WakeMessage,
): Promise<Ownership | WakeOutcome> {
  const owner = ownerOf(wake, newId());
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const now = clock();
    const lease = { owner, until: now + LEASE_MS };
    const taken = await leases.take(endpoint, lease, now);
    if (taken) {
      const { asks, ...state } = taken;
      return { endpoint, wake, state, asks, lease, renewedUntil: lease.until };
    }
    const held = await leases.ask(endpoint, now);
    // The owner serves this message by another copy, or it counts on this wake, which came early. Without this wake
    // the endpoint would then be forgotten.
    if (held && (held.owner.startsWith(ownerOf(wake, '')) || held.wakeBy === wake.id))
      return { kind: 'later', at: held.until };
    if (held) return DONE;
  }
  throw new Error('the lease of an endpoint changed hands all the time');
}

/** Returns the name of an owner. It begins with the wake, so that a copy of the wake is recognized. */
const ownerOf = (wake: WakeMessage, id: string): string => `${wake.id} ${id}`;

async function serve(delivering: Delivering, own: Ownership, overAt: number): Promise<WakeOutcome> {
  const { endpoints, leases, clock, timer } = delivering;
  for (;;) {
    const endpoint = await endpoints.get(own.endpoint);
    if (endpoint) own.state = { ...own.state, health: healthSince(own.state.health, endpoint.enabledAt) };
    const due = await dueTasksOf(delivering, own, endpoint);
    const { ready, isMore } = due;
    const isAllDone = ready.length > 0 && (await doTasks(delivering, own, endpoint, ready));
    const isOver = clock() >= overAt;
    const isLeft = ready.length > 0 || isMore;
    // When all due tasks succeeded, the lease is released without another look: a new task has counted a request.
    const isClean = isAllDone && !isMore;
    if (isOver || isClean || ready.length === 0) {
      const isCut = isOver && isLeft;
      const outcome = await letGo(delivering, own, isCut ? clock() : due.next, isCut);
      if (outcome) return outcome;
      // A request came meanwhile. If the time is over, the wake comes back at once.
      if (isOver) return (await letGo(delivering, own, clock(), true)) ?? DONE;
      // During a backoff most requests are for tasks that must wait. The pause avoids one look for each of them.
      if (ready.length === 0) await timer.sleep(ASKED_AGAIN_MS, never);
    }
    // Each renewal ends later than the one before, so that a late write of an earlier renewal is recognized.
    const until = Math.max(clock() + LEASE_MS, own.lease.until + 1);
    own.renewedUntil = until;
    const asks = await leases.commit(own.endpoint, own.lease, own.state, until);
    if (asks === undefined) return DONE;
    own.lease = { ...own.lease, until };
    own.asks = asks;
  }
}

async function dueTasksOf(
  { deliveries, clock }: Delivering,
  { endpoint: id, state: { health } }: Ownership,
  endpoint: Endpoint | undefined,
): Promise<DueTasks> {
  const now = clock();
  const { tasks, next } = await deliveries.dueTasks(id, now, TASKS_PER_PASS);
  const isMore = tasks.length === TASKS_PER_PASS;
  const pausedUntil = Math.max(
    health.backoffUntil,
    health.nextStartAt - now > LONGEST_PAUSE_MS ? health.nextStartAt : 0,
  );
  // Tasks of an endpoint that was removed or is not enabled send nothing, so there is no reason to pause.
  if (pausedUntil <= now || endpoint?.status !== 'enabled') return { ready: tasks, isMore, next };
  const ready = tasks.filter(isAwaited);
  const isLeft = tasks.length > ready.length;
  return {
    ready,
    // Tasks that a person waits for come first. If they fill the page, there may be more of them.
    isMore: isMore && !isLeft,
    next: isLeft || next !== undefined ? Math.max(pausedUntil, isLeft ? 0 : (next ?? 0)) : undefined,
  };
}

/** Returns the patterns by which an endpoint that was removed may still be registered: those of its range tasks. */
const orphanPatterns = (tasks: readonly DeliveryTask[]): readonly string[] => [
  ...new Set(tasks.flatMap((task) => (task.kind === 'range' ? patternsOf(task.channel) : []))),
];

/** Does the tasks. Returns true if nothing of them is left. */
async function doTasks(
  delivering: Delivering,
  own: Ownership,
  endpoint: Endpoint | undefined,
  tasks: readonly DeliveryTask[],
): Promise<boolean> {
  const { deliveries, endpoints, sealer, clock } = delivering;
  // A change that a crash interrupted may have left a registration that the row did not name when it was removed.
  if (!endpoint)
    await settleAll(
      orphanPatterns(tasks).map((pattern) => endpoints.unlisten(own.endpoint, pattern, clock())),
    );
  // An endpoint that has not agreed yet receives no messages, and one that was removed receives nothing.
  const isFor = (task: DeliveryTask): boolean =>
    endpoint !== undefined && (endpoint.status !== 'pending' || task.kind !== 'range');
  for (const task of tasks) if (!isFor(task)) await deliveries.removeTask(own.endpoint, task);
  const valid = tasks.filter(isFor);
  if (!endpoint || valid.length === 0) return true;
  const secrets = await sealer.open(endpoint.id, endpoint.sealed);
  const pass = beginPass(delivering, own.lease.owner, endpoint, secrets, own.state.health);
  const isAllDone = await runDeliveryPass(pass, valid, own.lease.until - LEASE_MS + BEGIN_MS);
  own.state = { ...own.state, health: pass.health };
  return isAllDone;
}

/**
 * Releases the lease. Returns what happens to the wake; undefined if the lease stays because a request came meanwhile.
 * @param next when the next task can be done, in milliseconds since 1970
 * @param isForced true to release in spite of requests: the wake comes back at once
 */
async function letGo(
  { leases, clock }: Delivering,
  own: Ownership,
  next: number | undefined,
  isForced: boolean,
): Promise<WakeOutcome | undefined> {
  const now = clock();
  const { wake, state } = own;
  // Another wake is postponed and comes in time. If the postponed wake is this one, it came early or after a crash, and
  // must be postponed again.
  const hasOtherWake = state.wakeAt > now && state.wakeBy !== wake.id;
  const isNeeded = next !== undefined && !(hasOtherWake && state.wakeAt <= next);
  // A wake that comes back at once is not stored: a new owner looks at the tasks in any case.
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
  return isNeeded ? { kind: wake.isOld ? 'renew' : 'later', at: next } : DONE;
}

const isSame = (one: Partial<Lease>, { owner, until }: Lease): boolean =>
  one.owner === owner && one.until === until;

/**
 * Leaves a task that tries a dead letter again from the beginning of the retry schedule, if the delivery is still `failed`.
 * @throws Refusal unavailable
 */
export async function redrive(
  { deliveries, clock }: Pick<Delivering, 'deliveries' | 'clock'>,
  endpoint: string,
  delivery: string,
  wake: WakeMessage,
): Promise<WakeOutcome> {
  const due = clock();
  await deliveries.putTask(endpoint, { kind: 'redrive', id: wake.id, due, delivery });
  // A new wake replaces this message, which would redrive the dead letter once more when it came again.
  return { kind: 'renew', at: due };
}

/** Releases the lease for a moment after a store was busy. The wake comes back even if that could not be stored. */
async function retreat({ leases, clock }: Delivering, own: Ownership): Promise<WakeOutcome> {
  const at = clock() + BUSY_MS;
  const { isOld, id } = own.wake;
  const state = { ...own.state, ...(isOld ? { wakeAt: 0, wakeBy: '' } : { wakeAt: at, wakeBy: id }) };
  const release = async (until: number) =>
    await leases.release(own.endpoint, { ...own.lease, until }, state, undefined, clock());
  try {
    if (!(await release(own.lease.until))) await release(own.renewedUntil);
    return { kind: isOld ? 'renew' : 'later', at };
  } catch {
    return { kind: isOld ? 'renew' : 'later', at: own.renewedUntil };
  }
}
