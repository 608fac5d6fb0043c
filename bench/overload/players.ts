/**
 * Users of the client library: players of a game in one room, each of which publishes its moves and receives the moves of all, or clients
 * that only publish, each to a channel of its own.
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { connectOver, type Hub } from '../../client/connect.ts';
import type { Answer, Load, Measured } from './measured.ts';
import { watchedHost } from './watched-host.ts';

/** Players in the room, and clients that only publish. */
export const USERS = { players: 8, clients: 100 };

/** The longest wait for all players to be in the room, in milliseconds. */
const JOIN_MS = 60_000;

/** The longest wait for the last answers, in milliseconds. */
const PATIENCE_MS = 15_000;

/** A user drops moves while so many of its publishes have no answer. A game would: the next position replaces them. */
const MOST_UNANSWERED = 4;

interface Move {
  /** When it was published, by `performance.now()` of this thread. */
  readonly at: number;
}

/** Runs the load. */
export async function play(
  kind: keyof typeof USERS,
  { hub: address, run, perSecond, settleMs, measuredMs }: Load,
): Promise<Omit<Measured, 'cpuMs'>> {
  const answers: Answer[] = [];
  let hasLeft = false;
  const counted = watchedHost((sentAt, answer) => {
    if (isMeasured(sentAt) && !hasLeft) answers.push(answer);
  });
  const { url, socketUrl, token } = address;
  const hubs = Array.from({ length: USERS[kind] }, () =>
    connectOver(counted.host(), { url, socketUrl, token }),
  );
  const room = `overload/${run}`;
  const waits: number[] = [];
  const lateness: number[] = [];
  const delays: number[] = [];
  let offered = 0;
  let completed = 0;
  let from = Number.POSITIVE_INFINITY;
  let to = Number.POSITIVE_INFINITY;
  const isMeasured = (at: number): boolean => at >= from && at < to;
  try {
    if (kind === 'players') {
      await hubs[0]?.publish(room, [{ at: 0 } satisfies Move]);
      await Promise.race([Promise.all(hubs.map((hub) => join(hub, room, hear))), sleep(JOIN_MS)]);
    }
    from = performance.now() + settleMs;
    to = from + measuredMs;
    const users = hubs.map((hub, n) => moves(hub, kind === 'players' ? room : `${room}/${n}`));
    // A user that leaves would not see its last answers, which are the latest of all.
    await Promise.race([Promise.all(users), sleep(settleMs + measuredMs + PATIENCE_MS)]);
  } finally {
    hasLeft = true;
    for (const hub of hubs) hub.close();
  }
  return { offered, completed, answers, waits, delays, lateness, requests: counted.requests() };

  function hear(messages: readonly unknown[]): void {
    const now = performance.now();
    for (const message of messages) {
      const at = typeof message === 'object' && message !== null ? Number(Reflect.get(message, 'at')) : 0;
      if (isMeasured(now) && at > 0) delays.push(now - at);
    }
  }

  async function moves(hub: Hub, channel: string): Promise<void> {
    const pause = (1_000 * hubs.length) / perSecond;
    const begin = performance.now() + Math.random() * pause;
    const unanswered = new Set<Promise<void>>();
    for (let n = 0; performance.now() < to; n++) {
      await sleep(Math.max(0, begin + n * pause - performance.now()));
      const at = performance.now();
      if (isMeasured(at)) {
        offered += 1;
        lateness.push(at - begin - n * pause);
      }
      if (unanswered.size >= MOST_UNANSWERED) continue;
      const publishing = hub
        .publish(channel, [{ at } satisfies Move])
        .then(
          () => stored(at),
          () => {}, // its answers are counted at the network
        )
        .finally(() => unanswered.delete(publishing));
      unanswered.add(publishing);
    }
    await Promise.all(unanswered);
  }

  function stored(at: number): void {
    const now = performance.now();
    if (isMeasured(now)) completed += 1;
    if (isMeasured(at)) waits.push(now - at);
  }
}

function join(hub: Hub, room: string, hear: (messages: readonly unknown[]) => void): Promise<void> {
  return new Promise((resolve) => {
    hub.subscribe(room, { onMessages: ({ messages }) => hear(messages), onSubscribed: resolve });
  });
}
