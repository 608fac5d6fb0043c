/**
 * The environments of a stack: selects the one that runs an invocation, and starts and ends environments.
 *
 * To load a function takes a tenth of a second of CPU time. Lambda starts an environment for each request of a burst. On one
 * machine each start delays the running invocations, so more of them wait, and more environments start. Therefore only a few
 * environments start at a time, and an invocation first waits, as long as a start takes, for a loaded one to become free.
 * @module
 */

import type { FunctionPlan } from '../template/plan.ts';
import type { End, Environment, Invocation } from './environment.ts';
import { createSemaphore, type Semaphore } from './semaphore.ts';

/** Limits of a fleet, and the way to start an environment. */
export interface FleetOptions {
  /** The functions that may be invoked. */
  readonly functions: readonly FunctionPlan[];
  /** Requests that one environment serves at the same time, at most. */
  readonly concurrency: number;
  /** Environments of all functions together, at most. */
  readonly maxEnvironments: number;
  /** Environments that load their function at the same time, at most. */
  readonly maxStarting: number;
  /** Returns true if another environment of the function, which has that many, can make the others wait less. */
  readonly helps: (plan: FunctionPlan, members: number) => boolean;
  /** Starts an environment of the function. */
  readonly start: (plan: FunctionPlan) => Environment;
}

/** The environments of all functions. */
export interface Fleet {
  /** Gives the invocation to an environment of the function, now or as soon as one is free. */
  take(plan: FunctionPlan, invocation: Invocation): void;
  /** Must be called when the environment has finished an invocation. */
  freed(environment: Environment): void;
  /** Must be called when the process has ended. Other environments run the invocations that it has not received. */
  gone(environment: Environment, end: End): void;
  /** Throttles all waiting and all later invocations. */
  close(): void;
}

/** An environment that has loaded its function. */
interface Member {
  readonly environment: Environment;
  /** Time of its last start or end of an invocation, by performance.now(). */
  usedAt: number;
}

/** The environments of one function. */
interface Pool {
  readonly plan: FunctionPlan;
  /** The most recently used one is the last. */
  members: Member[];
  /** Number of environments that are loading the function. */
  starting: number;
  /** True while the pool waits for `starts`, so that it asks for one start at a time. */
  isAsking: boolean;
  /** The invocation that has waited longest is the first. */
  waiting: Waiting[];
}

interface Waiting {
  readonly invocation: Invocation;
  /** Time at which it began to wait, by performance.now(). */
  readonly since: number;
}

interface State {
  readonly options: FleetOptions;
  readonly pools: ReadonlyMap<FunctionPlan, Pool>;
  /** Bounds the environments that start at the same time. */
  readonly starts: Semaphore;
  /** End of the pause after a start, by performance.now(). */
  pauseUntil: number;
  isClosed: boolean;
}

/** Time until an idle environment ends. On Lambda it is some minutes, too; AWS does not document it. */
const IDLE_MS = 5 * 60 * 1_000;
const END_IDLE_EVERY_MS = 30_000;
const START_OVERDUE_EVERY_MS = 50;

/** Duration of a start on a busy machine in milliseconds, roughly. An invocation that has waited for longer is overdue. */
export const START_MS = 250;

/** Pause after a start, as a multiple of its duration, so that starts leave CPU time for the invocations. */
const PAUSE_FACTOR = 2;

/**
 * Environments to start ahead of demand when invocations are overdue, because more will follow. Lambda does so at times:
 * https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
 */
const AHEAD = 1;

/** Returns a fleet without any environment. It starts them on demand. */
export function createFleet(options: FleetOptions): Fleet {
  const pools = new Map(options.functions.map((plan) => [plan, createPool(plan)]));
  const state: State = {
    options,
    pools,
    starts: createSemaphore(options.maxStarting),
    pauseUntil: 0,
    isClosed: false,
  };
  const timers = [
    setInterval(() => endIdle(state), END_IDLE_EVERY_MS).unref(),
    setInterval(() => startAll(state), START_OVERDUE_EVERY_MS).unref(),
  ];
  return {
    take: (plan, invocation) => take(state, poolOf(state, plan), invocation),
    freed(environment) {
      const pool = poolOf(state, environment.plan);
      markUsed(pool, environment);
      giveWaiting(pool);
      startAll(state);
    },
    gone(environment, { unstarted, whyNotReady }) {
      const pool = poolOf(state, environment.plan);
      pool.members = pool.members.filter((member) => member.environment !== environment);
      if (state.isClosed) unstarted.forEach(throttle);
      else pool.waiting = [...unstarted.map(waitingFromNow), ...pool.waiting];
      // The next environment would not get ready either. So the invocations that this one would have taken fail.
      if (whyNotReady !== undefined) {
        for (const { invocation } of pool.waiting.splice(0, options.concurrency)) {
          invocation.settle(whyNotReady(invocation.id));
          invocation.release();
        }
      }
      startAll(state);
    },
    close() {
      state.isClosed = true;
      for (const timer of timers) clearInterval(timer);
      for (const { waiting } of pools.values())
        for (const { invocation } of waiting.splice(0)) throttle(invocation);
    },
  };
}

function createPool(plan: FunctionPlan): Pool {
  return { plan, members: [], starting: 0, isAsking: false, waiting: [] };
}

function poolOf({ pools }: State, plan: FunctionPlan): Pool {
  const pool = pools.get(plan);
  if (pool === undefined) throw new Error(`the fleet has no function ${plan.path}`);
  return pool;
}

function take(state: State, pool: Pool, invocation: Invocation): void {
  if (state.isClosed) {
    throttle(invocation);
    return;
  }
  pool.waiting.push(waitingFromNow(invocation));
  giveWaiting(pool);
  startWanted(state, pool);
}

function waitingFromNow(invocation: Invocation): Waiting {
  return { invocation, since: performance.now() };
}

/** Gives waiting invocations to free environments. */
function giveWaiting(pool: Pool): void {
  while (pool.waiting.length > 0) {
    // The most recently used one, so that the others stay idle until they end.
    const free = pool.members.findLast(({ environment }) => environment.accepts());
    const first = free && pool.waiting.shift();
    if (free === undefined || first === undefined) return;
    markUsed(pool, free.environment);
    free.environment.give(first.invocation);
  }
}

/** Makes the environment the most recently used member; adds it if it is new. */
function markUsed(pool: Pool, environment: Environment): void {
  const others = pool.members.filter((member) => member.environment !== environment);
  pool.members = [...others, { environment, usedAt: performance.now() }];
}

/** Starts the environments that the pools want. Invocations become overdue, and environments leave room, without an event. */
function startAll(state: State): void {
  for (const pool of state.pools.values()) startWanted(state, pool);
}

/** Starts the environments that the pool wants. Each start asks again, because the first one may be enough. */
function startWanted(state: State, pool: Pool): void {
  if (pool.isAsking || !isWanted(state, pool)) return;
  pool.isAsking = true;
  void state.starts.run(async () => {
    pool.isAsking = false;
    // Meanwhile other environments may have taken the invocations.
    if (!isWanted(state, pool) || !makeRoom(state, pool)) return;
    pool.starting += 1;
    const began = performance.now();
    const environment = state.options.start(pool.plan);
    startWanted(state, pool);
    const isReady = await environment.ready;
    pool.starting -= 1;
    const now = performance.now();
    state.pauseUntil = now + PAUSE_FACTOR * (now - began);
    if (!isReady) return;
    markUsed(pool, environment);
    giveWaiting(pool);
    startAll(state);
  });
}

function isOverdue(since: number): boolean {
  return performance.now() - since >= START_MS;
}

/** Returns true if the pool should start another environment. */
function isWanted(state: State, pool: Pool): boolean {
  const { concurrency } = state.options;
  if (state.isClosed || pool.waiting.length === 0) return false;
  const freeNow = pool.members
    .filter(({ environment }) => environment.accepts())
    .reduce((total, { environment }) => total + concurrency - environment.load(), 0);
  const capacity = freeNow + pool.starting * concurrency;
  // If no environment has begun or finished an invocation for so long, all of them hold requests, and none becomes free soon.
  if (capacity === 0 && pool.members.every(({ usedAt }) => isOverdue(usedAt))) return true;
  if (performance.now() < state.pauseUntil) return false;
  if (!state.options.helps(pool.plan, pool.members.length + pool.starting)) return false;
  const overdue = pool.waiting.filter(({ since }) => isOverdue(since)).length;
  const ahead = pool.members.length > 0 ? AHEAD : 0;
  return overdue > 0 && overdue + ahead > capacity;
}

/**
 * Returns true if another environment may start. At the maximum it first ends the environment that has been idle for longest,
 * of any function, but only if the starting environments are too few for the invocations that wait.
 */
function makeRoom(state: State, { waiting, starting }: Pool): boolean {
  const sizes = [...state.pools.values()].map((pool) => pool.members.length + pool.starting);
  if (sizes.reduce((total, size) => total + size, 0) < state.options.maxEnvironments) return true;
  const isNeeded = waiting.length > starting * state.options.concurrency;
  const [oldest] = idleIn(state).sort((one, other) => one.usedAt - other.usedAt);
  if (!isNeeded || oldest === undefined) return false;
  end(state, oldest);
  return true;
}

function idleIn({ pools }: State): Member[] {
  const members = [...pools.values()].flatMap((pool) => pool.members);
  return members.filter(({ environment }) => environment.accepts() && environment.idle());
}

function end(state: State, { environment }: Member): void {
  const pool = poolOf(state, environment.plan);
  pool.members = pool.members.filter((member) => member.environment !== environment);
  environment.kill();
}

function endIdle(state: State): void {
  const oldest = performance.now() - IDLE_MS;
  for (const member of idleIn(state)) if (member.usedAt < oldest) end(state, member);
}

function throttle(invocation: Invocation): void {
  invocation.settle({ kind: 'throttled' });
  invocation.release();
}
