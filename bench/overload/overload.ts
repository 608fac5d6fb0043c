/**
 * Overload: what a hub completes at three times the load that it can take.
 *
 * Method: three kinds of load. `publishers` send requests at a fixed rate to 16 channels without waiting for answers. `clients` are
 * 100 users of `client/` that publish at a fixed rate, each to a channel of its own. `players` are 8 of them in one room: each
 * also receives what all publish, so that one publish is eight deliveries. A user drops moves while four have no answer. For
 * each kind the rate grows step by step until the hub completes less than it did; the most that it completed in a second is its
 * best rate. Then the load is three times as high. The load is in a thread of its own, on the same machine. `sent
 * again` counts what users send more than once: publishes, openings of sockets, subscriptions, and reads of missing messages.
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import type { MeasuredHub } from '../hub.ts';
import { quantile, sorted } from '../numbers.ts';
import { type Answer, isStored, type Load, type Measured } from './measured.ts';
import { USERS } from './players.ts';

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
const OVERLOAD = { settleMs: 5_000, measuredMs: 12_000 };

/** A hub that completes less than this part of what is offered has reached its best rate. */
const ENOUGH = 0.75;

/** The longest wait for the hub to finish what is under way, in milliseconds. */
const DRAIN_MS = 30_000;
const POLL_MS = 100;

type Kind = Load['kind'];

type Measure = (kind: Kind, perSecond: number, times: typeof STEP) => Promise<Measured>;

/** Runs the benchmark, and prints its result. */
export async function overload(hub: LoggedHub): Promise<void> {
  const thread = new Worker(new URL('load.ts', import.meta.url));
  const measure = measuring(thread, hub);
  try {
    hub.print(
      `overload: ${OVER} times the best rate of publishers, of ${USERS.clients} clients, and of ${USERS.players} players in a room\n`,
    );
    for (const kind of ['publishers', 'clients', 'players'] as const) await overloadWith(kind, hub, measure);
  } finally {
    await thread.terminate();
  }
}

/** Returns a function that has the thread run one load after the other. */
function measuring(thread: Worker, { url, socketUrl, token }: LoggedHub): Measure {
  let runs = 0;
  return (kind, perSecond, times) => {
    runs += 1;
    const run = `${Date.now()}-${runs}`;
    const load: Load = { kind, hub: { url, socketUrl, token }, run, perSecond, ...times };
    return new Promise((resolve, reject) => {
      thread.once('error', reject);
      thread.once('message', (measured: Measured) => {
        thread.off('error', reject);
        resolve(measured);
      });
      thread.postMessage(load);
    });
  };
}

async function overloadWith(kind: Kind, hub: LoggedHub, measure: Measure): Promise<void> {
  const { print } = hub;
  await measure(kind, FIRST[kind], STEP);
  const best = await bestRate(kind, hub, measure);
  print(`${kind}: best rate ${best.rate.toFixed(0)}/s  (offered → completed: ${best.steps.join(' ')})`);
  if (best.rate === 0)
    throw new Error(`the hub completed nothing at ${FIRST[kind]}/s: the machine is too busy to measure`);
  await drained(hub);
  const lines = hub.logLines();
  const began = performance.now();
  const measured = await measure(kind, OVER * best.rate, OVERLOAD);
  const seconds = (performance.now() - began) / 1_000;
  report(kind, best.rate, measured, print);
  print(`  log lines                 ${((hub.logLines() - lines) / seconds).toFixed(1)} a second\n`);
  await drained(hub);
}

async function bestRate(kind: Kind, hub: LoggedHub, measure: Measure) {
  const steps: string[] = [];
  let best = 0;
  const isEnough = async (rate: number): Promise<boolean> => {
    const completed = perSecondOf(await measure(kind, rate, STEP), STEP.measuredMs);
    steps.push(`${rate.toFixed(0)}→${completed.toFixed(0)}`);
    best = Math.max(best, completed);
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
    if (!(await isEnough(rate))) break;
  }
  return { rate: best, steps };
}

const perSecondOf = ({ completed }: Measured, ms: number): number => completed / (ms / 1_000);

async function drained({ processes }: MeasuredHub): Promise<void> {
  const end = performance.now() + DRAIN_MS;
  const isBusy = async () => (await processes()).some(({ inFlight }) => inFlight > 0);
  do await sleep(POLL_MS);
  while (performance.now() < end && (await isBusy()));
}

function report(kind: Kind, best: number, measured: Measured, print: (line: string) => void): void {
  const { measuredMs } = OVERLOAD;
  const completed = perSecondOf(measured, measuredMs);
  const offered = measured.offered / (measuredMs / 1_000);
  const accepted = measured.answers.filter(isStored);
  const refused = measured.answers.filter((answer) => !isStored(answer));
  const times = (values: readonly number[]): string => {
    const ms = sorted(values);
    return `p50 ${quantile(ms, 0.5).toFixed(0)} ms  p95 ${quantile(ms, 0.95).toFixed(0)} ms`;
  };
  const msOf = (answers: readonly Answer[]) => times(answers.map(({ ms }) => ms));
  print(`  offered                   ${offered.toFixed(0)}/s
  completed                 ${completed.toFixed(0)}/s, ${((100 * completed) / best).toFixed(0)} % of the best rate
  accepted answers          ${accepted.length}  ${msOf(accepted)}
  refusals                  ${refused.length}  ${msOf(refused)}  ${namesOf(refused)}`);
  if (kind === 'publishers') return;
  const { first, again } = measured.requests;
  print(`  sent again ÷ first        ${again} ÷ ${first} = ${(again / first).toFixed(2)}`);
  if (kind === 'players')
    print(`  deliveries                ${measured.delays.length}  ${times(measured.delays)}`);
}

function namesOf(refused: readonly Answer[]): string {
  const byName = Map.groupBy(refused, ({ status, code, hasRetryAfter }) => {
    return `${status} ${code}${hasRetryAfter ? ', Retry-After' : ''}`;
  });
  return [...byName].map(([name, all]) => `${all.length} × ${name}`).join('; ');
}
