/**
 * The clients of the benchmark `local`, in a process of their own: publishers, and readers of one transport.
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { measureRound, post } from '../append.ts';
import { quantile, sorted, sum } from '../numbers.ts';
import { type Open, openLongPoll, openSocket, openStream, type Source } from './readers.ts';

/** The work of the clients. */
export type Workload =
  /** Publishers, each with one request at a time to its own channel. */
  | { readonly kind: 'publish'; readonly hub: Source; readonly clients: number; readonly requests: number }
  /** Readers of one channel, and one publisher at a steady rate. */
  | {
      readonly kind: keyof typeof READERS;
      readonly hub: Source;
      readonly readers: number;
      readonly events: number;
      readonly perSecond: number;
    }
  /** Sockets that subscribe and wait. */
  | { readonly kind: 'idle'; readonly hub: Source; readonly readers: number };

/** The result of a workload. Delays are in milliseconds, until the answer of a publish or until the arrival at a reader. */
export interface Outcome {
  readonly perSecond: number;
  readonly p50: number;
  readonly p95: number;
  /** Publishes that were refused. */
  readonly refused: number;
  /** Accepted messages that did not come, over all readers. */
  readonly lost: number;
}

const READERS = { socket: openSocket, stream: openStream, poll: openLongPoll } satisfies Record<string, Open>;

/** Readers that open at the same time. */
const OPENING = 20;
/** A message that has not come after this time is lost, in milliseconds. */
const PATIENCE_MS = 30_000;
const POLL_MS = 50;

/** Runs the workload. The readers stay open until the process ends. */
async function run(work: Workload): Promise<Outcome> {
  const channel = `bench/local/${Date.now()}`;
  if (work.kind === 'publish') return published(work, channel);
  await publish(work.hub, channel, -1); // creates the channel
  if (work.kind === 'idle') {
    await opened(work.hub, channel, work.readers, openSocket);
    return { perSecond: 0, p50: 0, p95: 0, refused: 0, lost: 0 };
  }
  const readers = await opened(work.hub, channel, work.readers, READERS[work.kind]);
  const sent = new Map<number, number>();
  let refused = 0;
  const publishing: Promise<void>[] = [];
  const began = performance.now();
  for (let n = 0; n < work.events; n++) {
    await sleep(Math.max(0, began + (n * 1_000) / work.perSecond - performance.now()));
    const at = performance.now();
    publishing.push(
      publish(work.hub, channel, n).then((isAccepted) => {
        if (isAccepted) sent.set(n, at);
        else refused += 1;
      }),
    );
  }
  await Promise.all(publishing);
  const missing = () => sum(readers.map(({ seen }) => [...sent.keys()].filter((n) => !seen.has(n)).length));
  const end = performance.now() + PATIENCE_MS;
  while (missing() > 0 && performance.now() < end) await sleep(POLL_MS);
  const delays = sorted(
    readers.flatMap(({ seen }) =>
      [...sent].flatMap(([n, at]) => {
        const seenAt = seen.get(n);
        return seenAt === undefined ? [] : [seenAt - at];
      }),
    ),
  );
  return {
    perSecond: work.perSecond,
    p50: quantile(delays, 0.5),
    p95: quantile(delays, 0.95),
    refused,
    lost: missing(),
  };
}

async function published(work: Extract<Workload, { kind: 'publish' }>, channel: string): Promise<Outcome> {
  let refused = 0;
  const round = await measureRound(work.requests, work.clients, async (client) => {
    if ((await post(work.hub, `${channel}/${client}`)) !== 204) refused += 1;
  });
  return { ...round, refused, lost: 0 };
}

async function opened(hub: Source, channel: string, count: number, open: Open) {
  const readers = [];
  while (readers.length < count) {
    const some = Math.min(OPENING, count - readers.length);
    readers.push(...(await Promise.all(Array.from({ length: some }, () => open(hub, channel)))));
  }
  return readers;
}

async function publish({ url, token }: Source, channel: string, n: number): Promise<boolean> {
  const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' };
  const init = { method: 'POST', headers, body: JSON.stringify({ n }) };
  const response = await fetch(`${url}/channels/${channel}`, init);
  await response.arrayBuffer();
  return response.ok;
}

process.once('message', (work: Workload) => {
  void run(work).then((outcome) => process.send?.(outcome));
});
