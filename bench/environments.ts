/**
 * Compares environments that serve one request at a time, as deployed, with processes that serve many.
 *
 * Method: ROUNDS rounds. In each, one hub of each kind is started, one after the other, in alternating order. SOCKETS
 * sockets subscribe to one channel, and ENDPOINTS webhook endpoints to its pattern: three answer at once, one after
 * SLOW_MS, one refuses a share of FLAKY. Then one event is published every INTERVAL_MS, EVENTS times, without waiting
 * for answers. So the first events find a cold hub. A delay is the time from the request of an event to its frame on a
 * socket. Every frame is checked by the gap rule. CPU time is that of all processes of the hub, between the first
 * publish and the last frame. It includes publisher, sockets and receivers, which run in the process of the stack.
 * Compare the two kinds only within a run.
 * @module
 */
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Listener, listen } from './burst-listeners.ts';
import type { MeasuredHub } from './hub.ts';
import { median, quantile, sorted, sum } from './numbers.ts';
import { type Use, useOf } from './processes.ts';

/** Requests that one process serves at a time. */
export type Kind = 1 | 64;

/** A hub, and the function that ends it. */
export interface StartedHub {
  /** The hub to measure. */
  readonly hub: MeasuredHub;
  /** Ends the hub. */
  readonly close: () => Promise<void>;
}

const ROUNDS = 2;
const SOCKETS = 60;
const EVENTS = 300;
const INTERVAL_MS = 100;
const ENDPOINTS = ['a', 'b', 'c', 'slow', 'flaky'];
const SLOW_MS = 14_000;
const FLAKY = 0.2;

/** A message that has not arrived after this time is missing, in milliseconds. */
const TIMEOUT_MS = 30_000;
const POLL_MS = 100;

interface Measurement {
  /** Sorted, in milliseconds: of each event on each socket. */
  readonly delays: readonly number[];
  readonly cpuMs: number;
  readonly processes: number;
  readonly memoryMb: number;
  readonly refused: number;
  readonly missing: number;
  readonly gaps: number;
}

/**
 * Runs the benchmark, and prints its result.
 * @param start starts an empty hub of that kind
 */
export async function environments(
  start: (kind: Kind) => Promise<StartedHub>,
  print: (line: string) => void,
): Promise<void> {
  print(
    `environments: ${EVENTS} events, one each ${INTERVAL_MS} ms, to ${SOCKETS} sockets and ${ENDPOINTS.length} endpoints\n`,
  );
  const all = new Map<Kind, Measurement[]>([
    [1, []],
    [64, []],
  ]);
  for (let round = 0; round < ROUNDS; round++) {
    const order: readonly Kind[] = round % 2 === 0 ? [1, 64] : [64, 1];
    for (const kind of order) {
      const { hub, close } = await start(kind);
      try {
        const measurement = await measured(hub);
        all.get(kind)?.push(measurement);
        print(`${String(kind).padStart(2)} per process  ${lineOf(measurement)}`);
      } finally {
        await close();
      }
    }
  }
  print(ratioOf(all));
}

async function measured(hub: MeasuredHub): Promise<Measurement> {
  const channel = `bench/environments/${Date.now()}`;
  const receivers = await openReceivers();
  await publish(hub, channel, -1); // the channel begins with it, so that there is something to subscribe to
  for (const path of ENDPOINTS)
    await request(hub, '/webhooks', { url: receivers.url + path, channels: [channel] });
  const listeners: Listener[] = [];
  for (let n = 0; n < SOCKETS; n++) listeners.push(await listen(hub, channel));
  try {
    return await fanOut(hub, channel, listeners);
  } finally {
    for (const listener of listeners) listener.close();
    receivers.close();
  }
}

async function fanOut(
  hub: MeasuredHub,
  channel: string,
  listeners: readonly Listener[],
): Promise<Measurement> {
  const before = await useOfHub(hub);
  const sent: number[] = [];
  const acknowledged: number[] = [];
  const publishing: Promise<void>[] = [];
  const began = performance.now();
  for (let n = 0; n < EVENTS; n++) {
    await sleep(Math.max(0, began + n * INTERVAL_MS - performance.now()));
    sent.push(performance.now());
    publishing.push(publish(hub, channel, n).then((ok) => void (ok && acknowledged.push(n))));
  }
  await Promise.all(publishing);
  const arrived = await arrivals(listeners, acknowledged);
  const after = await useOfHub(hub);
  return {
    delays: sorted(
      arrived.flatMap((had) =>
        acknowledged.flatMap((n) => (had.get(n) ?? []).map((at) => at - (sent[n] ?? NaN))),
      ),
    ),
    cpuMs: after.cpuMs - before.cpuMs,
    processes: after.processes,
    memoryMb: after.memoryMb,
    refused: EVENTS - acknowledged.length,
    missing: sum(arrived.map((had) => acknowledged.filter((n) => !had.has(n)).length)),
    gaps: sum(
      listeners.map((listener) => listener.arrivals().filter(({ decision }) => decision === 'gap').length),
    ),
  };
}

/** Returns for each listener the times at which each event came. */
async function arrivals(
  listeners: readonly Listener[],
  wanted: readonly number[],
): Promise<Map<number, number[]>[]> {
  const end = performance.now() + TIMEOUT_MS;
  const hasAll = (listener: Listener): boolean => {
    const had = timesIn(listener);
    return wanted.every((n) => had.has(n));
  };
  while (performance.now() < end && !listeners.every(hasAll)) await sleep(POLL_MS);
  return listeners.map(timesIn);
}

function timesIn(listener: Listener): Map<number, number[]> {
  const times = new Map<number, number[]>();
  for (const { at, decision, messages } of listener.arrivals()) {
    if (decision !== 'next') continue;
    for (const message of messages) {
      const n = typeof message === 'object' && message !== null ? Number(Reflect.get(message, 'n')) : NaN;
      times.set(n, [...(times.get(n) ?? []), at]);
    }
  }
  return times;
}

/** Returns the use of this process, which is the stack, and of the processes of the functions. */
async function useOfHub(hub: MeasuredHub): Promise<Use & { readonly processes: number }> {
  const children = (await hub.processes()).map(({ pid }) => pid);
  const { cpuMs } = useOf([process.pid, ...children]);
  return { cpuMs, memoryMb: useOf(children).memoryMb, processes: children.length };
}

async function openReceivers(): Promise<{ readonly url: string; readonly close: () => void }> {
  let count = 0;
  const server = createServer((request, response) => {
    const answer = (status: number) => response.writeHead(status).end();
    request.resume().on('end', () => {
      if (request.url === '/slow') setTimeout(answer, SLOW_MS, 204);
      else answer(request.url === '/flaky' && count++ % Math.round(1 / FLAKY) === 0 ? 500 : 204);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('the receivers have no port');
  return {
    url: `http://127.0.0.1:${address.port}/`,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

const publish = async (hub: MeasuredHub, channel: string, n: number): Promise<boolean> =>
  (await request(hub, `/channels/${channel}`, { n })).ok;

async function request({ url, token }: MeasuredHub, path: string, body: object): Promise<Response> {
  const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' };
  const response = await fetch(url + path, { method: 'POST', headers, body: JSON.stringify(body) });
  await response.arrayBuffer();
  return response;
}

const cpuAnEvent = ({ cpuMs }: Measurement): number => cpuMs / EVENTS;
const p99 = ({ delays }: Measurement): number => quantile(delays, 0.99);

function lineOf(measurement: Measurement): string {
  const { delays, processes, memoryMb, refused, missing, gaps } = measurement;
  const ms = (q: number) => quantile(delays, q).toFixed(0).padStart(5);
  return [
    `p50 ${ms(0.5)} ms  p95 ${ms(0.95)} ms  p99 ${ms(0.99)} ms`,
    `${cpuAnEvent(measurement).toFixed(0).padStart(4)} ms of processor time per event`,
    `${processes} processes, ${memoryMb.toFixed(0)} MB`,
    `${refused} refused, ${missing} missing, ${gaps} gaps`,
  ].join('  ');
}

function ratioOf(all: ReadonlyMap<Kind, readonly Measurement[]>): string {
  const ratio = (of: (measurement: Measurement) => number): string =>
    (median((all.get(1) ?? []).map(of)) / median((all.get(64) ?? []).map(of))).toFixed(1);
  return `\none request per environment takes ${ratio(p99)} times the p99 and ${ratio(cpuAnEvent)} times the processor time of 64`;
}
