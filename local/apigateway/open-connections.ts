/**
 * The connections of all WebSocket APIs: who is there, and how a message reaches them.
 * @see https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html
 * @module
 */
import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import type { WebSocket } from 'ws';

export interface Connection {
  readonly id: string;
  /** Id and construct path of its API. */
  readonly api: { readonly id: string; readonly path: string };
  readonly connectedAt: number;
  readonly identity: { readonly sourceIp: string; readonly userAgent: string | undefined };
  /** What it came in with; it is closed by it where nothing shall be said. */
  readonly wire: Socket;
  /** Undefined until `$connect` has let it in. */
  socket: WebSocket | undefined;
  lastActiveAt: number;
  /** Why this side closed it, if it did. */
  closed: { readonly code: number; readonly reason: string } | undefined;
}

export interface ConnectionRecord {
  /** Construct path. */
  readonly api: string;
  readonly connectionId: string;
  readonly state: 'connecting' | 'open' | 'closing';
  readonly since: string;
}

export interface Connections {
  add(connection: Connection): void;
  remove(connection: Connection): void;
  /** One that messages can be sent to: not before `$connect` was answered, not once it is closing. */
  open(apiId: string, id: string): Connection | undefined;
  list(): ConnectionRecord[];
  /** Ends all at once without a word, as a network that fails. */
  cut(): void;
  /** Ends those of an API, and resolves when they have ended, or do not answer. */
  end(apiId: string): Promise<void>;
}

/** Larger messages must come, and are sent, in several frames. */
export const MAX_FRAME_BYTES = 32 * 1024;
export const MAX_MESSAGE_BYTES = 128 * 1024;

/** How long a client has to answer the end of its connection when the stack stops, in milliseconds. */
const END_MS = 1_000;
const END_POLL_MS = 10;

const IDLE_MS = 10 * 60 * 1_000;
const LIFETIME_MS = 2 * 60 * 60 * 1_000;

/** Nobody is there yet. */
export function createConnections(): Connections {
  const connections = new Map<string, Connection>();
  return {
    add: (connection) => void connections.set(connection.id, connection),
    remove: (connection) => void connections.delete(connection.id),
    open(apiId, id) {
      const connection = connections.get(id);
      if (connection?.socket === undefined || connection.api.id !== apiId) return undefined;
      return isOpen(connection.socket) ? connection : undefined;
    },
    list: () => [...connections.values()].map(recordOf),
    cut() {
      for (const { wire } of connections.values()) wire.destroy();
    },
    async end(apiId) {
      const open = () => [...connections.values()].filter(({ api }) => api.id === apiId);
      for (const connection of open()) closeConnection(connection, 1001, 'Going away');
      const end = Date.now() + END_MS;
      while (open().length > 0 && Date.now() < end) await wait(END_POLL_MS);
    },
  };
}

function recordOf({ id, api, socket, connectedAt }: Connection): ConnectionRecord {
  const later = socket !== undefined && isOpen(socket) ? 'open' : 'closing';
  return {
    api: api.path,
    connectionId: id,
    state: socket === undefined ? 'connecting' : later,
    since: new Date(connectedAt).toISOString(),
  };
}

const isOpen = (socket: WebSocket) => socket.readyState === socket.OPEN;

const ID_BYTES = 11;

/** As API Gateway makes them, for connections, requests and messages: fifteen characters and one `=`. */
export const newGatewayId = () => `${randomBytes(ID_BYTES).toString('base64url')}=`;

/** True if it could be the id of a connection. */
export const isGatewayId = (id: string) => /^[\w+/-]{15}=$/.test(id);

/** Sends one message, in frames of the size that API Gateway allows. */
export function deliver(connection: Connection, message: Buffer): void {
  const { socket } = connection;
  if (socket === undefined || !isOpen(socket)) return;
  connection.lastActiveAt = Date.now();
  let start = 0;
  do {
    const end = start + MAX_FRAME_BYTES;
    socket.send(message.subarray(start, end), { binary: false, fin: end >= message.length });
    start = end;
  } while (start < message.length);
}

/** Closes in an orderly way. The first reason is the one that is told. */
export function closeConnection(connection: Connection, code: number, reason: string): void {
  connection.closed ??= { code, reason };
  connection.socket?.close(code, reason);
}

/** Closes what is idle, or old, by a clock that may run faster; gives what stops it. Pings do not count as life. */
export function watchClock(connection: Connection, scale: number): () => void {
  const old = connection.connectedAt + LIFETIME_MS / scale;
  let timer: NodeJS.Timeout | undefined;
  const look = () => {
    const now = Date.now();
    const due = Math.min(old, connection.lastActiveAt + IDLE_MS / scale);
    if (now >= due) closeConnection(connection, 1001, 'Going away');
    else timer = setTimeout(look, due - now).unref();
  };
  look();
  return () => clearTimeout(timer);
}
