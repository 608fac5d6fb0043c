/**
 * Servers on the loopback that behave as badly as they are told, and count who comes.
 * @module
 */
import { createHook } from 'node:async_hooks';
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import { onTestFinished } from 'vitest';

export interface Loopback {
  readonly port: number;
  /** Connections that were accepted, on 127.0.0.1 and on ::1. */
  readonly accepts: () => number;
}

/** Listens on both addresses of the loopback until the test has finished. */
export async function loopback(serve: (socket: Socket) => void = () => {}): Promise<Loopback> {
  const sockets: Socket[] = [];
  const accept = (socket: Socket): void => {
    sockets.push(socket);
    // The client cuts connections, and nobody needs to be told.
    socket.on('error', () => {});
    serve(socket);
  };
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
  });
  const port = await portOf(await listening(createServer(accept), 0, '127.0.0.1'));
  // Taken on the other address by somebody else: then there is none, which is as good.
  await listening(createServer(accept), port, '::1').catch(() => {});
  return { port, accepts: () => sockets.length };
}

/** The same, of HTTP. */
export function httpLoopback(answer: RequestListener): Promise<Loopback> {
  const http = createHttpServer(answer);
  return loopback((socket) => void http.emit('connection', socket));
}

/** The same, of HTTPS. */
export function httpsLoopback(options: TlsOptions, answer: RequestListener): Promise<Loopback> {
  const http = createHttpServer(answer);
  const tls = createTlsServer(options, (socket) => void http.emit('connection', socket));
  tls.on('tlsClientError', () => {});
  return loopback((socket) => void tls.emit('connection', socket));
}

/** A port that nobody listens on, on either address. */
export async function closedPort(): Promise<number> {
  const server = await listening(createServer(), 0, '127.0.0.1');
  const port = portOf(server);
  await new Promise((closed) => server.close(closed));
  return port;
}

/** Counts attempts of this process to connect by TCP, to whatever address: from here to the end of the test. */
export function countConnects(): () => number {
  let dials = 0;
  const hook = createHook({
    init(_id, type) {
      if (type === 'TCPCONNECTWRAP') dials++;
    },
  }).enable();
  onTestFinished(() => void hook.disable());
  return () => dials;
}

function listening(server: Server, port: number, host: string): Promise<Server> {
  onTestFinished(() => void server.close());
  return new Promise((done, fail) => {
    server.once('error', fail).listen(port, host, () => done(server));
  });
}

function portOf(server: Server): number {
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('the server has no port');
  return address.port;
}
