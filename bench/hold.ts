/**
 * The cost of held requests: CLIENTS clients hold a long poll on one channel, then one publish wakes them all.
 *
 * Method: ROUNDS rounds, after one to warm up. Each measures the time from the answer of the publish to the first and
 * to the last of the held answers. After that, all clients, and then a single one, hold for HOLD_SECONDS without a
 * message, and the DynamoDB reads in that time are counted. Per client and minute they fall with the number of clients.
 * In total they must not grow. The resident memory of the holding process is measured at the end.
 * @module
 */
import { readFileSync } from 'node:fs';
import type { MeasuredHub } from './hub.ts';
import { median } from './numbers.ts';

const CLIENTS = 500;
const MANY_CLIENTS = 1_000;
const HOLD_SECONDS = 10;
const ROUNDS = 5;

/** Runs the benchmark, and prints its result. */
export async function hold(hub: MeasuredHub): Promise<void> {
  await heldRound(hub, 'bench/hold/warm');
  hub.print(`hold: ${CLIENTS} clients on one channel, ${ROUNDS} rounds\n`);
  const rounds = [];
  for (let n = 0; n < ROUNDS; n++) rounds.push(await heldRound(hub, `bench/hold/${n}`));
  for (const part of ['first', 'last'] as const) {
    const times = rounds.map((round) => round[part]);
    hub.print(
      `publish to ${part.padEnd(5)} answer  median ${median(times).toFixed(0)} ms  rounds ${times.map(Math.round).join(' ')}`,
    );
  }
  for (const clients of [1, CLIENTS]) {
    const reads = await silentReads(hub, clients);
    const perMinute = (reads / clients) * (60 / HOLD_SECONDS);
    hub.print(
      `${clients} held in silence for ${HOLD_SECONDS} s: ${reads} DynamoDB reads, ${perMinute.toFixed(2)} per client-minute`,
    );
  }
  hub.print(`${MANY_CLIENTS} held: ${await residentMb(hub)} MB resident in the process that holds`);
}

interface Round {
  readonly first: number;
  readonly last: number;
}

async function heldRound(hub: MeasuredHub, channel: string): Promise<Round> {
  const end = await publish(hub, channel);
  const answers: number[] = [];
  const waiting = Array.from({ length: CLIENTS }, async () => {
    const status = await poll(hub, channel, end, 20);
    answers.push(performance.now());
    if (status !== 200) throw new Error(`a held read answered ${status}`);
  });
  await allHeld(hub, CLIENTS);
  await publish(hub, channel);
  const published = performance.now();
  await Promise.all(waiting);
  return { first: Math.min(...answers) - published, last: Math.max(...answers) - published };
}

async function silentReads(hub: MeasuredHub, clients: number): Promise<number> {
  const channel = `bench/hold/silent${clients}`;
  const end = await publish(hub, channel);
  await hub.forgetCalls();
  await Promise.all(Array.from({ length: clients }, () => poll(hub, channel, end, HOLD_SECONDS)));
  const reads = (await hub.calls()).filter(
    ({ who, action }) => who === 'Hold' && /GetItem|Query/.test(action),
  );
  return reads.reduce((sum, { count }) => sum + count, 0);
}

async function residentMb(hub: MeasuredHub): Promise<number> {
  const channel = 'bench/hold/memory';
  const end = await publish(hub, channel);
  const waiting = Array.from({ length: MANY_CLIENTS }, () => poll(hub, channel, end, 20));
  await allHeld(hub, MANY_CLIENTS);
  const pids = (await hub.processes()).filter((one) => one.function.includes('Hold')).map(({ pid }) => pid);
  const sizes = pids.map(
    (pid) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1_024,
  );
  await publish(hub, channel);
  await Promise.all(waiting);
  return Math.round(Math.max(...sizes));
}

async function allHeld(hub: MeasuredHub, clients: number): Promise<void> {
  const isHeld = async () =>
    (await hub.processes()).some((one) => one.function.includes('Hold') && one.inFlight >= clients);
  for (let tries = 0; !(await isHeld()); tries++) {
    if (tries > 600) throw new Error(`${clients} clients were not held after a minute`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function poll(hub: MeasuredHub, channel: string, offset: string, seconds: number): Promise<number> {
  const headers = { Authorization: `Bearer ${hub.token}`, Prefer: `wait=${seconds}` };
  const response = await fetch(`${hub.url}/channels/${channel}?live=long-poll&offset=${offset}`, { headers });
  await response.arrayBuffer();
  return response.status;
}

async function publish(hub: MeasuredHub, channel: string): Promise<string> {
  const headers = { Authorization: `Bearer ${hub.token}`, 'Content-Type': 'application/json' };
  const response = await fetch(`${hub.url}/channels/${channel}`, { method: 'POST', headers, body: '1' });
  return response.headers.get('Stream-Next-Offset') ?? '';
}
