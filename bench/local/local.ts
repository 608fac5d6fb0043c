/**
 * How fast the local stack is, and how much memory it takes.
 *
 * Method: the clients run in a process of their own. First IDLE sockets subscribe on a hub that has done nothing else, and the memory of
 * all processes is read. CLIENTS clients publish REQUESTS small messages, each to its own channel and
 * one at a time, with no reader. Then READERS readers of each transport follow one channel, to which PER_SECOND events a second
 * are published, EVENTS times. Each part runs once before to warm up, with a tenth of the work. Processor time is that of the
 * stack and of the functions, without the clients.
 * @module
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { MeasuredHub } from '../hub.ts';
import { useOf } from '../processes.ts';
import type { Outcome, Workload } from './clients.ts';

const CLIENTS = 16;
const REQUESTS = 4_000;
const READERS = 100;
const PER_SECOND = 50;
const EVENTS = 500;
const IDLE = 1_000;

/** The wait until idle processes have given back what the opening took, in milliseconds. */
const SETTLE_MS = 5_000;

/** Runs the benchmark, and prints its result. */
export async function local(hub: MeasuredHub): Promise<void> {
  const { url, socketUrl, token } = hub;
  const source = { url, socketUrl, token };
  const memoryMb = await memoryWith(hub, { kind: 'idle', hub: source, readers: IDLE });
  hub.print(`${IDLE} idle sockets: ${memoryMb.toFixed(0)} MB in all processes, goal 600\n`);
  const publish = (requests: number): Workload => ({
    kind: 'publish',
    hub: source,
    clients: CLIENTS,
    requests,
  });
  await measured(hub, publish(REQUESTS / 10), REQUESTS / 10);
  const published = await measured(hub, publish(REQUESTS), REQUESTS);
  hub.print(`local: ${CLIENTS} clients that publish; ${PER_SECOND} events a second to ${READERS} readers\n`);
  hub.print(HEAD);
  hub.print(lineOf('no reader', published, 400, undefined));
  for (const [name, kind, goal] of TRANSPORTS) {
    const listen = (events: number): Workload => ({
      kind,
      hub: source,
      readers: READERS,
      events,
      perSecond: PER_SECOND,
    });
    await measured(hub, listen(EVENTS / 10), EVENTS / 10);
    hub.print(lineOf(name, await measured(hub, listen(EVENTS), EVENTS), undefined, goal));
  }
}

/** Name, kind of the clients, and the goal for the median delay in milliseconds. */
const TRANSPORTS = [
  ['WebSockets', 'socket', 60],
  ['EventSources', 'stream', 120],
  ['long polls', 'poll', 250],
] as const;

interface Measurement extends Outcome {
  /** Processor time of all processes for each request or event, in milliseconds. */
  readonly cpuMs: number;
  /** The part of the stack itself. */
  readonly stackCpuMs: number;
}

async function measured(hub: MeasuredHub, work: Workload, count: number): Promise<Measurement> {
  const used = async () => {
    const stackMs = useOf([process.pid]).cpuMs;
    return { stackMs, functionsMs: useOf((await hub.processes()).map(({ pid }) => pid)).cpuMs };
  };
  const clients = fork(CLIENTS_PROGRAM);
  try {
    const before = await used();
    clients.send(work);
    const outcome = await outcomeOf(clients);
    const after = await used();
    const stackCpuMs = (after.stackMs - before.stackMs) / count;
    return { ...outcome, stackCpuMs, cpuMs: stackCpuMs + (after.functionsMs - before.functionsMs) / count };
  } finally {
    clients.kill();
  }
}

async function memoryWith(hub: MeasuredHub, work: Workload): Promise<number> {
  const clients = fork(CLIENTS_PROGRAM);
  try {
    clients.send(work);
    await outcomeOf(clients);
    await sleep(SETTLE_MS);
    return useOf([process.pid, ...(await hub.processes()).map(({ pid }) => pid)]).memoryMb;
  } finally {
    clients.kill();
  }
}

const CLIENTS_PROGRAM = new URL('clients.ts', import.meta.url);

async function outcomeOf(clients: ReturnType<typeof fork>): Promise<Outcome> {
  const ended = once(clients, 'exit').then(() => {
    throw new Error('the process of the clients has ended');
  });
  const [outcome]: Outcome[] = await Promise.race([once(clients, 'message'), ended]);
  if (outcome === undefined) throw new Error('the clients have sent no result');
  return outcome;
}

const HEAD =
  'to               a second   goal      p50      p95     goal  refused  lost  ms of processor time (stack)';

function lineOf(
  name: string,
  { perSecond, p50, p95, refused, lost, cpuMs, stackCpuMs }: Measurement,
  rateGoal: number | undefined,
  delayGoal: number | undefined,
): string {
  return [
    name.padEnd(15),
    perSecond.toFixed(0).padStart(9),
    String(rateGoal ?? '').padStart(6),
    `${p50.toFixed(0)} ms`.padStart(8),
    `${p95.toFixed(0)} ms`.padStart(8),
    (delayGoal === undefined ? '' : `${delayGoal} ms`).padStart(8),
    String(refused).padStart(8),
    String(lost).padStart(5),
    `${cpuMs.toFixed(2)} (${stackCpuMs.toFixed(2)})`.padStart(15),
  ].join(' ');
}
