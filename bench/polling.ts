/**
 * Short polling by the advice of the hub (`Stream-Poll-After`), compared with a poll every 2 s: empty answers, and how late messages
 * are seen.
 *
 * Method: a busy, a sparse and a bursty channel get messages for SECONDS seconds. Two groups of POLLERS readers poll each channel at the
 * same time, each reader at its own random moment. One group waits as advised, the other for FIXED_MS. Both are a quarter shorter or
 * longer at random, as in client/.
 * @module
 */
import { setTimeout as wait } from 'node:timers/promises';
import type { MeasuredHub } from './hub.ts';
import { quantile, sorted } from './numbers.ts';

const SECONDS = 240;
const POLLERS = 10;
const FIXED_MS = 2_000;

/** How often messages come, in milliseconds from one to the next. A burst is 20 messages in 2 s, once a minute. */
const CHANNELS: Readonly<Record<string, (nth: number) => number>> = {
  'busy (2 a second)': () => 500,
  'sparse (every 50 s)': () => 50_000,
  'bursty (20 in 2 s, every minute)': (nth) => (nth % 20 === 0 ? 58_000 : 100),
};

/** What one group of readers of a channel met. */
interface Seen {
  requests: number;
  empty: number;
  readonly delays: number[];
}

/** Runs the benchmark, and prints its result. */
export async function polling(hub: MeasuredHub): Promise<void> {
  hub.print(`polling: ${SECONDS} s, ${POLLERS} readers in each group`);
  hub.print(`${'channel'.padEnd(34)} ${'waits'.padEnd(10)} requests  empty  p50 s  p95 s`);
  const ended = performance.now() + SECONDS * 1_000;
  const rows = await Promise.all(
    Object.entries(CHANNELS).map(([name, pause]) => measure(hub, name, pause, ended)),
  );
  for (const line of rows.flat()) hub.print(line);
}

async function measure(
  hub: MeasuredHub,
  name: string,
  pause: (nth: number) => number,
  ended: number,
): Promise<string[]> {
  const channel = `bench/polling/${name.slice(0, 4)}-${Date.now()}`;
  const groups: Readonly<Record<string, Seen>> = {
    advised: { requests: 0, empty: 0, delays: [] },
    'every 2 s': { requests: 0, empty: 0, delays: [] },
  };
  await publish(hub, channel);
  const readers = Object.entries(groups).flatMap(([kind, seen]) =>
    Array.from({ length: POLLERS }, () => read(hub, channel, kind === 'advised', seen, ended)),
  );
  for (let nth = 1; performance.now() < ended; nth++) {
    await wait(Math.max(0, Math.min(pause(nth), ended - performance.now())));
    await publish(hub, channel);
  }
  await Promise.all(readers);
  return Object.entries(groups).map(([kind, { requests, empty, delays }]) => {
    const inOrder = sorted(delays);
    const at = (part: number): string => (quantile(inOrder, part) / 1_000).toFixed(1).padStart(6);
    const share = `${Math.round((100 * empty) / requests)} %`.padStart(6);
    return `${name.padEnd(34)} ${kind.padEnd(10)} ${String(requests).padStart(8)} ${share} ${at(0.5)} ${at(0.95)}`;
  });
}

async function publish(hub: MeasuredHub, channel: string): Promise<void> {
  const headers = { ...authorization(hub), 'Content-Type': 'application/json' };
  const body = String(Date.now());
  const response = await fetch(`${hub.url}/channels/${channel}`, { method: 'POST', headers, body });
  if (response.status !== 204) throw new Error(`publish answered ${response.status}, expected 204`);
}

/** Polls until the end of the measurement. A message is the time of its publish, in milliseconds since 1970. */
async function read(
  hub: MeasuredHub,
  channel: string,
  isAdvised: boolean,
  seen: Seen,
  ended: number,
): Promise<void> {
  let offset = 'now';
  for (let advice = FIXED_MS; performance.now() < ended; ) {
    await wait((isAdvised ? advice : FIXED_MS) * (0.75 + Math.random() / 2));
    const url = `${hub.url}/channels/${channel}?offset=${offset}`;
    const response = await fetch(url, { headers: authorization(hub) });
    const messages: unknown = await response.json();
    seen.requests += 1;
    // A store that is busy. The reader asks again from the same offset.
    if (response.status === 503) continue;
    if (response.status !== 200 || !Array.isArray(messages))
      throw new Error(`a read answered ${response.status}, expected 200 or 503`);
    if (messages.length === 0) seen.empty += 1;
    for (const message of messages) seen.delays.push(Date.now() - Number(message));
    offset = response.headers.get('Stream-Next-Offset') ?? offset;
    advice = 1_000 * Number(response.headers.get('Stream-Poll-After') ?? 1);
  }
}

const authorization = ({ token }: MeasuredHub): Readonly<Record<string, string>> => ({
  Authorization: `Bearer ${token}`,
});
