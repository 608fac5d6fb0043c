/**
 * A turn: what is due of an endpoint, as much as fits into a lease, a few at a time.
 * @module
 */
import { DELIVERIES_IN_FLIGHT } from '../../../protocol/limits.ts';
import { isBefore } from '../../../protocol/offset.ts';
import { settleAll } from '../../hub/settle-all.ts';
import { isOnTrial } from '../health.ts';
import { perform, type TaskState } from './attempt.ts';
import type { DeliveryTask, RangeTask } from './delivery-task.ts';
import type { DueDelivery } from './due-delivery.ts';
import { expand, type Work } from './expand-task.ts';
import type { DeliveryPass } from './pass-state.ts';

/** Deliveries of one turn at the most: so many are looked up before the first of them is sent. */
const TASKS_PER_TURN = 100;

/** An endpoint with a rate is waited for within a turn up to so long, in milliseconds; beyond, it is left alone. */
export const LONGEST_PAUSE_MS = 1_000;

const MINUTE_MS = 60_000;
const never = new AbortController().signal;

/**
 * Deals with errands.
 * @param beginUntil nothing is begun after that, by the clock
 * @returns true if nothing of them is left, nor has come of them
 * @throws Refusal unavailable
 */
export async function runDeliveryPass(
  turn: DeliveryPass,
  errands: readonly DeliveryTask[],
  beginUntil: number,
): Promise<boolean> {
  const { clock } = turn.delivering;
  const lean = await apart(turn, errands);
  const works: Work[] = [];
  let room = roomOf(turn, beginUntil - clock());
  // Half of the time is for looking up: a turn in which nothing is begun would be followed by its like, without end.
  const lookUntil = (clock() + beginUntil) / 2;
  for (const errand of lean) {
    if (room <= 0 || (works.length > 0 && clock() > lookUntil)) break;
    const work = await expand(turn, errand, room);
    works.push(work);
    room -= work.tasks.length;
  }
  const tasks = works.flatMap((work) => work.tasks);
  const fates = await performAll(turn, tasks, beginUntil);
  const done = await settleAll(works.map((work) => account(turn, work, fates)));
  return works.length === lean.length && done.every(Boolean) && !turn.hasFailed;
}

/**
 * The errands without what they have in common: hints in a burst leave ranges that overlap, and every message would be looked
 * at, and waited for at the endpoint's rate, once for each. What is cut off here is still in the one that it overlaps.
 */
async function apart(
  { delivering, endpoint }: DeliveryPass,
  errands: readonly DeliveryTask[],
): Promise<readonly DeliveryTask[]> {
  const { deliveries } = delivering;
  const lean: DeliveryTask[] = [];
  for (const errand of errands) {
    const rest = errand.kind === 'range' && errand.run === '' ? withoutAnyOf(errand, lean) : errand;
    if (rest && rest !== errand) await deliveries.leave(endpoint.id, rest);
    if (rest) lean.push(rest);
    else await deliveries.done(endpoint.id, errand);
  }
  return lean;
}

function withoutAnyOf(range: RangeTask, others: readonly DeliveryTask[]): RangeTask | undefined {
  let { from } = range;
  for (const one of others) {
    if (one.kind !== 'range' || one.run !== '' || one.streamId !== range.streamId) continue;
    const isWithin = one.since <= range.since && !isBefore(from, one.from) && isBefore(from, one.to);
    if (isWithin) from = one.to;
  }
  if (!isBefore(from, range.to)) return undefined;
  return from === range.from ? range : { ...range, from };
}

/** No more than can be begun: each errand that is looked up may cost a megabyte of the log. */
function roomOf({ endpoint: { status, rate }, health }: DeliveryPass, ms: number): number {
  if (status !== 'enabled') return TASKS_PER_TURN;
  const most = isOnTrial(health) ? DELIVERIES_IN_FLIGHT : TASKS_PER_TURN;
  return rate === undefined ? most : Math.min(most, Math.ceil((ms * rate) / MINUTE_MS) + 1);
}

/** Removes an errand that is done, or notes how far it has come. True if it is done. */
async function account(
  turn: DeliveryPass,
  work: Work,
  fates: ReadonlyMap<DueDelivery, TaskState>,
): Promise<boolean> {
  const { deliveries, clock } = turn.delivering;
  const { id } = turn.endpoint;
  const { errand, tasks } = work;
  const open = tasks.findIndex((task) => fates.get(task) !== 'settled');
  const rest = work.rest(open === -1 ? undefined : open);
  if (rest && rest !== errand && open !== 0) {
    // To the end of the line: whatever is behind a long one has its turn.
    const behind = { ...rest, due: Math.max(clock(), errand.due + 1) };
    await deliveries.leave(id, behind);
    await deliveries.done(id, errand);
  } else if (!rest) await deliveries.done(id, errand);
  return rest === undefined;
}

/** Those that were not begun have no fate. */
async function performAll(
  turn: DeliveryPass,
  tasks: readonly DueDelivery[],
  beginUntil: number,
): Promise<ReadonlyMap<DueDelivery, TaskState>> {
  const { clock } = turn.delivering;
  const fates = new Map<DueDelivery, TaskState>();
  const running = new Set<Promise<void>>();
  const ids = new Set<string>();
  const failures: unknown[] = [];
  const begin = (task: DueDelivery): void => {
    const work = perform(turn, task)
      .then(
        (fate) => void fates.set(task, fate),
        (error: unknown) => void failures.push(error),
      )
      .finally(() => running.delete(work));
    running.add(work);
  };
  for (const task of tasks) {
    while (running.size >= (isOnTrial(turn.health) ? 1 : DELIVERIES_IN_FLIGHT)) await Promise.race(running);
    if (failures.length > 0 || clock() > beginUntil) break;
    // The same delivery by another errand: that one comes back when this has ended.
    if (ids.has(task.fresh.id) || !(await mayBegin(turn, task))) continue;
    ids.add(task.fresh.id);
    begin(task);
  }
  await Promise.all(running);
  // The first tells enough: what fails here is the store, for all of them.
  if (failures.length > 0) throw failures[0];
  return fates;
}

/** Waits for the rate of the endpoint. False if that is too long, or the endpoint is to be left alone. */
async function mayBegin(turn: DeliveryPass, { isOnce }: DueDelivery): Promise<boolean> {
  const { clock, timer } = turn.delivering;
  const { status, rate } = turn.endpoint;
  if (isOnce || status !== 'enabled') return true;
  const now = clock();
  if (turn.health.restsUntil > now) return false;
  if (rate === undefined) return true;
  const begin = Math.max(now, turn.health.pacedUntil);
  if (begin - now > LONGEST_PAUSE_MS) return false;
  turn.health = { ...turn.health, pacedUntil: begin + MINUTE_MS / rate };
  if (begin > now) await timer.sleep(begin - now, never);
  return turn.health.restsUntil <= clock();
}
