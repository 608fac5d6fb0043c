/**
 * A server that has its port before it has its work: the template refers to URLs, so ports come first.
 * @module
 */
import { createServer, type IncomingMessage, type Server, ServerResponse } from 'node:http';
import { Socket } from 'node:net';

export type Serve = (request: IncomingMessage, response: ServerResponse) => void;

/** A request for a WebSocket. `head` is what the client sent after it without waiting. */
export type ServeUpgrade = (request: IncomingMessage, socket: Socket, head: Buffer) => void;

export interface Listener {
  /** `http://127.0.0.1:1234`, no trailing slash. */
  readonly url: string;
  readonly server: Server;
  serve(handler: Serve): void;
  /** Where nobody asked for them, requests for a WebSocket are requests like all others. */
  serveUpgrades(handler: ServeUpgrade): void;
  /** Takes no new connections. */
  stop(): void;
  /** Ends open connections too: a client that keeps one alive must not keep the stack alive. */
  close(): Promise<void>;
}

/** Loopback only: the admin key and every function are reachable through these ports. */
export const HOST = '127.0.0.1';

/** Longer than what clients keep a connection for, so that they never write into one that is being closed. */
const KEEP_ALIVE_MS = 65_000;

/** Node refuses before we can answer; the services refuse earlier, with their own answer. */
const MAX_HEADER_BYTES = 64 * 1024;

/** Listens on `port` of the loopback interface; 0 takes a free one. */
export async function listen(port: number, what: string): Promise<Listener> {
  let handler: Serve = (_, response) => response.writeHead(503).end();
  let upgrade: ServeUpgrade | undefined;
  const sockets = new Set<Socket>();
  const server = createServer(
    {
      keepAliveTimeout: KEEP_ALIVE_MS,
      maxHeaderSize: MAX_HEADER_BYTES,
      noDelay: true,
      requestTimeout: 0,
      shouldUpgradeCallback: ({ headers }) =>
        upgrade !== undefined && headers.upgrade?.toLowerCase() === 'websocket',
    },
    (request, response) => handler(request, response),
  );
  // The server itself forgets sockets that it gave away, and would wait for them for ever when it closes.
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  server.on('upgrade', (request, socket, head) => {
    if (!(socket instanceof Socket)) return void socket.destroy();
    socket.on('error', () => socket.destroy());
    upgrade?.(request, socket, head);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(explain(error, port, what)));
    server.listen(port, HOST, () => resolve());
  });
  // A broken connection is the client's affair; without a listener it would end the process.
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (error.code !== 'HPE_HEADER_OVERFLOW' || !socket.writable) return void socket.destroy();
    socket.end(
      'HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n',
    );
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error(`${what} got no port`);
  return {
    url: `http://${HOST}:${address.port}`,
    server,
    serve: (next) => {
      handler = next;
    },
    serveUpgrades: (next) => {
      upgrade = next;
    },
    stop: () => void server.close(),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

/** A response for a request for a WebSocket that gets none. The connection ends with it. */
export function responseOn(request: IncomingMessage, socket: Socket): ServerResponse {
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  response.assignSocket(socket);
  response.on('finish', () => socket.destroySoon());
  return response;
}

function explain(error: NodeJS.ErrnoException, port: number, what: string): Error {
  if (error.code === 'EADDRINUSE') {
    return new Error(
      `port ${port} of ${HOST} is taken, so ${what} cannot use it: choose another, or 0 for a free one`,
    );
  }
  return new Error(`${what} cannot listen on port ${port} of ${HOST}: ${error.message}`);
}
