/**
 * The connections of all WebSocket APIs: their list, their limits, and how a message is sent.
 * @see https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html
 * @module
 */
import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import type { WebSocket } from 'ws';

/** One connection. Times are in milliseconds since 1970. */
export interface GatewayConnection {
  /** By this id functions send messages. */
  readonly id: string;
  /** Id and construct path of its API. */
  readonly api: { readonly id: string; readonly path: string };
  /** Time of the handshake. */
  readonly connectedAt: number;
  /** Address and User-Agent of the client. */
  readonly identity: { readonly sourceIp: string; readonly userAgent: string | undefined };
  /** The TCP connection. */
  readonly wire: Socket;
  /** Undefined until the function of `$connect` has accepted the connection. */
  socket: WebSocket | undefined;
  /** Time of the last message in either direction. */
  lastActiveAt: number;
  /** Code and reason if this side has closed the connection. */
  closed: { readonly code: number; readonly reason: string } | undefined;
}

/** A connection as the control endpoint shows it. */
export interface ConnectionRecord {
  /** Construct path. */
  readonly api: string;
  /** As functions know it. */
  readonly connectionId: string;
  /** `connecting` until the function of `$connect` has answered. */
  readonly state: 'connecting' | 'open' | 'closing';
  /** Time in ISO 8601. */
  readonly since: string;
}

/** The connections of all APIs. */
export interface GatewayConnections {
  /** Adds a connection before its `$connect`. */
  add(connection: GatewayConnection): void;
  /** Removes a connection that has ended. */
  remove(connection: GatewayConnection): void;
  /** Returns the connection if messages can be sent to it: after the answer of `$connect`, and before it closes. */
  open(apiId: string, id: string): GatewayConnection | undefined;
  /** Returns all connections. */
  list(): ConnectionRecord[];
  /** Breaks all connections without a close frame, like a network failure. */
  cut(): void;
  /** Closes the connections of an API. Resolves when they are closed, or after a second if clients do not answer. */
  end(apiId: string): Promise<void>;
}

/** A larger message must be sent in several frames. */
export const MAX_FRAME_BYTES = 32 * 1024;
/** Maximum size of a message in either direction. */
export const MAX_SOCKET_MESSAGE_BYTES = 128 * 1024;

/** Time that a client has to answer a close frame when the stack stops, in milliseconds. */
const END_MS = 1_000;
const END_POLL_MS = 10;

const IDLE_MS = 10 * 60 * 1_000;
const LIFETIME_MS = 2 * 60 * 60 * 1_000;

/** Returns an empty list of connections. */
export function createConnections(): GatewayConnections {
  const connections = new Map<string, GatewayConnection>();
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

function recordOf({ id, api, socket, connectedAt }: GatewayConnection): ConnectionRecord {
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

/** Returns a new id in the form of API Gateway, for connections, requests and messages: 15 characters and one `=`. */
export const newGatewayId = () => `${randomBytes(ID_BYTES).toString('base64url')}=`;

/** Returns true if the text has the form of the id of a connection. */
export const isGatewayId = (id: string) => /^[\w+/-]{15}=$/.test(id);

/** Sends one message in frames of {@link MAX_FRAME_BYTES} at most. Does nothing if the connection is not open. */
export function deliver(connection: GatewayConnection, message: Buffer): void {
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

/** Closes a connection with a close frame. `$disconnect` gets the first code and reason. */
export function closeConnection(connection: GatewayConnection, code: number, reason: string): void {
  connection.closed ??= { code, reason };
  connection.socket?.close(code, reason);
}

/**
 * Closes the connection when it is idle for 10 minutes or open for 2 hours. Pings do not count.
 * @param scale by which both times are divided
 * @returns a function that stops the watch
 */
export function watchClock(connection: GatewayConnection, scale: number): () => void {
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
