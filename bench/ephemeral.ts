/**
 * Compares ephemeral messages with stored ones, by clients of the client library that publish on their sockets: one by one, from one
 * client to itself, and in a room, in which each client publishes HZ times a second and receives what all publish.
 *
 * Method: ROUNDS rounds, each with both kinds in turns. The round trip of a message is the time from its publish to its arrival at
 * each client. Calls are counted from the first to the last publish and SETTLE_MS after it. Dollars are those of the calls
 * (bench/prices.ts), of the publisher's frame and of the answer to it, not those of the running time of functions. A publisher that
 * waits for MOST_UNANSWERED answers skips a message, as a game would. A message without an answer may have been sent.
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { connectOver, type Hub } from '../client/connect.ts';
import { realHost } from '../client/host.ts';
import type { MeasuredHub } from './hub.ts';
import { quantile, sorted, sum } from './numbers.ts';
import { type Calls, countedIn, dollarsOf } from './path.ts';
import { SOCKET_MESSAGE } from './prices.ts';

interface Play {
  readonly name: string;
  readonly clients: number;
  readonly hz: number;
}

const PLAYS: readonly Play[] = [
  { name: 'one by one', clients: 1, hz: 4 },
  { name: 'in a room', clients: 8, hz: 20 },
];

const ROUNDS = 2;
const MEASURED_MS = 10_000;
const SETTLE_MS = 2_000;

/**
 * A publisher of ephemeral messages waits for no other publish. On a machine that is too busy each of them needs one more process of the
 * Socket function, until the gateway answers that it cannot reach the hub.
 */
const MOST_UNANSWERED = 3;

/** The first messages start the processes of the functions, and are not measured, in milliseconds. */
const WARM_MS = 3_000;

type Kind = 'stored' | 'ephemeral';
const KINDS: readonly Kind[] = ['stored', 'ephemeral'];

interface Move {
  /** When it was published, by `performance.now()`. */
  readonly at: number;
}

/** What the publishers of a round did. */
interface Published {
  /** Messages that were sent. */
  readonly sent: number;
  /** Those of them that were refused, or without an answer. */
  readonly failed: number;
  /** Messages that were skipped. */
  readonly skipped: number;
}

interface Measured extends Published {
  /** Round trips, in milliseconds. */
  readonly trips: readonly number[];
  /** AWS calls for each message. */
  readonly calls: Calls;
}

/** Runs the benchmark, and prints its result. */
export async function ephemeral(hub: MeasuredHub): Promise<void> {
  for (const play of PLAYS) {
    const { name, clients: count, hz } = play;
    const { url, socketUrl, token } = hub;
    const clients = Array.from({ length: count }, () => connectOver(realHost(), { url, socketUrl, token }));
    hub.print(`\n${name}: ${ROUNDS} times ${MEASURED_MS / 1_000} s, ${count} clients at ${hz} Hz each`);
    hub.print('kind           sent   failed  skipped  arrived  calls  $ a million     p50      p95');
    try {
      for (let round = 0; round < ROUNDS; round++) {
        const kinds = round % 2 === 0 ? KINDS : KINDS.toReversed();
        for (const kind of kinds) report(hub, play, kind, await measured(hub, clients, play, kind, round));
      }
    } finally {
      for (const client of clients) client.close();
    }
  }
}

async function measured(
  hub: MeasuredHub,
  clients: readonly Hub[],
  { hz }: Play,
  kind: Kind,
  round: number,
): Promise<Measured> {
  const room = `bench/room/${kind}-${clients.length}-${round}`;
  const trips: number[] = [];
  let isMeasured = false;
  const hear = (messages: readonly unknown[]): void => {
    const now = performance.now();
    for (const message of messages) if (isMeasured && isMove(message)) trips.push(now - message.at);
  };
  const subscriptions = await Promise.all(clients.map((client) => join(client, room, hear)));
  await publish(clients, room, kind, hz, WARM_MS);
  await sleep(SETTLE_MS);
  isMeasured = true;
  let published: Published = { sent: 0, failed: 0, skipped: 0 };
  const counted = await countedIn(hub, async () => {
    published = await publish(clients, room, kind, hz, MEASURED_MS);
    await sleep(SETTLE_MS);
  });
  for (const { close } of subscriptions) close();
  const calls = new Map([...counted].map(([call, count]) => [call, count / published.sent]));
  return { ...published, trips, calls };
}

function join(client: Hub, room: string, hear: (messages: readonly unknown[]) => void) {
  return new Promise<{ readonly close: () => void }>((resolve, reject) => {
    const subscription = client.subscribe(room, {
      onMessages: ({ messages }) => hear(messages),
      onEphemeral: ({ messages }) => hear(messages),
      // The subscription is not known yet while the client is called.
      onSubscribed: () => queueMicrotask(() => resolve(subscription)),
      onError: reject,
    });
  });
}

const isMove = (message: unknown): message is Move =>
  typeof message === 'object' && message !== null && 'at' in message && typeof message.at === 'number';

async function publish(
  clients: readonly Hub[],
  room: string,
  kind: Kind,
  hz: number,
  ms: number,
): Promise<Published> {
  const pause = 1_000 / hz;
  const counts = { sent: 0, failed: 0, skipped: 0 };
  const one = async (client: Hub): Promise<void> => {
    const began = performance.now() + Math.random() * pause;
    const answers: Promise<unknown>[] = [];
    let unanswered = 0;
    const send = async (): Promise<void> => {
      unanswered++;
      counts.sent++;
      const move: Move = { at: performance.now() };
      try {
        if (kind === 'ephemeral') await client.publish(room, [move], { ephemeral: true });
        else await client.publish(room, [move]);
      } catch {
        counts.failed++;
      }
      unanswered--;
    };
    for (let n = 0; n * pause < ms; n++) {
      await sleep(Math.max(0, began + n * pause - performance.now()));
      if (unanswered >= MOST_UNANSWERED) counts.skipped++;
      else answers.push(send());
    }
    await Promise.all(answers);
  };
  await Promise.all(clients.map(one));
  return counts;
}

/** Calls for a message. A call that is rarer is counted, but not listed. */
const LEAST_SHOWN = 0.02;

function report(
  { print }: MeasuredHub,
  { clients }: Play,
  kind: Kind,
  { sent, failed, skipped, trips, calls }: Measured,
): void {
  const all = sorted(trips);
  const arrived = (100 * trips.length) / (sent * clients);
  print(
    [
      kind.padEnd(10),
      ...[sent, failed, skipped].map((count) => String(count).padStart(8)),
      `${arrived.toFixed(1)} %`.padStart(8),
      sum([...calls.values()])
        .toFixed(1)
        .padStart(6),
      (2 * SOCKET_MESSAGE + dollarsOf(calls)).toFixed(2).padStart(12),
      `${quantile(all, 0.5).toFixed(0)} ms`.padStart(8),
      `${quantile(all, 0.95).toFixed(0)} ms`.padStart(8),
    ].join(' '),
  );
  const shown = [...calls].filter(([, count]) => count >= LEAST_SHOWN);
  for (const [call, count] of shown.sort(([, one], [, other]) => other - one))
    print(`  ${count.toFixed(2).padStart(6)}  ${call}`);
}
