/**
 * What the tests of WebSockets share: a prompter that plays all functions of the fixture, and a client that remembers.
 * @module
 */
import { createServer } from 'node:http';
import { WebSocket } from 'ws';
import { isObject, type JsonObject } from '../../local/template/json.ts';
import { at } from './support.ts';

export interface Told {
  readonly event: JsonObject;
  readonly key: string;
  readonly name: string;
  readonly socketUrl: string;
  readonly callbackUrl: string;
}

type Play = (told: Told) => unknown;

export interface Prompter {
  readonly port: number;
  /** All that functions were asked, in order. */
  readonly told: readonly Told[];
  /** What functions return from now on, by route key; others return 200. */
  play(plays: Record<string, Play>): void;
  /** The first event that fits, be it there already. */
  event(fits: (event: JsonObject) => boolean): Promise<Told>;
  /** The end of this connection, as it was told. */
  end(id: string): Promise<Told>;
  forget(): void;
  close(): Promise<void>;
}

export const contextOf = (event: JsonObject) => at(event, 'requestContext');
export const keyOf = (event: JsonObject) => String(contextOf(event).routeKey);
export const idOf = ({ event }: Told) => String(contextOf(event).connectionId);

/** Starts the prompter. */
export async function startPrompter(): Promise<Prompter> {
  const told: Told[] = [];
  let plays: Record<string, Play> = {};
  const watch = createWatch();
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', async () => {
      const asked = readTold(JSON.parse(Buffer.concat(chunks).toString('utf8')));
      told.push(asked);
      watch.look();
      const result = await plays[keyOf(asked.event)]?.(asked);
      response.end(JSON.stringify(result ?? { statusCode: 200 }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the prompter got no port');
  return {
    port: address.port,
    told,
    play: (next) => {
      plays = next;
    },
    event: (fits) => watch.until(() => told.find(({ event }) => fits(event))),
    end: (id) =>
      watch.until(() => told.find((each) => keyOf(each.event) === '$disconnect' && idOf(each) === id)),
    forget: () => void told.splice(0),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function readTold(value: unknown): Told {
  const { event, key, name, socketUrl, callbackUrl } = at({ value }, 'value');
  return {
    event: isObject(event) ? event : {},
    key: String(key),
    name: String(name),
    socketUrl: String(socketUrl),
    callbackUrl: String(callbackUrl),
  };
}

/** Waits for conditions, looked at whenever something has come. */
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
  say(message: unknown): void;
  /** The first message that holds this text, be it there already. */
  hears(text: string): Promise<string>;
  readonly closed: Promise<{ code: number; reason: string }>;
}

export interface Opening {
  readonly protocols?: string[];
  readonly headers?: Record<string, string>;
  /** A client that takes messages of so many frames at most. */
  readonly maxFragments?: number;
}

/** Opens a WebSocket; fails with the status where it gets none. */
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
        say: (message) => socket.send(typeof message === 'string' ? message : JSON.stringify(message)),
        hears: (text) => watch.until(() => messages.find((message) => message.includes(text))),
        closed,
      }),
    );
  });
}

/** Opens a WebSocket with an id that was just told, so that it is known which connection it is. */
export async function openKnown(prompter: Prompter, url: string, opening?: Opening) {
  const mark = Math.random().toString(36).slice(2);
  const client = await openClient(`${url}?mark=${mark}`, opening);
  const told = await prompter.event((event) => {
    const query = event.queryStringParameters;
    return isObject(query) && query.mark === mark;
  });
  return { ...client, id: idOf(told), key: told.key, callbackUrl: told.callbackUrl };
}
