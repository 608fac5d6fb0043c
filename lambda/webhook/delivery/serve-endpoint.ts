/**
 * Serves an endpoint: its owner, which holds the lease, does the due tasks (PROTOCOL.md §13.4).
 *
 * One endpoint therefore uses a small share of the hub: at most ten requests under way and a few messages in the queue. An
 * endpoint that never answers does not hold up others, since its backlog stays in the log as a range. A process that leaves
 * a task asks the owner to look once more, or sends a wake if there is no owner.
 * @module
 */
import { patternsOf } from '../../../protocol/channel-name.ts';
import { isBusy } from '../../hub/defects.ts';
import { settleAll, settleBoth } from '../../hub/settle-all.ts';
import type { Endpoint } from '../endpoint.ts';
import { healthSince } from '../health.ts';
import type { Delivering } from '../webhook-ports.ts';
import { LONGEST_PAUSE_MS, runDeliveryPass } from './delivery-pass.ts';
import { type DeliveryTask, isAwaited } from './delivery-task.ts';
import {
  BEGIN_MS,
  comesAgain,
  DONE,
  type EndpointOwnership,
  LEASE_MS,
  letGo,
  retreat,
  storeCarried,
  takeLease,
  type WakeMessage,
  type WakeOutcome,
} from './ownership.ts';
import { beginPass } from './pass-state.ts';

/** Tasks that are read at a time. */
const TASKS_PER_PASS = 50;

/** The pause before the next look at an endpoint that had no task to do, in milliseconds. */
const ASKED_AGAIN_MS = 250;

const never = new AbortController().signal;

/** The endpoint, and its tasks that can be done now. */
interface Look {
  /** Undefined if there is none. */
  readonly endpoint: Endpoint | undefined;
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
  let own: EndpointOwnership | undefined;
  try {
    const taken = await takeLease(delivering, endpoint, wake);
    if ('kind' in taken) return taken;
    own = taken;
    return await serve(delivering, own, until);
  } catch (error) {
    if (!isBusy(error)) throw error;
    return own ? await retreat(delivering, own) : comesAgain(delivering);
  }
}

async function serve(delivering: Delivering, own: EndpointOwnership, overAt: number): Promise<WakeOutcome> {
  const { leases, clock, timer } = delivering;
  for (;;) {
    const { endpoint, ready, isMore, next } = own.isCovered
      ? await lookAtCarried(delivering, own)
      : await lookAtAll(delivering, own);
    const isAllDone = ready.length > 0 && (await doTasks(delivering, own, endpoint, ready));
    const isOver = clock() >= overAt;
    const isLeft = ready.length > 0 || isMore;
    // When all due tasks succeeded, the lease is released without another look: a new task has counted a request.
    const isClean = isAllDone && !isMore;
    if (isOver || isClean || ready.length === 0) {
      const isCut = isOver && isLeft;
      const outcome = await letGo(delivering, own, isCut ? clock() : next, isCut);
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
    own.isCovered = false;
  }
}

/**
 * Looks only at the tasks that came in the wake. What else is in the table has a wake of its own, because the previous owner
 * released its lease, and a later task counts a request.
 */
async function lookAtCarried(delivering: Delivering, own: EndpointOwnership): Promise<Look> {
  const { tasks, ahead } = own.carried ?? {};
  if (!tasks || !ahead) return await lookAtAll(delivering, own);
  const { endpoint } = ahead;
  const pausedUntil = pauseOf(own, endpoint, delivering.clock());
  if (pausedUntil === undefined) return { endpoint, ready: tasks, isMore: false, next: undefined };
  await storeCarried(delivering, own);
  return { endpoint, ready: [], isMore: false, next: pausedUntil };
}

/** Looks at the endpoint, and at its tasks in the table. Those of the wake are stored first. */
async function lookAtAll(delivering: Delivering, own: EndpointOwnership): Promise<Look> {
  const { endpoints, deliveries, clock } = delivering;
  await storeCarried(delivering, own);
  const now = clock();
  const [endpoint, { tasks, next }] = await settleBoth(
    endpoints.get(own.endpoint),
    deliveries.dueTasks(own.endpoint, now, TASKS_PER_PASS),
  );
  const isMore = tasks.length === TASKS_PER_PASS;
  const pausedUntil = pauseOf(own, endpoint, now);
  if (pausedUntil === undefined) return { endpoint, ready: tasks, isMore, next };
  const ready = tasks.filter(isAwaited);
  const isLeft = tasks.length > ready.length;
  return {
    endpoint,
    ready,
    // Tasks that a person waits for come first. If they fill the page, there may be more of them.
    isMore: isMore && !isLeft,
    next: isLeft || next !== undefined ? Math.max(pausedUntil, isLeft ? 0 : (next ?? 0)) : undefined,
  };
}

/**
 * Forgets failures from before the endpoint was enabled. Returns until when nothing may be sent to it, in milliseconds since 1970;
 * undefined if something may. Tasks of an endpoint that was removed or is not enabled send nothing, so they need no pause.
 */
function pauseOf(own: EndpointOwnership, endpoint: Endpoint | undefined, now: number): number | undefined {
  if (endpoint) own.state = { ...own.state, health: healthSince(own.state.health, endpoint.enabledAt) };
  const { backoffUntil, nextStartAt } = own.state.health;
  const until = Math.max(backoffUntil, nextStartAt - now > LONGEST_PAUSE_MS ? nextStartAt : 0);
  return until > now && endpoint?.status === 'enabled' ? until : undefined;
}

/** Returns the patterns by which an endpoint that was removed may still be registered: those of its range tasks. */
const orphanPatterns = (tasks: readonly DeliveryTask[]): readonly string[] => [
  ...new Set(tasks.flatMap((task) => (task.kind === 'range' ? patternsOf(task.channel) : []))),
];

/** Does the tasks: those of the wake, or those of the table. Returns true if nothing of them is left. */
async function doTasks(
  delivering: Delivering,
  own: EndpointOwnership,
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
  const { carried } = own;
  for (const task of tasks) if (!isFor(task) && !carried) await deliveries.removeTask(own.endpoint, task);
  const valid = tasks.filter(isFor);
  let isAllDone = true;
  if (endpoint && valid.length > 0) {
    const secrets = await sealer.open(endpoint.id, endpoint.sealed);
    const pass = beginPass(delivering, own.lease.owner, endpoint, secrets, own.state.health, carried);
    isAllDone = await runDeliveryPass(pass, valid, own.lease.until - LEASE_MS + BEGIN_MS);
    own.state = { ...own.state, health: pass.health };
  }
  own.carried = undefined;
  return isAllDone;
}

/**
 * Leaves a task that tries a dead letter again from the beginning of the retry schedule, if the delivery is still `failed`.
 * @throws Refusal unavailable
 */
export async function redrive(
  { deliveries, clock }: Pick<Delivering, 'deliveries' | 'clock'>,
  endpoint: string,
  delivery: string,
  { id }: Pick<WakeMessage, 'id'>,
): Promise<WakeOutcome> {
  const due = clock();
  await deliveries.putTask(endpoint, { kind: 'redrive', id, due, delivery });
  // A new wake replaces this message, which would redrive the dead letter once more when it came again.
  return { kind: 'renew', at: due, id: undefined };
}
