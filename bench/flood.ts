/**
 * Denial of wallet: one caller publishes at ten times the rate of its route, and asks for ten times as many held
 * requests as there is room for. Another caller reads and publishes on other routes.
 *
 * Method: after a few requests to warm up, requests are sent at a fixed rate, without waiting for answers. The answers
 * are counted by status. The most parallel requests of each function are measured ten times per second. On AWS a
 * refused request costs nothing. docs/cost.md says what the rest costs.
 * @module
 */
import { setInterval } from 'node:timers/promises';
import type { MeasuredHub } from './hub.ts';

/** The hub that is flooded. */
export type FloodedHub = Pick<MeasuredHub, 'url' | 'token' | 'processes'>;

/** The size of the flood. */
export interface FloodOptions {
  /** Duration of the flood. */
  readonly seconds: number;
  /** The publishes per second that the route allows. Ten times as many are sent. */
  readonly publishesPerSecond: number;
  /** The reads that may be held. Ten times as many are requested each second. */
  readonly maxHolds: number;
}

type Statuses = Readonly<Record<string, number>>;

/** The answers, counted by status. */
export interface Flooded {
  /** The answers to the publishes, by status. */
  readonly publishes: Statuses;
  /** The answers to the long polls, by status. */
  readonly holds: Statuses;
  /** The other caller: a read, and a publish on the other path, a few times per second. */
  readonly others: Statuses;
  /** The most parallel requests, by function. The name is that of its construct. */
  readonly mostAtATime: Readonly<Record<string, number>>;
  /** The length of the flood, in milliseconds. */
  readonly elapsedMs: number;
}

const OVER = 10;
const WARM_UPS = 3;
const TICKS_PER_SECOND = 20;
const CHECKS_PER_SECOND = 10;
const OTHERS_PER_SECOND = 4;
const CHANNEL = 'bench/flood';

/** Runs the benchmark. Returns its result. */
export async function flood(hub: FloodedHub, options: FloodOptions): Promise<Flooded> {
  const { seconds, publishesPerSecond, maxHolds } = options;
  for (let n = 0; n < WARM_UPS; n++) await warmUp(hub);
  const counts = { publishes: newCounts(), holds: newCounts(), others: newCounts() };
  const mostAtATime: Record<string, number> = {};
  const began = performance.now();
  const ends = began + 1_000 * seconds;
  const inTime = () => performance.now() < ends;
  const publish = (path: string, count: Counts) =>
    count.of(ask(hub, `${path}/${CHANNEL}`, { method: 'POST' }));
  await Promise.all([
    atRate(TICKS_PER_SECOND, inTime, () => {
      for (let n = 0; n < (OVER * publishesPerSecond) / TICKS_PER_SECOND; n++)
        void publish('/channels', counts.publishes);
    }),
    atRate(OVER * maxHolds, inTime, () => {
      const path = `/channels/${CHANNEL}/silent?offset=now&live=long-poll`;
      void counts.holds.of(ask(hub, path, { headers: { Prefer: 'wait=1' } }));
    }),
    atRate(OTHERS_PER_SECOND, inTime, () => {
      void publish('/v1/stream', counts.others);
      void counts.others.of(ask(hub, `/channels/${CHANNEL}?offset=now`));
    }),
    atRate(CHECKS_PER_SECOND, inTime, async () => {
      const now: Record<string, number> = {};
      for (const { function: path, inFlight } of await hub.processes()) {
        const name = path.split('/')[1] ?? path;
        now[name] = (now[name] ?? 0) + inFlight;
      }
      for (const [name, count] of Object.entries(now))
        mostAtATime[name] = Math.max(mostAtATime[name] ?? 0, count);
    }),
  ]);
  await Promise.all(Object.values(counts).map(({ all }) => all()));
  const statuses = {
    publishes: counts.publishes.statuses,
    holds: counts.holds.statuses,
    others: counts.others.statuses,
  };
  return { ...statuses, mostAtATime, elapsedMs: performance.now() - began };
}

/** Prints the result. */
export function printFlood(
  { publishes, holds, others, mostAtATime, elapsedMs }: Flooded,
  print: (line: string) => void,
): void {
  const line = (counts: Statuses) =>
    Object.entries(counts)
      .map(([status, count]) => `${count} × ${status}`)
      .join(', ');
  print(`flood of ${(elapsedMs / 1_000).toFixed(1)} s, publishes: ${line(publishes)}`);
  print(`held reads: ${line(holds)}`);
  print(`another caller, by other routes: ${line(others)}`);
  print(
    `most requests at a time: ${Object.entries(mostAtATime)
      .map(([name, count]) => `${name} ${count}`)
      .join(', ')}`,
  );
}

/** Starts a process of every function on the way of an event, also of the push that wakes held reads. */
async function warmUp(hub: FloodedHub): Promise<void> {
  const path = `/channels/${CHANNEL}/warm`;
  const held = ask(hub, `${path}?offset=now&live=long-poll`, { headers: { Prefer: 'wait=5' } });
  await ask(hub, `${path}?offset=-1`);
  await ask(hub, path, { method: 'POST' });
  await held;
}

interface Counts {
  readonly statuses: Record<string, number>;
  /** Counts a status when it comes. Resolves after that. */
  of(status: Promise<number>): Promise<void>;
  /** Resolves when all statuses have come. */
  all(): Promise<void>;
}

function newCounts(): Counts {
  const statuses: Record<string, number> = {};
  const waiting = new Set<Promise<void>>();
  return {
    statuses,
    of(status) {
      const counted = status.then((is) => {
        statuses[is] = (statuses[is] ?? 0) + 1;
        waiting.delete(counted);
      });
      waiting.add(counted);
      return counted;
    },
    all: async () => void (await Promise.all(waiting)),
  };
}

async function atRate(perSecond: number, inTime: () => boolean, tick: () => unknown): Promise<void> {
  for await (const _ of setInterval(1_000 / perSecond)) {
    if (!inTime()) return;
    await tick();
  }
}

/** Returns the status of the answer, or 0 if the connection broke before it. */
async function ask({ url, token }: FloodedHub, path: string, init: RequestInit = {}): Promise<number> {
  const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' };
  const body = init.method === 'POST' ? '1' : null;
  const more = Object.fromEntries(new Headers(init.headers));
  try {
    const response = await fetch(`${url}${path}`, { ...init, body, headers: { ...headers, ...more } });
    await response.arrayBuffer();
    return response.status;
  } catch {
    return 0;
  }
}
