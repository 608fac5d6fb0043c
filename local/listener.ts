/**
 * An HTTP server that gets its handler after its port: the template refers to URLs, so ports come first.
 * @module
 */
import { createServer, type IncomingMessage, type Server, ServerResponse } from 'node:http';
import { Socket } from 'node:net';

/** Answers one request. */
export type Serve = (request: IncomingMessage, response: ServerResponse) => void;

/** Answers a request and returns true, or returns false. */
export type Intercept = (request: IncomingMessage, response: ServerResponse) => boolean;

/** Answers a request for a WebSocket. `head` holds the bytes that the client sent before the answer. */
export type ServeUpgrade = (request: IncomingMessage, socket: Socket, head: Buffer) => void;

/** A server on a port of the loopback interface. */
export interface HttpListener {
  /** `http://127.0.0.1:1234`, no trailing slash. */
  readonly url: string;
  /** The server of Node. */
  readonly server: Server;
  /** Sets the handler of requests. Without one the answer is 503. */
  serve(handler: Serve): void;
  /** Sets a handler that may answer a request before the other one sees it. */
  intercept(handler: Intercept): void;
  /** Sets the handler of requests for a WebSocket. Without one they go to the handler of requests. */
  serveUpgrades(handler: ServeUpgrade): void;
  /** Stops accepting connections. */
  stop(): void;
  /** Closes the server and all connections: a client with an idle connection must not keep the stack alive. */
  close(): Promise<void>;
}

/** Loopback only, because these ports lead to every function and to the control endpoints. */
export const HOST = '127.0.0.1';

/** Longer than clients keep an idle connection, so that no client sends a request into a connection that is closing. */
const KEEP_ALIVE_MS = 65_000;

/** Above this size Node itself refuses. The services refuse smaller headers already, each with its own answer. */
const MAX_HEADER_BYTES = 64 * 1024;

/**
 * Listens on the loopback interface.
 * @param port 0 takes a free one
 * @param what name of the server in error messages
 * @throws Error with one sentence if the port is taken
 */
export async function openListener(port: number, what: string): Promise<HttpListener> {
  let handler: Serve = (_, response) => response.writeHead(503).end();
  let first: Intercept = () => false;
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
    (request, response) => {
      if (!first(request, response)) handler(request, response);
    },
  );
  // The server does not track upgraded sockets, and `close` would wait for them without end.
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
  // Without a listener a broken connection would end the process.
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
    intercept: (next) => {
      first = next;
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

/** Returns a response for a request for a WebSocket that is refused. The connection ends after it. */
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
