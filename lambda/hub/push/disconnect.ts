/**
 * Goodbye: sockets that have to go, because their token has ended or somebody with the right to asked for it
 * (PROTOCOL.md §12.6). API Gateway ends none by itself for that, so the hub leaves word to itself, and the push acts on it.
 * @module
 */

import { CONNECTION_LIFE_MS } from '../../../protocol/limits.ts';
import type { Log } from '../log/log-ports.ts';
import { settleAll } from '../settle-all.ts';
import { BACKOFF_MS } from './post-batches.ts';
import type {
  Connection,
  Connections,
  DisconnectQueue,
  DisconnectRequest,
  SubscriberStore,
} from './push-ports.ts';
import { forget } from './subscribe.ts';

export interface Disconnecting {
  readonly log: Pick<Log, 'clock'>;
  readonly subscribers: SubscriberStore;
  readonly connections: Connections;
  readonly goodbyes: DisconnectQueue;
}

/**
 * Word comes a second late, or three if a process must start for it, and must be said and done by the last moment of a
 * token: in milliseconds.
 */
const SAYING_MS = 5_000;

/** Sockets of one principal that are ended side by side. */
const SIDE_BY_SIDE = 500;

/** How late a write may be carried out that was not answered, in milliseconds. */
const LATE_MS = 10_000;

/** When whoever was let in by a token has to be gone: before its last moment, leeway and all, in milliseconds. */
export const disconnectAt = ({ allowedUntil = Number.POSITIVE_INFINITY }: Pick<Connection, 'allowedUntil'>) =>
  allowedUntil - SAYING_MS;

/** Sees to it that a connection which was noted ends with its token, unless API Gateway ends it before. */
export async function endWithToken(
  { log, goodbyes }: Pick<Disconnecting, 'log' | 'goodbyes'>,
  connection: Connection,
): Promise<void> {
  const at = disconnectAt(connection);
  const now = log.clock();
  if (at >= now + CONNECTION_LIFE_MS) return;
  await goodbyes.send({ kind: 'expired', connection: connection.id, at }, at - now);
}

/**
 * Notes a connection that is about to be opened, and sees to its end. False if its caller has `most` of them.
 * @throws Refusal unavailable: then it must not be opened
 */
export async function noteOpening(
  { log, subscribers, goodbyes }: Pick<Disconnecting, 'log' | 'subscribers' | 'goodbyes'>,
  connection: Connection,
  most: number,
): Promise<boolean> {
  try {
    if (!(await subscribers.connect(connection, most))) return false;
    // Not beside it: word of a connection that is not noted yet would be taken for word of one that has left.
    await endWithToken({ log, goodbyes }, connection);
    return true;
  } catch (error) {
    // It is not opened, and nobody will tell of its end: what was noted would keep its caller's place for two hours.
    await subscribers.disconnect(connection).catch(() => {});
    // What is noted after that, by a write that comes late, is forgotten then.
    const at = log.clock() + LATE_MS;
    await goodbyes.send({ kind: 'expired', connection: connection.id, at }, LATE_MS).catch(() => {});
    throw error;
  }
}

/** What it takes to ask for an end. */
export interface DisconnectRequesting extends Pick<Disconnecting, 'log' | 'goodbyes'> {
  readonly subscribers: Pick<SubscriberStore, 'connectionsOf'>;
}

/** Has every socket ended that a principal has open. Answers how many those are. */
export async function requestDisconnect(
  { log, subscribers, goodbyes }: DisconnectRequesting,
  principal: string,
): Promise<number> {
  const at = log.clock();
  const there = await subscribers.connectionsOf(principal, at);
  if (there.length > 0) await goodbyes.send({ kind: 'kicked', principal, at }, 0);
  return there.length;
}

/** Acts on word that was left, or leaves it once more. */
export async function onDisconnectRequest(
  parting: Disconnecting,
  goodbye: DisconnectRequest,
  until: number,
): Promise<void> {
  if (goodbye.kind === 'expired') await onExpired(parting, goodbye);
  else await onKicked(parting, goodbye, until);
}

async function onExpired(
  parting: Disconnecting,
  goodbye: DisconnectRequest & { kind: 'expired' },
): Promise<void> {
  const { log, subscribers, goodbyes } = parting;
  // Most sockets end long before their token: nothing more is said of those.
  if (!(await subscribers.connection(goodbye.connection))) return;
  const left = goodbye.at - log.clock();
  if (left > 0) return await goodbyes.send(goodbye, left);
  const isGone = await disconnect(parting, goodbye.connection, 'the token of this connection has ended');
  if (!isGone) await goodbyes.send(goodbye, BACKOFF_MS);
}

async function onKicked(
  parting: Disconnecting,
  goodbye: DisconnectRequest & { kind: 'kicked' },
  until: number,
): Promise<void> {
  const { log, subscribers, goodbyes } = parting;
  const there = await subscribers.connectionsOf(goodbye.principal, goodbye.at);
  let isDone = true;
  for (let first = 0; first < there.length; first += SIDE_BY_SIDE) {
    // Whoever goes on finds those that are left: the others are forgotten.
    if (log.clock() >= until) return await goodbyes.send(goodbye, 0);
    const some = there.slice(first, first + SIDE_BY_SIDE);
    const gone = await settleAll(
      some.map((connection) => disconnect(parting, connection, 'the hub was told to end this connection')),
    );
    isDone &&= gone.every(Boolean);
  }
  if (!isDone) await goodbyes.send(goodbye, BACKOFF_MS);
}

/** Tells a connection why, ends and forgets it. False if it could not be ended yet. */
async function disconnect(parting: Disconnecting, connection: string, message: string): Promise<boolean> {
  const frame = JSON.stringify({ type: 'error', code: 'unauthorized', message });
  // Whoever cannot take the frame has to go all the same.
  const told = await parting.connections.post(connection, frame);
  const closed = told === 'gone' ? told : await parting.connections.close(connection);
  if (closed === 'busy') return false;
  await forget(parting, connection);
  return true;
}
