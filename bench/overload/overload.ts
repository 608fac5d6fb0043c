/**
 * Overload: what a hub completes at three times the load that it can take.
 *
 * Method: three kinds of load. `publishers` send requests at a fixed rate to 16 channels without waiting for answers. `clients` are
 * 100 users of `client/` that publish at a fixed rate, each to a channel of its own. `players` are 8 of them in one room: each
 * also receives what all publish, so that one publish is eight deliveries. A user drops moves while four have no answer. For
 * each kind the rate grows step by step until the hub twice completes less than three quarters of it. At the rate of the best step the
 * hub is measured for as long as in the overload, before and after it. The mean of both is its best rate: a short step may be lucky, and
 * other work on the machine changes. In the overload three times what it completed before is offered.
 *
 * The load is in a process of its own, on the same machine. `lateness` says by how much that process was late, and the last line what
 * each part of the machine has used. `sent again` counts what users send more than once: publishes, openings of sockets,
 * subscriptions, and reads of missing messages.
 * @module
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { MeasuredHub } from '../hub.ts';
import { useOf } from '../processes.ts';
import type { Load, Measured } from './measured.ts';
import { USERS } from './players.ts';
import { type Kind, perSecondOf, reportOf } from './report.ts';

/** A hub whose log can be counted. */
export interface LoggedHub extends MeasuredHub {
  /** Returns the number of lines that functions and services have logged since the start. */
  readonly logLines: () => number;
}

const OVER = 3;

/** Publishes a second of the first step, the factor from one step to the next, and the lowest rate. */
const FIRST = { publishers: 10, clients: 10, players: 10 };
const GROWTH = 1.5;
const LOWEST = 1;
const MOST_STEPS = 12;
const STEP = { settleMs: 2_000, measuredMs: 3_000 };
const WHOLE = { settleMs: 5_000, measuredMs: 12_000 };

/** A hub that completes less than this part of what is offered has reached its best rate. */
const ENOUGH = 0.75;

/** The longest wait for the hub to finish what is under way, in milliseconds. */
const DRAIN_MS = 30_000;
const POLL_MS = 100;

const KINDS = ['publishers', 'clients', 'players'] as const satisfies Kind[];

/** Measures one load. */
type Measure = (kind: Kind, perSecond: number, times: typeof STEP) => Promise<Measured>;

/** Runs the benchmark, and prints its result. */
export async function overload(hub: LoggedHub): Promise<void> {
  const { print } = hub;
  const load = fork(new URL('load.ts', import.meta.url));
  const measure = measureWith(load, hub);
  try {
    print(
      `overload: ${OVER} times the best rate of publishers, of ${USERS.clients} clients, and of ${USERS.players} players in a room\n`,
    );
    for (const kind of KINDS) await overloadOf(kind, hub, measure);
  } finally {
    load.kill();
  }
}

function measureWith(load: ChildProcess, { url, socketUrl, token }: LoggedHub): Measure {
  let runs = 0;
  const ended = once(load, 'exit').then(() => {
    throw new Error('the process of the load has ended');
  });
  ended.catch(() => {}); // each measurement reports it
  return async (kind, perSecond, times) => {
    runs += 1;
    const hub = { url, socketUrl, token };
    load.send({ kind, hub, run: `${Date.now()}-${runs}`, perSecond, ...times } satisfies Load);
    const [measured]: Measured[] = await Promise.race([once(load, 'message'), ended]);
    if (measured === undefined) throw new Error('the load has sent no result');
    return measured;
  };
}

async function overloadOf(kind: Kind, hub: LoggedHub, measure: Measure): Promise<void> {
  const { print } = hub;
  await measure(kind, FIRST[kind], STEP);
  const { rate, steps } = await bestStep(kind, hub, measure);
  print(`${kind}: offered → completed a second, step by step: ${steps.join(' ')}`);
  if (rate === 0)
    throw new Error(`the hub completed nothing at ${FIRST[kind]}/s: the machine is too busy to measure`);
  const before = await measure(kind, rate, WHOLE);
  await drained(hub);
  const lines = hub.logLines();
  const use = await useOfParts(hub);
  const began = performance.now();
  const measured = await measure(kind, OVER * perSecondOf(before, WHOLE.measuredMs), WHOLE);
  const seconds = (performance.now() - began) / 1_000;
  const linesPerSecond = (hub.logLines() - lines) / seconds;
  const used = await useOfParts(hub);
  await drained(hub);
  const after = await measure(kind, rate, WHOLE);
  await drained(hub);
  const best = [before, after].map((each) => perSecondOf(each, WHOLE.measuredMs));
  const cpuMs = { stack: used.stack - use.stack, functions: used.functions - use.functions };
  const run = { measured, best, linesPerSecond, seconds, cpuMs, processes: [use.processes, used.processes] };
  for (const line of reportOf(kind, run, WHOLE.measuredMs)) print(line);
  print('');
}

/** Finds the rate at which the hub completes most. */
async function bestStep(kind: Kind, hub: LoggedHub, measure: Measure) {
  const steps: string[] = [];
  let best = { completed: 0, rate: 0 };
  const isEnough = async (rate: number): Promise<boolean> => {
    const completed = perSecondOf(await measure(kind, rate, STEP), STEP.measuredMs);
    steps.push(`${rate.toFixed(0)}→${completed.toFixed(0)}`);
    if (completed > best.completed) best = { completed, rate };
    return completed >= ENOUGH * rate;
  };
  let rate = FIRST[kind];
  // A cold hub, or a machine with much other work, may not take the first rate.
  while (rate > LOWEST && !(await isEnough(rate))) {
    rate /= 2;
    await drained(hub);
  }
  for (let step = 0; step < MOST_STEPS; step++) {
    rate *= GROWTH;
    if (await isEnough(rate)) continue;
    // Other work on the machine may have disturbed the step.
    await drained(hub);
    if (!(await isEnough(rate))) break;
  }
  await drained(hub);
  return { rate: best.rate, steps };
}

/** The processor time of this process, which is the stack, and of the functions in milliseconds, and the number of functions. */
async function useOfParts({ processes }: MeasuredHub) {
  const pids = (await processes()).map(({ pid }) => pid);
  return { stack: useOf([process.pid]).cpuMs, functions: useOf(pids).cpuMs, processes: pids.length };
}

async function drained({ processes }: MeasuredHub): Promise<void> {
  const end = performance.now() + DRAIN_MS;
  const isBusy = async () => (await processes()).some(({ inFlight }) => inFlight > 0);
  do await sleep(POLL_MS);
  while (performance.now() < end && (await isBusy()));
}
