/**
 * Counts the frames that a burst of events becomes on sockets. Fewer frames are fewer billed units.
 *
 * Method: SOCKETS sockets subscribe to one channel. There are ROUNDS rounds, after one to warm up. In each, EVENTS
 * events are published over HTTP, one per request: all at once (`burst`), then one every DRIP_MS (`drip`). On every
 * socket all frames are counted until SETTLE_MS after the last socket has the last message. A billed unit is each
 * started 32 KB of a frame. One frame per event would be as many units as events. Times begin with the first request of
 * the round. A latency is the time from the request of an event to its frame on a socket, over all events and sockets.
 * Publisher, sockets and the local gateways share one process, so their time is measured, too. Every frame is checked
 * by the gap rule.
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { FRAME_BYTES } from '../protocol/limits.ts';
import { type Arrival, type Listener, listen } from './burst-listeners.ts';
import type { MeasuredHub } from './hub.ts';
import { median, quantile, sorted, sum } from './numbers.ts';

const SOCKETS = 100;
const EVENTS = 100;
const ROUNDS = 5;
const DRIP_MS = 50;
const TEXT = 'x'.repeat(240);

/** A message that has not come after this time, in milliseconds, is missing. */
const PATIENCE_MS = 20_000;
/** The wait for frames that come twice, in milliseconds. */
const SETTLE_MS = 1_000;
/**
 * The time between two checks whether all frames have come, in milliseconds. A frame is recorded when it comes, so this
 * adds no delay.
 */
const POLL_MS = 50;

type Publish = (n: number) => Promise<void>;
type Schedule = (numbers: readonly number[], publish: Publish) => Promise<void>;

interface Round {
  /** The time until the last publish was answered, in milliseconds. */
  readonly publishedMs: number;
  /** The time until the last socket had the last message, in milliseconds. */
  readonly lastMs: number;
  /** Sorted, in milliseconds: for each event on each socket. */
  readonly latencies: readonly number[];
  /** For each connection. */
  readonly frames: readonly number[];
  /** Billed units, for each connection. */
  readonly units: readonly number[];
  /** For each frame. */
  readonly bytes: readonly number[];
  /** Frames before which a message was missing. */
  readonly gaps: number;
  /** Messages that did not come, over all sockets. */
  readonly missing: number;
  /** Messages that were delivered twice, over all sockets. */
  readonly doubled: number;
  /** Repeated frames that the rule dropped, as it must. */
  readonly dropped: number;
}

const SCHEDULES: Readonly<Record<string, Schedule>> = {
  async burst(numbers, publish) {
    await Promise.all(numbers.map(publish));
  },
  async drip(numbers, publish) {
    const publishing: Promise<void>[] = [];
    for (const n of numbers) {
      publishing.push(publish(n));
      await sleep(DRIP_MS);
    }
    await Promise.all(publishing);
  },
};

/** Runs the benchmark, and prints its result. */
export async function burst(hub: MeasuredHub): Promise<void> {
  const channel = `bench/burst/${Date.now()}`;
  // This message creates the channel, so that the sockets can subscribe to it.
  await publishTo(hub, channel, -1);
  const listeners = await Promise.all(Array.from({ length: SOCKETS }, () => listen(hub, channel)));
  hub.print(
    `burst: ${SOCKETS} sockets on one channel, ${EVENTS} events of ${messageOf(0).length} bytes, ${ROUNDS} rounds\n`,
  );
  let first = 0;
  for (const [name, schedule] of Object.entries(SCHEDULES)) {
    const rounds: Round[] = [];
    for (let n = 0; n <= ROUNDS; n++) {
      const numbers = Array.from({ length: EVENTS }, (_, at) => first + at);
      first += EVENTS;
      const one = await round(numbers, schedule, listeners, (number) => publishTo(hub, channel, number));
      if (n > 0) rounds.push(one);
    }
    report(name, rounds, hub.print);
  }
  for (const listener of listeners) listener.close();
}

const messageOf = (n: number): string => JSON.stringify({ n, text: TEXT });

async function publishTo({ url, token }: MeasuredHub, channel: string, n: number): Promise<void> {
  const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' };
  const init = { method: 'POST', headers, body: messageOf(n) };
  const response = await fetch(`${url}/channels/${channel}`, init);
  await response.arrayBuffer();
  if (!response.ok) throw new Error(`publish answered ${response.status}`);
}

async function round(
  numbers: readonly number[],
  schedule: Schedule,
  listeners: readonly Listener[],
  publish: Publish,
): Promise<Round> {
  for (const listener of listeners) listener.forget();
  const sent = new Map<number, number>();
  const started = performance.now();
  await schedule(numbers, (n) => {
    sent.set(n, performance.now());
    return publish(n);
  });
  const published = performance.now();
  await allCame(listeners, numbers.length);
  const arrivals = listeners.map((listener) => listener.arrivals());
  const frames = arrivals.flat();
  const delivered = arrivals.map((all) => all.filter(isNext).flatMap(numbersIn));
  const count = (decision: string) => frames.filter((frame) => frame.decision === decision).length;
  return {
    publishedMs: published - started,
    lastMs: Math.max(...frames.filter(isNext).map(({ at }) => at)) - started,
    latencies: sorted(
      frames.filter(isNext).flatMap((frame) => numbersIn(frame).map((n) => frame.at - (sent.get(n) ?? NaN))),
    ),
    frames: arrivals.map((all) => all.length),
    units: arrivals.map((all) => sum(all.map(({ bytes }) => Math.ceil(bytes / FRAME_BYTES)))),
    bytes: frames.map(({ bytes }) => bytes),
    gaps: count('gap'),
    missing: sum(delivered.map((had) => numbers.filter((n) => !had.includes(n)).length)),
    doubled: sum(delivered.map((had) => had.length - new Set(had).size)),
    dropped: count('old'),
  };
}

async function allCame(listeners: readonly Listener[], count: number): Promise<void> {
  const lacks = (listener: Listener) => listener.arrivals().filter(isNext).flatMap(numbersIn).length < count;
  const end = performance.now() + PATIENCE_MS;
  while (listeners.some(lacks) && performance.now() < end) await sleep(POLL_MS);
  await sleep(SETTLE_MS);
}

const isNext = ({ decision }: Arrival): boolean => decision === 'next';

const numbersIn = ({ messages }: Arrival): number[] =>
  messages.map((message) =>
    typeof message === 'object' && message !== null ? Number(Reflect.get(message, 'n')) : Number.NaN,
  );

function report(name: string, rounds: readonly Round[], print: (line: string) => void): void {
  const times = (of: (one: Round) => number) => {
    const raw = rounds.map(of);
    return `median ${median(raw).toFixed(0)} ms  rounds ${raw.map(Math.round).join(' ')}`;
  };
  const range = (values: readonly number[]) =>
    `min ${Math.min(...values)}  median ${median(values)}  max ${Math.max(...values)}`;
  const each = (of: (one: Round) => readonly number[]) =>
    `${range(rounds.flatMap(of))}  medians of rounds ${rounds.map((one) => median(of(one))).join(' ')}`;
  const all = (of: (one: Round) => number) => sum(rounds.map(of));
  const violations = all(({ gaps, missing, doubled }) => gaps + missing + doubled);
  print(`${name}
  last publish answered       ${times(({ publishedMs }) => publishedMs)}
  last socket has the last    ${times(({ lastMs }) => lastMs)}
  publish to frame, p50       ${times(({ latencies }) => quantile(latencies, 0.5))}
  publish to frame, p99       ${times(({ latencies }) => quantile(latencies, 0.99))}
  frames per connection       ${each(({ frames }) => frames)}
  billed units per connection ${each(({ units }) => units)}, of ${EVENTS} for one frame per event
  bytes per frame             ${each(({ bytes }) => bytes)}
  violations of the gap rule  ${violations} (${all(({ gaps }) => gaps)} gaps, ${all(({ missing }) => missing)} missing, ${all(({ doubled }) => doubled)} doubled); ${all(({ dropped }) => dropped)} frames were repeated and dropped
`);
}
