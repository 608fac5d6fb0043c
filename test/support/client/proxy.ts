/**
 * A proxy on the loopback between a client and a hub, for HTTP and WebSockets. It stalls, cuts, slows down, buffers,
 * answers in place of the hub, and forgets connections as a router does while a machine sleeps.
 * @module
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, request as requestOf, type ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import type { Duplex, Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/** `up` is from the client to the hub. */
export type Direction = 'up' | 'down';

/** An answer in place of the hub. */
export interface FrontAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** A running proxy. */
export interface TestProxy {
  /** The URL of the proxy, for clients. */
  readonly url: string;
  /** The requests, in order: `GET /channels/a?offset=-1`, `UPGRADE /ws`. */
  readonly came: string[];
  /** Returns the number of open connections of clients. */
  readonly connections: () => number;
  /** Stops all bytes in these directions, and closes no connection. Later bytes wait. */
  readonly stall: (...directions: readonly Direction[]) => void;
  /** Ends a stall. The waiting bytes pass. */
  readonly resume: () => void;
  /** Stops all bytes of the connections that are open now, for ever, and closes none. New connections pass. */
  readonly forget: () => void;
  /** Destroys all connections. */
  readonly cut: () => void;
  /** Returns the answer to a request or upgrade in place of the hub, or undefined to pass it on. */
  front: ((method: string, path: string) => FrontAnswer | undefined) | undefined;
  /** True: passes an answer when it is complete, as a buffering proxy does. */
  isBuffering: boolean;
  /** The rate of all answers together, in bytes per second. */
  bytesPerSecond: number;
  readonly close: () => Promise<void>;
}

/** The clock of the test's host, in milliseconds. */
export interface ProxyClock {
  readonly now: () => number;
  readonly after: (ms: number, run: () => void) => unknown;
}

const REAL_TIME: ProxyClock = { now: () => performance.now(), after: (ms, run) => setTimeout(run, ms) };

/** The bytes that a slow line passes at a time. */
const PIECE_BYTES = 1_024;

/**
 * Starts a proxy.
 * @param hubUrl `http://…`
 * @param clock the clock for `bytesPerSecond`
 */
export async function startProxy(hubUrl: string, clock: ProxyClock = REAL_TIME): Promise<TestProxy> {
  const hub = new URL(hubUrl);
  const clients = new Set<Duplex>();
  const upstream = new Set<Duplex>();
  const forgotten = new WeakSet<Duplex>();
  const stalled = new Set<Direction>();
  const waiting = new Set<() => void>();
  let lineIsFreeAt = 0;

  const wakeAll = (): void => {
    for (const wake of [...waiting]) wake();
    waiting.clear();
  };
  async function gate(client: Duplex, direction: Direction): Promise<void> {
    while (forgotten.has(client) || stalled.has(direction))
      await new Promise<void>((resolve) => waiting.add(resolve));
  }
  /** Waits until the slow line has passed this many bytes. */
  async function line(bytes: number): Promise<void> {
    if (proxy.bytesPerSecond === Number.POSITIVE_INFINITY) return;
    const now = clock.now();
    lineIsFreeAt = Math.max(now, lineIsFreeAt) + (bytes / proxy.bytesPerSecond) * 1_000;
    await new Promise<void>((resolve) => clock.after(lineIsFreeAt - now, resolve));
  }
  async function* passing(client: Duplex, direction: Direction, source: AsyncIterable<Buffer>) {
    for await (const chunk of source) {
      for (let at = 0; at < chunk.length; at += PIECE_BYTES) {
        const piece = chunk.subarray(at, at + PIECE_BYTES);
        await gate(client, direction);
        if (direction === 'down') await line(piece.length);
        yield piece;
      }
    }
    await gate(client, direction);
  }
  /**
   * Passes bytes. If one end breaks, both ends are destroyed, and nothing is reported: broken connections are the
   * purpose of this proxy.
   */
  function pump(client: Duplex, direction: Direction, source: Readable, sink: Writable): Promise<void> {
    return pipeline(source, (chunks) => passing(client, direction, chunks), sink).catch(() => {});
  }
  /** Calls back when the client has disconnected, but not through a stall, as for the hub. */
  function onLeft(client: Duplex, tell: () => void): void {
    client.once('close', () => void gate(client, 'up').then(tell));
  }

  function forward(request: IncomingMessage, response: ServerResponse): void {
    const { socket: client, method, url: path, headers } = request;
    const { hostname, port } = hub;
    const outgoing = requestOf({
      hostname,
      port,
      method,
      path,
      headers: { ...headers, host: hub.host },
      agent: false,
    });
    outgoing.on('socket', (socket) => track(upstream, socket));
    outgoing.on('error', () => client.destroy());
    outgoing.on('response', (incoming) => void giveBack(incoming, response, client));
    response.once('close', () => void gate(client, 'up').then(() => outgoing.destroy()));
    void pump(client, 'up', request, outgoing);
  }

  async function giveBack(
    incoming: IncomingMessage,
    response: ServerResponse,
    client: Duplex,
  ): Promise<void> {
    const chunks: Buffer[] = [];
    try {
      if (proxy.isBuffering) for await (const chunk of incoming) chunks.push(chunk);
    } catch {
      client.destroy();
    }
    await gate(client, 'down');
    if (response.destroyed) return;
    response.writeHead(incoming.statusCode ?? 502, incoming.rawHeaders);
    response.flushHeaders();
    if (incoming.readableEnded) response.end(Buffer.concat(chunks));
    else await pump(client, 'down', incoming, response);
  }

  const track = (sockets: Set<Duplex>, socket: Duplex): void => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => sockets.delete(socket));
  };

  const server = createServer(async ({ method = '', url: path = '' }, response) => {
    const request = response.req;
    proxy.came.push(`${method} ${path}`);
    await gate(request.socket, 'up');
    const answer = proxy.front?.(method, path);
    if (!answer) return forward(request, response);
    request.resume();
    await gate(request.socket, 'down');
    response.writeHead(answer.status, answer.headers).end(answer.body);
  });
  server.keepAliveTimeout = 0;
  server.on('connection', (socket) => track(clients, socket));
  server.on('upgrade', async (request, client: Socket, head) => {
    const { url: path = '', rawHeaders } = request;
    proxy.came.push(`UPGRADE ${path}`);
    await gate(client, 'up');
    const answer = proxy.front?.('UPGRADE', path);
    if (answer) {
      const { status, headers = {}, body = '' } = answer;
      const lines = Object.entries({
        ...headers,
        'Content-Length': Buffer.byteLength(body),
        Connection: 'close',
      });
      await gate(client, 'down');
      client.end(
        `HTTP/1.1 ${status} Front\r\n${lines.map((each) => `${each.join(': ')}\r\n`).join('')}\r\n${body}`,
      );
      return;
    }
    const socket = connect({ host: hub.hostname, port: Number(hub.port) });
    track(upstream, socket);
    onLeft(client, () => socket.destroy());
    const pairs = rawHeaders.flatMap((name, at) =>
      at % 2 === 0 ? [`${name}: ${rawHeaders[at + 1]}\r\n`] : [],
    );
    socket.write(`GET ${path} HTTP/1.1\r\n${pairs.join('')}\r\n`);
    socket.write(head);
    void pump(client, 'up', client, socket);
    void pump(client, 'down', socket, client);
  });

  const destroyAll = (sockets: Set<Duplex>): void => {
    for (const socket of [...sockets]) socket.destroy();
  };
  const proxy: TestProxy = {
    url: '',
    came: [],
    connections: () => clients.size,
    stall(...directions) {
      for (const direction of directions.length > 0 ? directions : (['up', 'down'] as const))
        stalled.add(direction);
    },
    resume() {
      stalled.clear();
      wakeAll();
    },
    forget() {
      for (const client of clients) forgotten.add(client);
    },
    cut() {
      destroyAll(clients);
      destroyAll(upstream);
    },
    front: undefined,
    isBuffering: false,
    bytesPerSecond: Number.POSITIVE_INFINITY,
    async close() {
      proxy.cut();
      proxy.resume();
      server.close();
      await once(server, 'close');
    },
  };
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  return Object.assign(proxy, { url: `http://127.0.0.1:${port}` });
}
