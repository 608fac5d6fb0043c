/**
 * What it costs to post one frame to very many connections, side by side with the common way to do it.
 *
 * Method: ROUNDS rounds. In each, every way posts one frame to POSTS connections of a gateway on the loopback
 * (fanout-gateway.ts), each in a process of its own that has warmed up, one after the other, in an order that rotates
 * with the rounds. The gateway is a process too, so that the processor time is that of the posts alone. The median round
 * is reported, with the raw rounds beside it.
 *
 * `ours` is lambda/aws/sockets/socket-poster.ts. `idiom` is a `client.send` for each connection and a Promise.all around them, with
 * the SDK as it comes. `tuned` is that with as many sockets as ours. `floor` is the same sockets and bytes as ours
 * without signing, pacing or retrying. `signature` is signing alone, and includes what it costs to time each.
 * @module
 */
import { median } from '../numbers.ts';
import { answerOf, numberIn, start } from './processes.ts';

export const POSTS = 10_000;
export const FRAME = JSON.stringify({ channel: 'bench/fanout', messages: [{ text: 'x'.repeat(240) }] });

/** What one round of one way took. */
export interface Taken {
  readonly seconds: number;
  /** Processor time of the whole process, user and system, in microseconds for each post. */
  readonly cpuMicros: number;
  /** From the call to its answer, the median of all posts, in milliseconds. */
  readonly waitMs: number;
}

const ROUNDS = 5;
const WAYS = ['ours', 'idiom', 'tuned', 'floor', 'signature'];

/** What is aimed at: times the posts a second of the idiom, and times the processor time of the floor. */
const AIMED_SPEED = 5;
const AIMED_CPU = 2;

export async function fanout(say: (line: string) => void): Promise<void> {
  const gateway = start('fanout-gateway.ts');
  try {
    const endpoint = `https://localhost:${numberIn(await answerOf(gateway), 'port')}/ws`;
    say(`fanout: a frame of ${FRAME.length} bytes to ${POSTS} connections, ${ROUNDS} rounds\n`);
    const rounds = new Map<string, Taken[]>(WAYS.map((way) => [way, []]));
    for (let n = 0; n < ROUNDS; n++) {
      const order = [...WAYS.slice(n % WAYS.length), ...WAYS.slice(0, n % WAYS.length)];
      for (const way of order) rounds.get(way)?.push(await measured(way, endpoint));
    }
    report(rounds, say);
  } finally {
    gateway.disconnect();
  }
}

function report(rounds: ReadonlyMap<string, readonly Taken[]>, say: (line: string) => void): void {
  for (const [way, taken] of rounds) say(lineOf(way, taken));
  const mid = (way: string, of: (one: Taken) => number) => median((rounds.get(way) ?? []).map(of));
  const speed = mid('ours', perSecond) / mid('idiom', perSecond);
  const allowed = AIMED_CPU * mid('floor', cpuMicros) + mid('signature', cpuMicros);
  say(
    `\nours posts ${speed.toFixed(1)} times as fast as the idiom (aim: at least ${AIMED_SPEED}), for ${mid('ours', cpuMicros).toFixed(0)} µs of processor time each (aim: at most ${AIMED_CPU} times the floor and a signature, ${allowed.toFixed(0)} µs)`,
  );
}

const perSecond = ({ seconds }: Taken): number => POSTS / seconds;
const cpuMicros = (one: Taken): number => one.cpuMicros;

function lineOf(way: string, taken: readonly Taken[]): string {
  const speeds = taken.map(perSecond);
  const cpus = taken.map(cpuMicros);
  const last = median(taken.map(({ seconds }) => seconds * 1_000));
  const wait = median(taken.map(({ waitMs }) => waitMs));
  return [
    `${way.padEnd(9)} ${median(speeds).toFixed(0).padStart(6)}/s`,
    `${median(cpus).toFixed(1).padStart(6)} µs`,
    `last after ${last.toFixed(0).padStart(5)} ms`,
    `half after ${wait.toFixed(0).padStart(5)} ms`,
    `rounds ${speeds.map(Math.round).join(' ')} /s, ${cpus.map(Math.round).join(' ')} µs`,
  ].join('  ');
}

async function measured(way: string, endpoint: string): Promise<Taken> {
  const answer = await answerOf(start('fanout-posts.ts', way, endpoint));
  return {
    seconds: numberIn(answer, 'seconds'),
    cpuMicros: numberIn(answer, 'cpuMicros'),
    waitMs: numberIn(answer, 'waitMs'),
  };
}
