/**
 * Compares ephemeral messages with stored ones in a room: CLIENTS clients of the client library, each of which publishes HZ times a
 * second on its socket, and receives what all publish.
 *
 * Method: ROUNDS rounds, each with both kinds for MEASURED_MS, in turns. The round trip of a message is the time from its publish to its
 * arrival at each client. Calls are counted from the first to the last publish and SETTLE_MS after it. Dollars are those of the calls
 * (bench/prices.ts), of the publisher's frame and of the answer to it, not those of the running time of functions. A publisher that
 * waits for MOST_UNANSWERED answers skips a message, as a game would.
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { connectOver, type Hub } from '../client/connect.ts';
import { realHost } from '../client/host.ts';
import type { MeasuredHub } from './hub.ts';
import { quantile, sorted, sum } from './numbers.ts';
import { type Calls, countedIn, dollarsOf } from './path.ts';
import { SOCKET_MESSAGE } from './prices.ts';

const CLIENTS = 8;
const HZ = 20;
const ROUNDS = 2;
const MEASURED_MS = 10_000;
const SETTLE_MS = 2_000;
const MOST_UNANSWERED = 8;

/** The first messages start the processes of the functions, and are not measured, in milliseconds. */
const WARM_MS = 3_000;

type Kind = 'stored' | 'ephemeral';
const KINDS: readonly Kind[] = ['stored', 'ephemeral'];

interface Move {
  /** When it was published, by `performance.now()`. */
  readonly at: number;
}

/** What was measured of one kind. */
interface Measured {
  /** Messages that were accepted. */
  readonly published: number;
  /** Messages that were skipped or refused. */
  readonly skipped: number;
  /** Round trips, in milliseconds. */
  readonly trips: readonly number[];
  /** AWS calls for each message. */
  readonly calls: Calls;
}

/** Runs the benchmark, and prints its result. */
export async function ephemeral(hub: MeasuredHub): Promise<void> {
  hub.print(`ephemeral: ${ROUNDS} times ${MEASURED_MS / 1_000} s with ${CLIENTS} clients at ${HZ} Hz each`);
  const { url, socketUrl, token } = hub;
  const clients = Array.from({ length: CLIENTS }, () => connectOver(realHost(), { url, socketUrl, token }));
  try {
    hub.print('\nkind       messages  skipped  arrived  calls  $ a million    p50     p95');
    for (let round = 0; round < ROUNDS; round++) {
      const kinds = round % 2 === 0 ? KINDS : KINDS.toReversed();
      for (const kind of kinds) report(hub, kind, await measured(hub, clients, kind, round));
    }
  } finally {
    for (const client of clients) client.close();
  }
}

async function measured(
  hub: MeasuredHub,
  clients: readonly Hub[],
  kind: Kind,
  round: number,
): Promise<Measured> {
  const room = `bench/room/${kind}-${round}`;
  const trips: number[] = [];
  let isMeasured = false;
  const hear = (messages: readonly unknown[]): void => {
    const now = performance.now();
    for (const message of messages) if (isMeasured && isMove(message)) trips.push(now - message.at);
  };
  const subscriptions = await Promise.all(clients.map((client) => join(client, room, hear)));
  await play(clients, room, kind, WARM_MS);
  await sleep(SETTLE_MS);
  isMeasured = true;
  let done = { published: 0, skipped: 0 };
  const counted = await countedIn(hub, async () => {
    done = await play(clients, room, kind, MEASURED_MS);
    await sleep(SETTLE_MS);
  });
  for (const { close } of subscriptions) close();
  const calls = new Map([...counted].map(([call, count]) => [call, count / done.published]));
  return { ...done, trips, calls };
}

function join(client: Hub, room: string, hear: (messages: readonly unknown[]) => void) {
  return new Promise<{ readonly close: () => void }>((resolve, reject) => {
    const subscription = client.subscribe(room, {
      onMessages: ({ messages }) => hear(messages),
      onEphemeral: ({ messages }) => hear(messages),
      onSubscribed: () => resolve(subscription),
      onError: reject,
    });
  });
}

const isMove = (message: unknown): message is Move =>
  typeof message === 'object' && message !== null && 'at' in message && typeof message.at === 'number';

async function play(clients: readonly Hub[], room: string, kind: Kind, ms: number) {
  let published = 0;
  let skipped = 0;
  const pause = 1_000 / HZ;
  const one = async (client: Hub): Promise<void> => {
    const began = performance.now() + Math.random() * pause;
    const answers: Promise<unknown>[] = [];
    let unanswered = 0;
    for (let n = 0; n * pause < ms; n++) {
      await sleep(Math.max(0, began + n * pause - performance.now()));
      if (unanswered >= MOST_UNANSWERED) {
        skipped++;
        continue;
      }
      unanswered++;
      const move: Move = { at: performance.now() };
      const answer: Promise<unknown> =
        kind === 'ephemeral'
          ? client.publish(room, [move], { ephemeral: true })
          : client.publish(room, [move]);
      answers.push(
        answer
          .then(
            () => published++,
            () => skipped++,
          )
          .finally(() => unanswered--),
      );
    }
    await Promise.all(answers);
  };
  await Promise.all(clients.map(one));
  return { published, skipped };
}

function report({ print }: MeasuredHub, kind: Kind, { published, skipped, trips, calls }: Measured): void {
  const all = sorted(trips);
  const arrived = (100 * trips.length) / (published * CLIENTS);
  print(
    [
      kind.padEnd(10),
      String(published).padStart(8),
      String(skipped).padStart(8),
      `${arrived.toFixed(1)} %`.padStart(8),
      sum([...calls.values()])
        .toFixed(1)
        .padStart(6),
      (2 * SOCKET_MESSAGE + dollarsOf(calls)).toFixed(2).padStart(12),
      `${quantile(all, 0.5).toFixed(0)} ms`.padStart(7),
      `${quantile(all, 0.95).toFixed(0)} ms`.padStart(7),
    ].join(' '),
  );
  const shown = [...calls].filter(([, count]) => count >= LEAST_SHOWN);
  for (const [call, count] of shown.sort(([, one], [, other]) => other - one))
    print(`  ${count.toFixed(2).padStart(6)}  ${call}`);
}

/** Calls for a message. A call that is rarer is counted, but not listed. */
const LEAST_SHOWN = 0.02;
