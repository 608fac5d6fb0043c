/**
 * Measures the appends of one hub: requests a second, and AWS calls for each append.
 *
 * Method: CLIENTS clients publish one small message at a time, first each to its own channel, then all to one channel,
 * in ROUNDS alternating rounds of REQUESTS requests. The median round is reported, with the raw rounds. As a floor, the
 * same clients send as many requests that the handler refuses before it calls the store. What an append costs above the
 * floor is the log. The floor is the gateway, the runtime and this program.
 * @module
 */
import type { MeasuredHub } from './hub.ts';
import { median, quantile } from './numbers.ts';

const CLIENTS = 16;
const REQUESTS = 2_000;
const ROUNDS = 5;
const WARM_UP = 400;
const MESSAGE = JSON.stringify({ text: 'hello', at: 1_700_000_000_000 });

/** The result of one round. Latencies are in milliseconds. */
export interface Round {
  /** Requests per second. */
  readonly perSecond: number;
  /** Median latency. */
  readonly p50: number;
  /** Latency that 95 % of the requests do not exceed. */
  readonly p95: number;
  /** Latency that 99 % of the requests do not exceed. */
  readonly p99: number;
}

/** Runs the benchmark, and prints its result. */
export async function append(hub: MeasuredHub): Promise<void> {
  const run = `bench/${Date.now()}`;
  const kinds = {
    'floor (refused)': () => publish(hub, 'not*a*channel', 400),
    'channel each': (client: number) => publish(hub, `${run}/${client}`, 204),
    'one channel': () => publish(hub, `${run}/one`, 204),
  };
  await measureRound(WARM_UP, CLIENTS, kinds['channel each']);
  const rounds = new Map<string, Round[]>(Object.keys(kinds).map((kind) => [kind, []]));
  await hub.forgetCalls();
  for (let n = 0; n < ROUNDS; n++) {
    for (const [kind, send] of Object.entries(kinds))
      rounds.get(kind)?.push(await measureRound(REQUESTS, CLIENTS, send));
  }
  const appends = 2 * ROUNDS * REQUESTS;
  hub.print(
    `append: ${CLIENTS} clients, ${ROUNDS} rounds of ${REQUESTS} requests, message of ${MESSAGE.length} bytes\n`,
  );
  const floor = median((rounds.get('floor (refused)') ?? []).map(({ perSecond }) => perSecond));
  for (const [kind, results] of rounds) hub.print(lineOf(kind, results, floor));
  hub.print('\nAWS calls per append, by function:');
  for (const { who, action, count } of await hub.calls()) {
    hub.print(`  ${who.padEnd(8)} ${action.padEnd(22)} ${(count / appends).toFixed(3)}`);
  }
}

async function publish(hub: MeasuredHub, channel: string, expected: number): Promise<void> {
  const status = await post(hub, channel);
  if (status !== expected) throw new Error(`publish answered ${status}, expected ${expected}`);
}

/** Publishes one small message. Returns the status of the answer. */
export async function post(hub: Pick<MeasuredHub, 'url' | 'token'>, channel: string): Promise<number> {
  const headers = { Authorization: `Bearer ${hub.token}`, 'Content-Type': 'application/json' };
  const response = await fetch(`${hub.url}/channels/${channel}`, { method: 'POST', headers, body: MESSAGE });
  await response.arrayBuffer();
  return response.status;
}

/** Sends requests from several clients, each one at a time. Returns the rate and the latencies. */
export async function measureRound(
  requests: number,
  clients: number,
  send: (client: number) => Promise<void>,
): Promise<Round> {
  const times: number[] = [];
  const started = performance.now();
  const client = async (_: unknown, number: number): Promise<void> => {
    for (let n = 0; n < requests / clients; n++) {
      const sent = performance.now();
      await send(number);
      times.push(performance.now() - sent);
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  const seconds = (performance.now() - started) / 1_000;
  times.sort((a, b) => a - b);
  const at = (part: number) => quantile(times, part);
  return { perSecond: times.length / seconds, p50: at(0.5), p95: at(0.95), p99: at(0.99) };
}

function lineOf(kind: string, results: readonly Round[], floor: number): string {
  const perSecond = median(results.map((one) => one.perSecond));
  const p50 = median(results.map((one) => one.p50));
  const p99 = median(results.map((one) => one.p99));
  const raw = results.map((one) => Math.round(one.perSecond)).join(' ');
  const ratio = (perSecond / floor).toFixed(2);
  return `${kind.padEnd(16)} ${Math.round(perSecond)}/s (${ratio} of the floor)  p50 ${p50.toFixed(1)} ms  p99 ${p99.toFixed(1)} ms  rounds ${raw}`;
}
