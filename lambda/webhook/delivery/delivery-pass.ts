/**
 * A delivery pass: does the due tasks of an endpoint, as many as fit into a lease.
 * @module
 */
import { DELIVERIES_IN_FLIGHT } from '../../../protocol/limits.ts';
import { isBefore } from '../../../protocol/offset.ts';
import { settleAll } from '../../hub/settle-all.ts';
import { isOnTrial } from '../health.ts';
import { attemptDelivery, type DueState } from './attempt.ts';
import type { DeliveryTask, RangeTask } from './delivery-task.ts';
import type { DueDelivery } from './due-delivery.ts';
import { type ExpandedTask, expandTask } from './expand-task.ts';
import type { DeliveryPass } from './pass-state.ts';

/** Deliveries of one pass at most. They are all looked up before the first of them is sent. */
const DELIVERIES_PER_PASS = 100;

/** The longest wait for an endpoint's rate within a pass, in milliseconds. For a longer wait the pass ends. */
export const LONGEST_PAUSE_MS = 1_000;

const MINUTE_MS = 60_000;
const never = new AbortController().signal;

/**
 * Does tasks of an endpoint. Afterwards each of them is done, or stored with what is left of it.
 * @param beginUntil the last moment at which an attempt may begin, in milliseconds since 1970
 * @returns true if nothing of the tasks is left, and no delivery failed
 * @throws Refusal unavailable
 */
export async function runDeliveryPass(
  pass: DeliveryPass,
  tasks: readonly DeliveryTask[],
  beginUntil: number,
): Promise<boolean> {
  const { clock } = pass.delivering;
  const disjoint = await withoutOverlaps(pass, tasks);
  const expanded: ExpandedTask[] = [];
  let room = roomOf(pass, beginUntil - clock());
  // Half of the time is for looking up. A pass that only looked up would be followed by another one like it, without end.
  const lookUntil = (clock() + beginUntil) / 2;
  for (const task of disjoint) {
    if (room <= 0 || (expanded.length > 0 && clock() > lookUntil)) break;
    const next = await expandTask(pass, task, room);
    expanded.push(next);
    room -= next.batch.length;
  }
  const batch = expanded.flatMap((task) => task.batch);
  const states = await attemptAll(pass, batch, beginUntil);
  const done = await settleAll(expanded.map((task) => storeProgress(pass, task, states)));
  const { deliveries } = pass.delivering;
  const unbegun = disjoint.slice(expanded.length).filter((task) => pass.unstored.has(task));
  await settleAll(unbegun.map((task) => deliveries.putTask(pass.endpoint.id, task)));
  return expanded.length === disjoint.length && done.every(Boolean) && !pass.hasFailed;
}

/**
 * Removes from each range of new messages what an earlier range also has. Hints in a burst leave ranges that overlap.
 * Otherwise a message would be read, and would wait for the endpoint's rate, once for each range.
 */
async function withoutOverlaps(
  { delivering, endpoint, unstored }: DeliveryPass,
  tasks: readonly DeliveryTask[],
): Promise<readonly DeliveryTask[]> {
  const { deliveries } = delivering;
  const disjoint: DeliveryTask[] = [];
  for (const task of tasks) {
    const isStored = !unstored.has(task);
    const rest = task.kind === 'range' && task.run === '' ? restOfRange(task, disjoint) : task;
    if (rest && rest !== task && isStored) await deliveries.putTask(endpoint.id, rest);
    if (rest && !isStored) unstored.add(rest);
    if (rest) disjoint.push(rest);
    else if (isStored) await deliveries.removeTask(endpoint.id, task);
  }
  return disjoint;
}

function restOfRange(range: RangeTask, others: readonly DeliveryTask[]): RangeTask | undefined {
  let { from } = range;
  for (const one of others) {
    if (one.kind !== 'range' || one.run !== '' || one.streamId !== range.streamId) continue;
    const isWithin = one.since <= range.since && !isBefore(from, one.from) && isBefore(from, one.to);
    if (isWithin) from = one.to;
  }
  if (!isBefore(from, range.to)) return undefined;
  return from === range.from ? range : { ...range, from };
}

/**
 * Returns how many deliveries can begin within `ms` milliseconds. No more are looked up, since one look may read a megabyte
 * of the log.
 */
function roomOf({ endpoint: { status, rate }, health }: DeliveryPass, ms: number): number {
  if (status !== 'enabled') return DELIVERIES_PER_PASS;
  const most = isOnTrial(health) ? DELIVERIES_IN_FLIGHT : DELIVERIES_PER_PASS;
  return rate === undefined ? most : Math.min(most, Math.ceil((ms * rate) / MINUTE_MS) + 1);
}

/** Removes a task that is done, or stores what is left of it. Returns true if it is done. */
async function storeProgress(
  pass: DeliveryPass,
  { task, batch, restFrom }: ExpandedTask,
  states: ReadonlyMap<DueDelivery, DueState>,
): Promise<boolean> {
  const { deliveries, clock } = pass.delivering;
  const { id } = pass.endpoint;
  const isStored = !pass.unstored.has(task);
  const open = batch.findIndex((due) => states.get(due) !== 'settled');
  const rest = restFrom(open === -1 ? undefined : open);
  const isBegun = rest && rest !== task && open !== 0;
  // The rest goes behind the other tasks, so that a long task does not hold them up.
  if (isBegun) await deliveries.putTask(id, { ...rest, due: Math.max(clock(), task.due + 1) });
  else if (rest && !isStored) await deliveries.putTask(id, task);
  if (isStored && (isBegun || !rest)) await deliveries.removeTask(id, task);
  return rest === undefined;
}

/** Attempts the deliveries, several at a time. A delivery that did not begin is not in the result. */
async function attemptAll(
  pass: DeliveryPass,
  batch: readonly DueDelivery[],
  beginUntil: number,
): Promise<ReadonlyMap<DueDelivery, DueState>> {
  const { clock } = pass.delivering;
  const states = new Map<DueDelivery, DueState>();
  const running = new Set<Promise<void>>();
  const ids = new Set<string>();
  const failures: unknown[] = [];
  const begin = (due: DueDelivery): void => {
    const attempt = attemptDelivery(pass, due)
      .then(
        (state) => void states.set(due, state),
        (error: unknown) => void failures.push(error),
      )
      .finally(() => running.delete(attempt));
    running.add(attempt);
  };
  for (const due of batch) {
    while (running.size >= (isOnTrial(pass.health) ? 1 : DELIVERIES_IN_FLIGHT)) await Promise.race(running);
    if (failures.length > 0 || clock() > beginUntil) break;
    // Two tasks may ask for the same delivery. The second task comes back after this attempt.
    if (ids.has(due.fresh.id) || !(await mayBegin(pass, due))) continue;
    ids.add(due.fresh.id);
    begin(due);
  }
  await Promise.all(running);
  // The first error is enough: it comes from the store, and concerns all of them.
  if (failures.length > 0) throw failures[0];
  return states;
}

/**
 * Waits for the endpoint's rate. Returns false if that takes too long, or if nothing may be sent to the endpoint now.
 */
async function mayBegin(pass: DeliveryPass, { isOnce }: DueDelivery): Promise<boolean> {
  const { clock, timer } = pass.delivering;
  const { status, rate } = pass.endpoint;
  if (isOnce || status !== 'enabled') return true;
  const now = clock();
  if (pass.health.backoffUntil > now) return false;
  if (rate === undefined) return true;
  const begin = Math.max(now, pass.health.nextStartAt);
  if (begin - now > LONGEST_PAUSE_MS) return false;
  pass.health = { ...pass.health, nextStartAt: begin + MINUTE_MS / rate };
  if (begin > now) await timer.sleep(begin - now, never);
  return pass.health.backoffUntil <= clock();
}
