/**
 * Denial of wallet: one caller publishes ten times as fast as his route lets through, and asks ten times as often
 * to be held for a second as there is room for, while another reads and publishes by other routes.
 *
 * Method: after some of each to warm up, requests leave at a fixed pace, whatever comes back. What is counted is the answers by status, and the most
 * requests that were with each function at a time, looked at ten times a second. On AWS a refused request costs nothing;
 * docs/cost.md says what the rest costs.
 * @module
 */
import { setInterval } from 'node:timers/promises';
import type { BenchedHub } from './hub.ts';

export type FloodedHub = Pick<BenchedHub, 'url' | 'token' | 'processes'>;

export interface FloodOptions {
  readonly seconds: number;
  /** What the route of publishes lets through a second; ten times that is sent. */
  readonly publishesPerSecond: number;
  /** How many reads may be held; ten times that are asked for, each second. */
  readonly maxHolds: number;
}

type Statuses = Readonly<Record<string, number>>;

export interface Flooded {
  readonly publishes: Statuses;
  readonly holds: Statuses;
  /** Of the other caller: a read, and a publish by the other path, a few times a second. */
  readonly others: Statuses;
  /** By function, named as its construct. */
  readonly mostAtATime: Readonly<Record<string, number>>;
  readonly elapsedMs: number;
}

const OVER = 10;
const WARM_UPS = 3;
const TICKS_PER_SECOND = 20;
const LOOKS_PER_SECOND = 10;
const OTHERS_PER_SECOND = 4;
const CHANNEL = 'bench/flood';

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
    pace(TICKS_PER_SECOND, inTime, () => {
      for (let n = 0; n < (OVER * publishesPerSecond) / TICKS_PER_SECOND; n++)
        void publish('/channels', counts.publishes);
    }),
    pace(OVER * maxHolds, inTime, () => {
      const path = `/channels/${CHANNEL}/silent?offset=now&live=long-poll`;
      void counts.holds.of(ask(hub, path, { headers: { Prefer: 'wait=1' } }));
    }),
    pace(OTHERS_PER_SECOND, inTime, () => {
      void publish('/v1/stream', counts.others);
      void counts.others.of(ask(hub, `/channels/${CHANNEL}?offset=now`));
    }),
    pace(LOOKS_PER_SECOND, inTime, async () => {
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

export function sayFlood(
  { publishes, holds, others, mostAtATime, elapsedMs }: Flooded,
  say: (line: string) => void,
): void {
  const line = (counts: Statuses) =>
    Object.entries(counts)
      .map(([status, count]) => `${count} × ${status}`)
      .join(', ');
  say(`flood of ${(elapsedMs / 1_000).toFixed(1)} s, publishes: ${line(publishes)}`);
  say(`held reads: ${line(holds)}`);
  say(`another caller, by other routes: ${line(others)}`);
  say(
    `most requests at a time: ${Object.entries(mostAtATime)
      .map(([name, count]) => `${name} ${count}`)
      .join(', ')}`,
  );
}

/** All functions on the way of an event have a process: the push, too, by which the held read is woken. */
async function warmUp(hub: FloodedHub): Promise<void> {
  const path = `/channels/${CHANNEL}/warm`;
  const held = ask(hub, `${path}?offset=now&live=long-poll`, { headers: { Prefer: 'wait=5' } });
  await ask(hub, `${path}?offset=-1`);
  await ask(hub, path, { method: 'POST' });
  await held;
}

interface Counts {
  readonly statuses: Record<string, number>;
  /** Counts the status that comes, and is done when it has. */
  of(status: Promise<number>): Promise<void>;
  /** Ends when everything has come. */
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

async function pace(perSecond: number, inTime: () => boolean, tick: () => unknown): Promise<void> {
  for await (const _ of setInterval(1_000 / perSecond)) {
    if (!inTime()) return;
    await tick();
  }
}

/** The status of the answer, or 0 if the connection broke before there was one. */
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
