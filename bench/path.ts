/**
 * Measures the cost of one event from its publisher to a reader: AWS calls, calls in a row, delay and dollars, for each transport.
 *
 * Method: for each transport one reader follows a channel. In each phase EVENTS events are published, one every INTERVAL_MS.
 * Two phases alternate, ROUNDS times: one without a delay, and one in which every AWS call of a function is delayed by DELAY_MS.
 * Calls are counted in the phases without a delay. The calls of an idle reader are counted for IDLE_MS, and subtracted. The
 * delay of an event is the time from its publish request to its arrival at the reader, or to the answer if there is no reader.
 * `in a row` is the number of calls that wait for the one before: the growth of the median delay in the second phase, divided
 * by DELAY_MS.
 *
 * Dollars are those of the calls (bench/prices.ts) and of the request at the HTTP API. The running time of functions is
 * not included.
 * @module
 */
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { MeasuredHub } from './hub.ts';
import {
  note,
  type Open,
  openLongPoll,
  openSocket,
  openStream,
  type Reader,
  type Source,
} from './local/readers.ts';
import { median, quantile, sorted, sum } from './numbers.ts';
import { HTTP_REQUEST, priceOf } from './prices.ts';

const EVENTS = 25;
const ROUNDS = 2;
const INTERVAL_MS = 200;
const DELAY_MS = 5;
const IDLE_MS = 5_000;

/** An event that has not arrived after this time is missing, in milliseconds. */
const TIMEOUT_MS = 15_000;

/** The time after the last arrival in which functions finish their work, in milliseconds. */
const SETTLE_MS = 1_000;

const POLL_MS = 20;

/** A hub whose AWS calls can be delayed. */
export interface DelayedHub extends MeasuredHub {
  /** Delays each AWS call of each function from now on, in milliseconds. 0 ends the delay. */
  readonly delay: (ms: number) => Promise<void>;
}

/** An event to nobody, on a keyed channel. */
const KEYED = 'nobody, keyed';

const READERS: Readonly<Record<string, Open | undefined>> = {
  nobody: undefined,
  [KEYED]: undefined,
  'a WebSocket': openSocket,
  'an EventSource': openStream,
  'a long poll': openLongPoll,
  'a webhook': openWebhook,
};

/** The delays of the events of a phase, in milliseconds. */
interface Phase {
  /** Delays until the answer to the publish. */
  readonly answered: readonly number[];
  /** Delays until the arrival at the reader; empty without a reader. */
  readonly arrived: readonly number[];
}

/** `{function} {action}` → number of calls. */
type Calls = ReadonlyMap<string, number>;

interface Result {
  readonly calls: Calls;
  readonly idlePerMinute: number;
  readonly plain: Phase;
  readonly delayed: Phase;
}

/** Runs the benchmark, and prints its result. */
export async function path(hub: DelayedHub): Promise<void> {
  hub.print(
    `path: ${ROUNDS} times ${EVENTS} events, one each ${INTERVAL_MS} ms, to one reader of each transport`,
  );
  const results = new Map<string, Result>();
  for (const [name, open] of Object.entries(READERS)) {
    hub.print(`measuring an event to ${name} …`);
    const channel = `bench/path/${results.size}`;
    if (name === KEYED) await createKeyed(hub, channel);
    results.set(name, await measured(hub, channel, open));
  }
  report(hub.print, results);
}

async function measured(hub: DelayedHub, channel: string, open: Open | undefined): Promise<Result> {
  await publish(hub, channel, -1); // creates the channel
  const reader = await open?.(hub, channel);
  let next = 0;
  const events = async (): Promise<Phase> => {
    const phase = await phaseOf(hub, channel, next, reader);
    next += EVENTS;
    return phase;
  };
  try {
    await events(); // starts the functions
    const idle = await countedIn(hub, () => sleep(IDLE_MS));
    const plain: Phase[] = [];
    const delayed: Phase[] = [];
    const calls: Calls[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const began = performance.now();
      const counted = await countedIn(hub, async () => void plain.push(await events()));
      calls.push(perEvent(counted, idle, performance.now() - began));
      await hub.delay(DELAY_MS);
      delayed.push(await events().finally(() => hub.delay(0)));
    }
    const idlePerMinute = (sum([...idle.values()]) / IDLE_MS) * 60_000;
    return { calls: average(calls), idlePerMinute, plain: joined(plain), delayed: joined(delayed) };
  } finally {
    reader?.close();
  }
}

async function phaseOf(
  hub: MeasuredHub,
  channel: string,
  first: number,
  reader: Reader | undefined,
): Promise<Phase> {
  const sent: number[] = [];
  const answering: Promise<number>[] = [];
  const began = performance.now();
  for (let n = 0; n < EVENTS; n++) {
    await sleep(Math.max(0, began + n * INTERVAL_MS - performance.now()));
    const at = performance.now();
    sent.push(at);
    answering.push(publish(hub, channel, first + n).then(() => performance.now() - at));
  }
  const answered = await Promise.all(answering);
  const arrived = reader ? await arrivals(reader, sent, first) : [];
  await sleep(SETTLE_MS);
  return { answered, arrived };
}

async function arrivals({ seen }: Reader, sent: readonly number[], first: number): Promise<number[]> {
  const end = performance.now() + TIMEOUT_MS;
  const isMissing = (_at: number, n: number): boolean => !seen.has(first + n);
  while (sent.some(isMissing)) {
    if (performance.now() > end) throw new Error(`${sent.filter(isMissing).length} events did not arrive`);
    await sleep(POLL_MS);
  }
  return sent.map((at, n) => (seen.get(first + n) ?? Number.NaN) - at);
}

/** Returns the calls that functions make during the work, by function and action. */
async function countedIn(hub: MeasuredHub, work: () => Promise<void>): Promise<Calls> {
  await hub.forgetCalls();
  await work();
  return new Map((await hub.calls()).map(({ who, action, count }) => [`${who} ${action}`, count]));
}

function perEvent(counted: Calls, idle: Calls, ms: number): Calls {
  const ofReader = (call: string): number => ((idle.get(call) ?? 0) / IDLE_MS) * ms;
  return new Map([...counted].map(([call, count]) => [call, Math.max(0, count - ofReader(call)) / EVENTS]));
}

function average(rounds: readonly Calls[]): Calls {
  const names = new Set(rounds.flatMap((calls) => [...calls.keys()]));
  return new Map(
    [...names].map((name) => [name, sum(rounds.map((calls) => calls.get(name) ?? 0)) / rounds.length]),
  );
}

const joined = (phases: readonly Phase[]): Phase => ({
  answered: phases.flatMap(({ answered }) => answered),
  arrived: phases.flatMap(({ arrived }) => arrived),
});

function report(print: (line: string) => void, results: ReadonlyMap<string, Result>): void {
  print('\nan event to     calls  in a row     p50     p95  $ a million  calls of an idle reader');
  for (const [name, { calls, idlePerMinute, plain, delayed }] of results) {
    const of = ({ answered, arrived }: Phase) => sorted(arrived.length > 0 ? arrived : answered);
    const inRow = (median(of(delayed)) - median(of(plain))) / DELAY_MS;
    const dollars = HTTP_REQUEST + sum([...calls].map(([call, count]) => count * priceOf(actionIn(call))));
    print(
      [
        name.padEnd(15),
        sum([...calls.values()])
          .toFixed(1)
          .padStart(5),
        inRow.toFixed(1).padStart(9),
        `${quantile(of(plain), 0.5).toFixed(0)} ms`.padStart(7),
        `${quantile(of(plain), 0.95).toFixed(0)} ms`.padStart(7),
        dollars.toFixed(2).padStart(12),
        `${idlePerMinute.toFixed(0)} a minute`.padStart(13),
      ].join(' '),
    );
  }
  print('\nTo nobody: up to the answer of the publish. To others: up to the arrival at the reader.');
  for (const [name, { calls }] of results) {
    print(`\nan event to ${name}`);
    for (const [call, count] of [...calls].sort(([, one], [, other]) => other - one))
      if (count >= LEAST_SHOWN) print(`  ${count.toFixed(2).padStart(6)}  ${call}`);
  }
}

/** Calls for an event. A call that is rarer is counted, but not listed. */
const LEAST_SHOWN = 0.02;

const actionIn = (call: string): string => call.split(' ')[1] ?? '';

async function createKeyed({ url, token }: MeasuredHub, channel: string): Promise<void> {
  const headers = {
    Authorization: `Bearer ${token}`,
    'Content-Type': 'application/json',
    'Stream-Key': '/n',
  };
  const response = await fetch(`${url}/channels/${channel}`, { method: 'PUT', headers });
  if (!response.ok) throw new Error(`a channel was answered ${response.status}`);
}

async function publish({ url, token }: MeasuredHub, channel: string, n: number): Promise<void> {
  const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' };
  const init = { method: 'POST', headers, body: JSON.stringify({ n }) };
  const response = await fetch(`${url}/channels/${channel}`, init);
  if (!response.ok) throw new Error(`a publish was answered ${response.status}`);
}

async function openWebhook({ url, token }: Source, channel: string): Promise<Reader> {
  const seen = new Map<number, number>();
  const server = createServer((request, response) => {
    const at = performance.now();
    let text = '';
    request.on('data', (chunk) => {
      text += String(chunk);
    });
    request.on('end', () => {
      response.writeHead(204).end();
      note(seen, [dataIn(JSON.parse(text))], at);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' };
  const body = JSON.stringify({ url: `http://127.0.0.1:${port}/`, channels: [channel] });
  const response = await fetch(`${url}/webhooks`, { method: 'POST', headers, body });
  if (!response.ok) throw new Error(`an endpoint was answered ${response.status}`);
  return {
    seen,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

const dataIn = (body: unknown): unknown =>
  typeof body === 'object' && body !== null && 'data' in body ? body.data : undefined;
