/**
 * All environments of a stack: selects the one that takes an invocation, and starts and ends environments.
 *
 * Loading a function takes a tenth of a second of CPU time. If a burst started one environment for each request, a single
 * machine could serve none of them: each start delays what runs, so that more invocations wait and more environments start.
 * So only a few start at a time, and an invocation first waits as long as a start takes for a loaded environment to become free.
 * @module
 */

import type { FunctionPlan } from '../template/plan.ts';
import type { End, Environment, Invocation } from './environment.ts';
import { createSemaphore, type Semaphore } from './semaphore.ts';

export interface FleetOptions {
  readonly functions: readonly FunctionPlan[];
  /** Requests that one environment serves at the same time. */
  readonly concurrency: number;
  /** Environments of all functions together, at most. */
  readonly maxEnvironments: number;
  /** Environments that load their function at the same time, at most. */
  readonly maxStarting: number;
  readonly start: (plan: FunctionPlan) => Environment;
}

export interface Fleet {
  /** Gives the invocation to an environment of the function, now or as soon as one is free. */
  take(plan: FunctionPlan, invocation: Invocation): void;
  /** To be called when the environment has finished an invocation. */
  freed(environment: Environment): void;
  /** To be called when the process has ended: other environments take the invocations that it did not begin. */
  gone(environment: Environment, end: End): void;
  /** Throttles all waiting and later invocations. */
  close(): void;
}

interface Member {
  readonly environment: Environment;
  usedAt: number;
}

interface Pool {
  readonly plan: FunctionPlan;
  /** Environments that have loaded the function, the most recently used last. */
  members: Member[];
  /** Number of environments that are loading the function. */
  starting: number;
  /** True while the pool waits for its turn to start another environment. */
  isAsking: boolean;
  /** The one that has waited longest first. */
  waiting: Waiting[];
}

interface Waiting {
  readonly invocation: Invocation;
  readonly since: number;
}

interface State {
  readonly options: FleetOptions;
  readonly pools: ReadonlyMap<FunctionPlan, Pool>;
  readonly starts: Semaphore;
  /** Until this time by performance.now(), no environment starts for a function whose environments become free. */
  restUntil: number;
  isClosed: boolean;
}

/** How long an idle environment is kept. Lambda also keeps one for some minutes, but does not document how many. */
const IDLE_MS = 5 * 60 * 1_000;
const REAP_EVERY_MS = 30_000;
const LOOK_EVERY_MS = 50;

/** About what a start takes on a busy machine, in milliseconds. An environment that is free sooner takes the invocation. */
export const START_MS = 250;

/** Pause after a start, as a multiple of its duration, so that starts leave time for the invocations. */
const REST = 2;

/**
 * Environments to start ahead of demand when invocations have waited for START_MS, because more will follow. Lambda does
 * so too, at times: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
 */
const AHEAD = 1;

/** Returns a fleet without any environment. It starts them on demand. */
export function createFleet(options: FleetOptions): Fleet {
  const pools = new Map(options.functions.map((plan) => [plan, createPool(plan)]));
  const state: State = {
    options,
    pools,
    starts: createSemaphore(options.maxStarting),
    restUntil: 0,
    isClosed: false,
  };
  const reaper = setInterval(() => reap(state), REAP_EVERY_MS).unref();
  const looker = setInterval(() => startWaited(state), LOOK_EVERY_MS).unref();
  return {
    take: (plan, invocation) => take(state, poolOf(state, plan), invocation),
    freed(environment) {
      const pool = poolOf(state, environment.plan);
      touch(pool, environment);
      giveWaiting(pool);
      startWaited(state);
    },
    gone(environment, { unstarted, whyNotReady }) {
      const pool = poolOf(state, environment.plan);
      pool.members = pool.members.filter((member) => member.environment !== environment);
      if (state.isClosed) unstarted.forEach(throttle);
      else pool.waiting = [...unstarted.map(waitingFromNow), ...pool.waiting];
      // The next environment would not get ready either, so the invocations for which this one was started fail.
      if (whyNotReady !== undefined) {
        for (const { invocation } of pool.waiting.splice(0, options.concurrency)) {
          invocation.settle(whyNotReady(invocation.id));
          invocation.release();
        }
      }
      startWaited(state);
    },
    close() {
      state.isClosed = true;
      clearInterval(reaper);
      clearInterval(looker);
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

function giveWaiting(pool: Pool): void {
  while (pool.waiting.length > 0) {
    // The most recently used one, so that the others become idle for long enough to be ended.
    const free = pool.members.findLast(({ environment }) => environment.accepts());
    const first = free && pool.waiting.shift();
    if (free === undefined || first === undefined) return;
    touch(pool, free.environment);
    free.environment.give(first.invocation);
  }
}

function touch(pool: Pool, environment: Environment): void {
  const others = pool.members.filter((member) => member.environment !== environment);
  pool.members = [...others, { environment, usedAt: performance.now() }];
}

/** Starts environments for invocations that have waited long enough, or that wait because there was no room. */
function startWaited(state: State): void {
  for (const pool of state.pools.values()) startWanted(state, pool);
}

/** Starts the environments that the pool wants, one after the other. */
function startWanted(state: State, pool: Pool): void {
  if (pool.isAsking || !isWanted(state, pool)) return;
  pool.isAsking = true;
  void state.starts.run(async () => {
    pool.isAsking = false;
    // While the pool waited for its turn, other environments may have taken the invocations.
    if (!isWanted(state, pool) || !makeRoom(state, pool)) return;
    pool.starting += 1;
    const began = performance.now();
    const environment = state.options.start(pool.plan);
    startWanted(state, pool);
    const isReady = await environment.ready;
    pool.starting -= 1;
    state.restUntil = performance.now() + REST * (performance.now() - began);
    if (!isReady) return;
    touch(pool, environment);
    giveWaiting(pool);
    startWaited(state);
  });
}

function isOverdue(since: number): boolean {
  return performance.now() - since >= START_MS;
}

function isWanted(state: State, pool: Pool): boolean {
  const { concurrency } = state.options;
  if (state.isClosed || pool.waiting.length === 0) return false;
  const free = pool.members
    .filter(({ environment }) => environment.accepts())
    .reduce((total, { environment }) => total + concurrency - environment.load(), 0);
  const comingFree = pool.starting * concurrency + free;
  // Where all environments hold requests for seconds, none becomes free soon.
  if (comingFree === 0 && pool.members.every(({ usedAt }) => isOverdue(usedAt))) return true;
  if (performance.now() < state.restUntil) return false;
  const overdue = pool.waiting.filter(({ since }) => isOverdue(since)).length;
  const ahead = pool.members.length > 0 ? AHEAD : 0;
  return overdue > 0 && overdue + ahead > comingFree;
}

/** Returns true if another environment may start. At the maximum, first ends the one that has been idle for longest, if the pool needs it. */
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

function reap(state: State): void {
  const longAgo = performance.now() - IDLE_MS;
  for (const member of idleIn(state)) if (member.usedAt < longAgo) end(state, member);
}

function throttle(invocation: Invocation): void {
  invocation.settle({ kind: 'throttled' });
  invocation.release();
}
