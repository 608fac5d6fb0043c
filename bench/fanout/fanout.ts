/**
 * The cost of posting one frame to very many connections, compared with the common way.
 *
 * Method: ROUNDS rounds. In each, every way posts one frame to POSTS connections of a gateway on the loopback
 * (fanout-gateway.ts). Each way has its own process, which has warmed up. They run one after the other, in an order
 * that rotates with the rounds. The gateway is a process as well, so that only the processor time of the posts is
 * measured. The median round is reported, with the raw rounds.
 *
 * `ours` is lambda/aws/sockets/socket-poster.ts. `sdk` is a `client.send` for each connection and a Promise.all around
 * them, with the defaults of the SDK. `tuned` is `sdk` with as many sockets as ours. `floor` has the same sockets and
 * bytes as ours, without signing, rate limiter and retries. `signature` only signs, and includes the cost of timing
 * each signature.
 * @module
 */
import { median } from '../numbers.ts';
import { answerOf, numberIn, start } from './processes.ts';

/** The number of connections. */
export const POSTS = 10_000;
/** The frame that is posted. */
export const FRAME = JSON.stringify({ channel: 'bench/fanout', messages: [{ text: 'x'.repeat(240) }] });

/** The result of one round of one way. */
export interface Measurement {
  /** The time until the last answer. */
  readonly seconds: number;
  /** Processor time of the whole process, user and system, in microseconds per post. */
  readonly cpuMicros: number;
  /** The median time from a call to its answer, in milliseconds. */
  readonly waitMs: number;
}

const ROUNDS = 5;
const WAYS = ['ours', 'sdk', 'tuned', 'floor', 'signature'];

/** The goals: the posts per second as a multiple of the SDK's, and the processor time as a multiple of the floor's. */
const AIMED_SPEED = 5;
const AIMED_CPU = 2;

/** Runs the benchmark, and prints its result. */
export async function fanout(print: (line: string) => void): Promise<void> {
  const gateway = start('fanout-gateway.ts');
  try {
    const endpoint = `https://localhost:${numberIn(await answerOf(gateway), 'port')}/ws`;
    print(`fanout: a frame of ${FRAME.length} bytes to ${POSTS} connections, ${ROUNDS} rounds\n`);
    const rounds = new Map<string, Measurement[]>(WAYS.map((way) => [way, []]));
    for (let n = 0; n < ROUNDS; n++) {
      const order = [...WAYS.slice(n % WAYS.length), ...WAYS.slice(0, n % WAYS.length)];
      for (const way of order) rounds.get(way)?.push(await measured(way, endpoint));
    }
    report(rounds, print);
  } finally {
    gateway.disconnect();
  }
}

function report(rounds: ReadonlyMap<string, readonly Measurement[]>, print: (line: string) => void): void {
  for (const [way, measurements] of rounds) print(lineOf(way, measurements));
  const mid = (way: string, of: (one: Measurement) => number) => median((rounds.get(way) ?? []).map(of));
  const speed = mid('ours', perSecond) / mid('sdk', perSecond);
  const allowed = AIMED_CPU * mid('floor', cpuMicros) + mid('signature', cpuMicros);
  print(
    `\nours posts ${speed.toFixed(1)} times as fast as the SDK (aim: at least ${AIMED_SPEED}), for ${mid('ours', cpuMicros).toFixed(0)} µs of processor time each (aim: at most ${AIMED_CPU} times the floor and a signature, ${allowed.toFixed(0)} µs)`,
  );
}

const perSecond = ({ seconds }: Measurement): number => POSTS / seconds;
const cpuMicros = (one: Measurement): number => one.cpuMicros;

function lineOf(way: string, measurements: readonly Measurement[]): string {
  const speeds = measurements.map(perSecond);
  const cpus = measurements.map(cpuMicros);
  const last = median(measurements.map(({ seconds }) => seconds * 1_000));
  const wait = median(measurements.map(({ waitMs }) => waitMs));
  return [
    `${way.padEnd(9)} ${median(speeds).toFixed(0).padStart(6)}/s`,
    `${median(cpus).toFixed(1).padStart(6)} µs`,
    `last after ${last.toFixed(0).padStart(5)} ms`,
    `half after ${wait.toFixed(0).padStart(5)} ms`,
    `rounds ${speeds.map(Math.round).join(' ')} /s, ${cpus.map(Math.round).join(' ')} µs`,
  ].join('  ');
}

async function measured(way: string, endpoint: string): Promise<Measurement> {
  const answer = await answerOf(start('fanout-posts.ts', way, endpoint));
  return {
    seconds: numberIn(answer, 'seconds'),
    cpuMicros: numberIn(answer, 'cpuMicros'),
    waitMs: numberIn(answer, 'waitMs'),
  };
}
