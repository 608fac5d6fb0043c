/**
 * Measures the time of a message to very many connections, if their pattern has one shard or several.
 *
 * Method: ROUNDS rounds of each number of shards, in an order that rotates with the rounds. Each shard has its own
 * process, as on Lambda, which is new in each round. In it the push of the hub (lambda/hub/push/push-shard.ts) posts
 * with the poster of the hub (lambda/aws/sockets/socket-poster.ts) to a gateway on the loopback that answers after 15
 * ms over TLS (fanout-gateway.ts). All processes get the order to push at the same moment. That moment stands for the
 * hint, and the time ends when the last post is answered. The first push is reported as `cold`: sockets are not open,
 * and code is not compiled. Then each process pushes until it has made WARM_UP_POSTS posts, and then once more. That
 * last push counts.
 *
 * The result: the processes share the cores of this machine with each other and with the gateway. On Lambda
 * each has its own. There the time is at least the processor time of the busiest process. Here it is at least the
 * processor time of all processes and the gateway, divided by the cores. Each process keeps to the posts per second of
 * a deployed hub, 10,000, and 1,000 at once. One process alone reaches that limit, so one shard takes at least 900 ms.
 * Stores are in memory and answer at once. The time of DynamoDB, and of the queue that passes the task to several
 * shards, must be added. Resident memory counts shared memory in each process. `at rest` is the memory of a process
 * that has loaded the program and done nothing.
 * @module
 */
import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { median, sum } from '../numbers.ts';
import { answerOf, numberIn, start } from './processes.ts';

/** The number of connections. */
export const CONNECTIONS = 10_000;

const MESSAGE_BYTES = 300;
const ENVELOPE_BYTES = JSON.stringify({ text: '' }).length;
/** The message that is pushed. */
export const MESSAGE = JSON.stringify({ text: 'x'.repeat(MESSAGE_BYTES - ENVELOPE_BYTES) });

/** The result of one push of one process. */
export interface PushMeasurement {
  /** The number of posts. */
  readonly posts: number;
  /** The time of the last answer, in milliseconds since 1970, because processes share that clock. */
  readonly lastAt: number;
  /** Processor time of the push, in milliseconds. */
  readonly cpuMs: number;
  /** Resident memory after the push. */
  readonly residentMb: number;
  /** Resident memory before the first push. */
  readonly idleMb: number;
}

const SHARDS = [1, 4, 16];
const ROUNDS = 3;
const WARM_UP_POSTS = 2_500;

/** The unit of processor time in /proc: USER_HZ, the same on all common machines. */
const TICK_MS = 10;
/** Fields of /proc/pid/stat after the name of the program: user time and system time. */
const USER_FIELD = 11;
const SYSTEM_FIELD = 12;

interface Round {
  readonly coldMs: number;
  readonly lastMs: number;
  readonly members: readonly number[];
  readonly pushed: readonly PushMeasurement[];
  readonly gatewayCpuMs: number;
}

/** Runs the benchmark, and prints its result. */
export async function shards(print: (line: string) => void): Promise<void> {
  const gateway = start('fanout-gateway.ts');
  try {
    const endpoint = `https://localhost:${numberIn(await answerOf(gateway), 'port')}/ws`;
    print(
      `shards: a message of ${MESSAGE.length} bytes to ${CONNECTIONS} connections of one pattern, ${ROUNDS} rounds\n`,
    );
    const rounds = new Map<number, Round[]>(SHARDS.map((count) => [count, []]));
    for (let n = 0; n < ROUNDS; n++) {
      const order = [...SHARDS.slice(n % SHARDS.length), ...SHARDS.slice(0, n % SHARDS.length)];
      for (const count of order) rounds.get(count)?.push(await measured(count, endpoint, gateway));
    }
    for (const [count, results] of rounds) report(count, results, print);
  } finally {
    gateway.disconnect();
  }
}

async function measured(count: number, endpoint: string, gateway: ChildProcess): Promise<Round> {
  const processes = Array.from({ length: count }, (_, shard) =>
    start('shards-process.ts', endpoint, String(shard), String(count)),
  );
  try {
    const ready = await Promise.all(processes.map(answerOf));
    const members = ready.map((answer) => numberIn(answer, 'members'));
    const cold = await pushed(processes);
    const fewest = Math.min(...members);
    for (let posts = fewest; posts < WARM_UP_POSTS; posts += fewest) await pushed(processes);
    const before = cpuMsOf(gateway);
    const warm = await pushed(processes);
    return { ...warm, coldMs: cold.lastMs, members, gatewayCpuMs: cpuMsOf(gateway) - before };
  } finally {
    for (const one of processes) if (one.connected) one.disconnect();
  }
}

async function pushed(processes: readonly ChildProcess[]): Promise<Pick<Round, 'lastMs' | 'pushed'>> {
  const answers = Promise.all(processes.map(answerOf));
  const hintedAt = Date.now();
  for (const one of processes) one.send('push');
  const all = (await answers).map(pushedOf);
  return { lastMs: Math.max(...all.map(({ lastAt }) => lastAt)) - hintedAt, pushed: all };
}

function cpuMsOf({ pid }: ChildProcess): number {
  const [, fields = ''] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ');
  const ticks = fields.split(' ').map(Number);
  return TICK_MS * ((ticks[USER_FIELD] ?? Number.NaN) + (ticks[SYSTEM_FIELD] ?? Number.NaN));
}

const pushedOf = (answer: unknown): PushMeasurement => ({
  posts: numberIn(answer, 'posts'),
  lastAt: numberIn(answer, 'lastAt'),
  cpuMs: numberIn(answer, 'cpuMs'),
  residentMb: numberIn(answer, 'residentMb'),
  idleMb: numberIn(answer, 'idleMb'),
});

/** The rows of the report. */
const ROWS: Readonly<Record<string, (round: Round) => number>> = {
  'hint to last post answered, ms': ({ lastMs }) => lastMs,
  'the same cold, ms': ({ coldMs }) => coldMs,
  'posts per second': ({ pushed, lastMs }) => sum(pushed.map(({ posts }) => posts)) / (lastMs / 1_000),
  'processor time in total, ms': ({ pushed }) => sum(pushed.map(({ cpuMs }) => cpuMs)),
  'that of the busiest process, ms': ({ pushed }) => Math.max(...pushed.map(({ cpuMs }) => cpuMs)),
  'that of the gateway, ms': ({ gatewayCpuMs }) => gatewayCpuMs,
  'resident memory per process, MB': ({ pushed }) => median(pushed.map(({ residentMb }) => residentMb)),
  'at rest, MB': ({ pushed }) => median(pushed.map(({ idleMb }) => idleMb)),
  'resident memory in total, MB': ({ pushed }) => sum(pushed.map(({ residentMb }) => residentMb)),
};

const LABEL_WIDTH = Math.max(...Object.keys(ROWS).map(({ length }) => length));
const NUMBER_WIDTH = 6;

function report(count: number, rounds: readonly Round[], print: (line: string) => void): void {
  const members = rounds.flatMap((round) => round.members);
  print(`shards: ${count}, each of ${Math.min(...members)} to ${Math.max(...members)} members`);
  for (const [label, of] of Object.entries(ROWS)) {
    const raw = rounds.map(of);
    const middle = median(raw).toFixed(0).padStart(NUMBER_WIDTH);
    print(`  ${label.padEnd(LABEL_WIDTH)}  median ${middle}  rounds ${raw.map(Math.round).join(' ')}`);
  }
  print('');
}
