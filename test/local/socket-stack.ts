/**
 * Shared by the tests of WebSockets: a backend that answers for all functions of the fixture, and a client that keeps its
 * messages.
 * @module
 */
import { createServer } from 'node:http';
import { WebSocket } from 'ws';
import { isObject, type JsonObject } from '../../local/template/json.ts';
import { at } from './support.ts';

export interface Invocation {
  readonly event: JsonObject;
  readonly key: string;
  readonly name: string;
  readonly socketUrl: string;
  readonly callbackUrl: string;
}

type Answer = (invocation: Invocation) => unknown;

export interface Backend {
  readonly port: number;
  /** All invocations of functions, in order. */
  readonly invocations: readonly Invocation[];
  /** Sets the results of functions by route key. The others return 200. */
  answer(answers: Record<string, Answer>): void;
  /** Resolves with the first event, past or future, for which `fits` returns true. */
  event(fits: (event: JsonObject) => boolean): Promise<Invocation>;
  /** Resolves with the `$disconnect` of that connection. */
  end(id: string): Promise<Invocation>;
  reset(): void;
  close(): Promise<void>;
}

export const contextOf = (event: JsonObject) => at(event, 'requestContext');
export const keyOf = (event: JsonObject) => String(contextOf(event).routeKey);
export const idOf = ({ event }: Invocation) => String(contextOf(event).connectionId);

/** Starts a backend. */
export async function startBackend(): Promise<Backend> {
  const invocations: Invocation[] = [];
  let answers: Record<string, Answer> = {};
  const watch = createWatch();
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', async () => {
      const invocation = readInvocation(JSON.parse(Buffer.concat(chunks).toString('utf8')));
      invocations.push(invocation);
      watch.look();
      const result = await answers[keyOf(invocation.event)]?.(invocation);
      response.end(JSON.stringify(result ?? { statusCode: 200 }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the backend got no port');
  return {
    port: address.port,
    invocations: invocations,
    answer: (next) => {
      answers = next;
    },
    event: (fits) => watch.until(() => invocations.find(({ event }) => fits(event))),
    end: (id) =>
      watch.until(() => invocations.find((each) => keyOf(each.event) === '$disconnect' && idOf(each) === id)),
    reset: () => void invocations.splice(0),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function readInvocation(value: unknown): Invocation {
  const { event, key, name, socketUrl, callbackUrl } = at({ value }, 'value');
  return {
    event: isObject(event) ? event : {},
    key: String(key),
    name: String(name),
    socketUrl: String(socketUrl),
    callbackUrl: String(callbackUrl),
  };
}

/** Waits for conditions, which are checked at each call of `look`. */
function createWatch() {
  let watchers: (() => void)[] = [];
  return {
    look() {
      for (const look of watchers) look();
    },
    until: <T>(find: () => T | undefined): Promise<T> =>
      new Promise((resolve) => {
        const look = () => {
          const found = find();
          if (found === undefined) return;
          watchers = watchers.filter((other) => other !== look);
          resolve(found);
        };
        watchers.push(look);
        look();
      }),
  };
}

export interface Client {
  readonly socket: WebSocket;
  readonly messages: readonly string[];
  send(message: unknown): void;
  /** Resolves with the first message, past or future, that has this text. */
  message(text: string): Promise<string>;
  readonly closed: Promise<{ code: number; reason: string }>;
}

export interface Opening {
  readonly protocols?: string[];
  readonly headers?: Record<string, string>;
  /** Frames in a message that the client accepts, at most. */
  readonly maxFragments?: number;
}

/** Opens a WebSocket. Rejects with the status of a refusal. */
export function openClient(url: string, { protocols = [], ...options }: Opening = {}): Promise<Client> {
  const socket = new WebSocket(url, protocols, options);
  const messages: string[] = [];
  const watch = createWatch();
  socket.on('message', (data) => {
    messages.push(String(data));
    watch.look();
  });
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.on('close', (code, reason) => resolve({ code, reason: reason.toString() }));
  });
  return new Promise((resolve, reject) => {
    socket.on('error', reject);
    socket.on('open', () =>
      resolve({
        socket,
        messages,
        send: (message) => socket.send(typeof message === 'string' ? message : JSON.stringify(message)),
        message: (text) => watch.until(() => messages.find((message) => message.includes(text))),
        closed,
      }),
    );
  });
}

/** Opens a WebSocket, and finds its connection id by a mark in its query. */
export async function openIdentified(backend: Backend, url: string, opening?: Opening) {
  const mark = Math.random().toString(36).slice(2);
  const client = await openClient(`${url}?mark=${mark}`, opening);
  const connect = await backend.event((event) => {
    const query = event.queryStringParameters;
    return isObject(query) && query.mark === mark;
  });
  return { ...client, id: idOf(connect), key: connect.key, callbackUrl: connect.callbackUrl };
}
