/**
 * The wake socket: a WebSocket from a process with held requests to the hub itself. It opens for the first held request, and is
 * checked after a pause.
 * @module
 */
import { CONNECTION_LIFE_MS } from '../../../protocol/limits.ts';
import { subprotocolsFor } from '../../../protocol/subprotocol.ts';
import type { KeySource } from '../../access/hub-tokens.ts';
import { sign } from '../../access/sign-token.ts';
import type { LogDefect } from '../../hub/defects.ts';
import { type EphemeralNews, type EphemeralSocket, parseEphemeral } from '../../hub/ephemeral/inbox.ts';
import { type News, parseNews } from '../../hub/hold/news.ts';
import type { WakeSocket } from '../../hub/hold/wake.ts';

/** The URL and the keys by which the wake socket connects. */
export interface WakeSocketOptions {
  /** The URL of the WebSocket API. */
  readonly url: string;
  /** Headers of the request that opens the socket. */
  readonly headers: Readonly<Record<string, string>>;
  /** Returns the key that signs the token of the socket. */
  readonly keys: KeySource;
  /** The audience of the token: this hub and stage. */
  readonly audience: string;
  /** Milliseconds since 1970. Unlike a monotonic clock, it surely advances while Lambda has frozen the process. */
  readonly clock: () => number;
  /** Reports that the socket cannot be opened. */
  readonly logDefect: LogDefect;
}

/**
 * After this time without a held request, in milliseconds, the process may have been frozen. The gateway may then have closed the
 * connection, and the process may not have noticed it.
 */
const FROZEN_MS = 5_000;

/** How long the answer to a ping may take, in milliseconds. Until it comes, held requests are woken in another way. */
const ALIVE_WITHIN_MS = 2_000;

/** The pause between attempts to open the socket, in milliseconds: doubled up to a minute. */
const RETRY_MS = 1_000;
const MAX_RETRY_MS = 60_000;

const PING = JSON.stringify({ action: 'ping' });

/** Receive what comes on the socket. */
interface Hearing {
  news: (news: News) => void;
  ephemeral: (news: EphemeralNews) => void;
  /** Wait until the socket is known to be alive. */
  readonly alive: Set<() => void>;
}

interface State {
  socket: WebSocket | undefined;
  /** The id of the connection. It comes with the answer to the first ping. */
  connection: string | undefined;
  /** When a request was last held. */
  usedAt: number;
  /** When the answer to a ping must have come; undefined if none is expected. */
  aliveBy: number | undefined;
  failures: number;
  retryAt: number;
}

/** Returns the wake socket of a process. */
export function wakeSocketTo(options: WakeSocketOptions): WakeSocket & EphemeralSocket {
  const { clock } = options;
  const hearing: Hearing = { news() {}, ephemeral() {}, alive: new Set() };
  const state: State = {
    socket: undefined,
    connection: undefined,
    usedAt: clock(),
    aliveBy: undefined,
    failures: 0,
    retryAt: 0,
  };
  return {
    listen: (callback) => {
      hearing.news = callback;
    },
    onAlive(callback) {
      hearing.alive.add(callback);
      return () => hearing.alive.delete(callback);
    },
    listenEphemeral: (callback) => {
      hearing.ephemeral = callback;
    },
    connection() {
      const now = clock();
      const isFresh = now - state.usedAt < FROZEN_MS;
      state.usedAt = now;
      if (!state.socket) {
        if (now >= state.retryAt) void open(options, state, hearing);
        return undefined;
      }
      if (state.connection === undefined) return giveUpIfLate(state, now);
      if (!isFresh && state.aliveBy === undefined) {
        state.aliveBy = now + ALIVE_WITHIN_MS;
        state.socket.send(PING);
      }
      if (state.aliveBy !== undefined) return giveUpIfLate(state, now);
      return state.connection;
    },
  };
}

function giveUpIfLate(state: State, now: number): undefined {
  if (state.aliveBy !== undefined && now >= state.aliveBy) drop(state, now);
}

function drop(state: State, now: number): void {
  state.socket?.close();
  state.socket = undefined;
  state.connection = undefined;
  state.aliveBy = undefined;
  state.retryAt = now + Math.min(RETRY_MS * 2 ** state.failures++, MAX_RETRY_MS);
}

async function open(options: WakeSocketOptions, state: State, hearing: Hearing): Promise<void> {
  // Other held requests must not open another socket meanwhile.
  state.retryAt = options.clock() + MAX_RETRY_MS;
  try {
    // The WebSocket of Node takes headers, which that of browsers does not. https://undici.nodejs.org/#/docs/api/WebSocket
    const socket = new WebSocket(options.url, {
      protocols: subprotocolsFor(await ownToken(options)),
      headers: options.headers,
    });
    state.socket = socket;
    state.aliveBy = options.clock() + 2 * ALIVE_WITHIN_MS;
    const end = (): void => {
      if (state.socket === socket) drop(state, options.clock());
    };
    socket.addEventListener('open', () => socket.send(PING));
    socket.addEventListener('close', end);
    socket.addEventListener('error', end);
    socket.addEventListener('message', ({ data }) => {
      if (state.socket === socket) onFrame(state, String(data), hearing);
    });
  } catch (error) {
    drop(state, options.clock());
    options.logDefect(error, { opening: 'the wake socket' });
  }
}

/** Returns a token for this process. It allows nothing but to connect. */
async function ownToken({ keys, audience, clock }: WakeSocketOptions): Promise<string> {
  const until = clock() + CONNECTION_LIFE_MS;
  return await sign(keys, { audience, capability: {}, until, claims: { sub: 'tidings:hold' } });
}

function onFrame(state: State, text: string, hearing: Hearing): void {
  const frame: Readonly<Record<string, unknown>> = JSON.parse(text);
  if (frame.type === 'pong' && typeof frame.connection === 'string') state.connection = frame.connection;
  const news = parseNews(frame);
  const ephemeral = parseEphemeral(frame, text);
  // The gateway itself also sends frames, for example if the socket function fails. They do not show that the hub is alive.
  if (frame.type === 'pong' || news || ephemeral) {
    state.aliveBy = undefined;
    state.failures = 0;
    if (state.connection !== undefined) {
      for (const callback of hearing.alive) callback();
      hearing.alive.clear();
    }
  }
  if (news) hearing.news(news);
  if (ephemeral) hearing.ephemeral(ephemeral);
}
