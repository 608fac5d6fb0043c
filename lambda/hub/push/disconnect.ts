/**
 * Ends sockets whose token has ended, or that a caller with the right to do so wants ended (PROTOCOL.md §12.6). API Gateway
 * does not end a socket for these reasons. So the hub sends a disconnect request to its own queue, and the push acts on it.
 * @module
 */
import { CONNECTION_LIFE_MS } from '../../../protocol/limits.ts';
import { isBusy } from '../defects.ts';
import type { Log } from '../log/log-ports.ts';
import type { Noting } from '../presence/presence-ports.ts';
import { settleAll } from '../settle-all.ts';
import { BACKOFF_MS } from './post-batches.ts';
import type {
  Connection,
  ConnectionStore,
  DisconnectQueue,
  DisconnectRequest,
  SocketPoster,
  SubscriptionStore,
} from './push-ports.ts';
import { forget } from './subscribe.ts';

/** Everything that ends connections. */
export interface Disconnecting {
  /** The clock. */
  readonly log: Pick<Log, 'clock'>;
  /** The store of connections. */
  readonly connections: ConnectionStore;
  /** The store of subscriptions. */
  readonly subscriptions: SubscriptionStore;
  /** Posts the last frame, and closes the socket. */
  readonly poster: SocketPoster;
  /** The queue of disconnect requests. */
  readonly disconnects: DisconnectQueue;
  /** Notes who is in a channel; undefined on a hub without presence. */
  readonly presence?: Noting | undefined;
}

/**
 * Time that a disconnect takes, in milliseconds. A request arrives one second late, or three if a process must start for it,
 * and the socket must be closed by the last moment of its token.
 */
const LEAD_MS = 5_000;

/** Sockets of one principal that are ended at the same time. */
const IN_PARALLEL = 500;

/** How late a write may be carried out that was not answered, in milliseconds. */
const LATE_MS = 10_000;

/**
 * Returns the time by which the hub begins to end a connection or a held request of a token, in milliseconds since 1970;
 * Infinity without a token.
 */
export const disconnectAt = ({ allowedUntil = Number.POSITIVE_INFINITY }: Pick<Connection, 'allowedUntil'>) =>
  allowedUntil - LEAD_MS;

/** Sends the request that ends a connection with its token, unless API Gateway ends the connection before. */
export async function endWithToken(
  { log, disconnects }: Pick<Disconnecting, 'log' | 'disconnects'>,
  connection: Connection,
): Promise<void> {
  const at = disconnectAt(connection);
  const now = log.clock();
  if (at >= now + CONNECTION_LIFE_MS) return;
  await disconnects.send({ kind: 'expired', connection: connection.id, at }, at - now);
}

/**
 * Stores a connection that is about to be opened, and sends the request that ends it. Returns false if its caller has `most`
 * connections.
 * @throws Refusal unavailable: then it must not be opened
 */
export async function noteOpening(
  { log, connections, disconnects }: Pick<Disconnecting, 'log' | 'connections' | 'disconnects'>,
  connection: Connection,
  most: number,
): Promise<boolean> {
  try {
    if (!(await connections.add(connection, most))) return false;
    // Not in parallel: the receiver of the request ignores a connection that is not stored.
    await endWithToken({ log, disconnects }, connection);
    return true;
  } catch (error) {
    // The connection is not opened, so no $disconnect comes for it: its row would keep a slot of the quota for two hours.
    const removed = connections.remove(connection).catch(ignoreBusy);
    await Promise.allSettled([removed]);
    // A write that comes late stores the connection after that. The request removes it then.
    const at = log.clock() + LATE_MS;
    const sent = disconnects
      .send({ kind: 'expired', connection: connection.id, at }, LATE_MS)
      .catch(ignoreBusy);
    await settleAll([removed, sent]);
    throw error;
  }
}

/** A store that is busy is no news where another call has failed already. A defect is thrown, so that it is logged. */
function ignoreBusy(error: unknown): void {
  if (!isBusy(error)) throw error;
}

/** Everything that requests the end of connections. */
export interface DisconnectRequesting extends Pick<Disconnecting, 'log' | 'disconnects'> {
  /** The store of connections. */
  readonly connections: Pick<ConnectionStore, 'ofPrincipal' | 'get'>;
}

/** What a caller wants to end: every socket of a principal, or one socket. */
export type Disconnected = { readonly principal: string } | { readonly connection: string };

/** Requests the end of the open sockets. Returns how many they are. */
export async function requestDisconnect(
  { log, connections, disconnects }: DisconnectRequesting,
  wanted: Disconnected,
): Promise<number> {
  const at = log.clock();
  if ('connection' in wanted) {
    if (!(await connections.get(wanted.connection))) return 0;
    await disconnects.send({ kind: 'ended', ...wanted, at }, 0);
    return 1;
  }
  const { principal } = wanted;
  const open = await connections.ofPrincipal(principal, at);
  if (open.length > 0) await disconnects.send({ kind: 'kicked', principal, at }, 0);
  return open.length;
}

/**
 * Acts on a request, or sends it again if it is too early, or if a socket could not be ended.
 * @param until time at which the process should have ended, in milliseconds since 1970
 */
export async function onDisconnectRequest(
  disconnecting: Disconnecting,
  request: DisconnectRequest,
  until: number,
): Promise<void> {
  if (request.kind === 'kicked') await onKicked(disconnecting, request, until);
  else await onOne(disconnecting, request);
}

/** What a socket is told before it is closed. */
const REASONS = {
  expired: 'the token of this connection has ended',
  ended: 'the hub was told to end this connection',
} as const;

async function onOne(
  disconnecting: Disconnecting,
  request: DisconnectRequest & { kind: keyof typeof REASONS },
): Promise<void> {
  const { log, connections, disconnects } = disconnecting;
  // Most sockets end long before their token, and their requests end here.
  if (!(await connections.get(request.connection))) return;
  const left = request.at - log.clock();
  if (left > 0) return await disconnects.send(request, left);
  const isGone = await disconnect(disconnecting, request.connection, REASONS[request.kind]);
  if (!isGone) await disconnects.send(request, BACKOFF_MS);
}

async function onKicked(
  disconnecting: Disconnecting,
  request: DisconnectRequest & { kind: 'kicked' },
  until: number,
): Promise<void> {
  const { log, connections, disconnects } = disconnecting;
  const open = await connections.ofPrincipal(request.principal, request.at);
  let isDone = true;
  for (let first = 0; first < open.length; first += IN_PARALLEL) {
    // The next process finds only the sockets that are left, since each that was ended has been removed.
    if (log.clock() >= until) return await disconnects.send(request, 0);
    const some = open.slice(first, first + IN_PARALLEL);
    const gone = await settleAll(
      some.map((connection) => disconnect(disconnecting, connection, REASONS.ended)),
    );
    isDone &&= gone.every(Boolean);
  }
  if (!isDone) await disconnects.send(request, BACKOFF_MS);
}

/** Tells a connection the reason, closes it and removes its rows. Returns false if it may still be open. */
async function disconnect(
  disconnecting: Disconnecting,
  connection: string,
  message: string,
): Promise<boolean> {
  const frame = JSON.stringify({ type: 'error', code: 'unauthorized', message });
  // A connection that cannot take the frame is closed all the same.
  const posted = await disconnecting.poster.post(connection, frame);
  const closed = posted === 'gone' ? posted : await disconnecting.poster.close(connection);
  if (closed === 'busy') return false;
  await forget(disconnecting, connection);
  return true;
}
