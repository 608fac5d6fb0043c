/**
 * The hub's own socket in a process that holds readers: opened when somebody waits, checked after a pause.
 * @module
 */
import { CONNECTION_LIFE_MS } from '../../../protocol/limits.ts';
import { parseOffset } from '../../../protocol/offset.ts';
import { subprotocolsFor } from '../../../protocol/subprotocol.ts';
import type { KeySource } from '../../access/hub-tokens.ts';
import { sign } from '../../access/sign-token.ts';
import type { LogDefect } from '../../hub/defects.ts';
import type { WakeSocket } from '../../hub/hold/wake.ts';

export interface WakeSocketOptions {
  readonly url: string;
  readonly keys: KeySource;
  readonly audience: string;
  /** Milliseconds since 1970: it goes on while Lambda has frozen the process, whatever a monotonic clock does. */
  readonly clock: () => number;
  readonly logDefect: LogDefect;
}

/**
 * After so long without anybody waiting, in milliseconds, the process may have been frozen, and the other end may have
 * given up on the connection without a word that could be heard.
 */
const FROZEN_MS = 5_000;

/** How long a sign of life may take, in milliseconds; until then readers are woken otherwise. */
const ALIVE_WITHIN_MS = 2_000;

/** Between attempts to open it, in milliseconds: doubled up to a minute. */
const RETRY_MS = 1_000;
const MOST_RETRY_MS = 60_000;

const PING = JSON.stringify({ action: 'ping' });

interface State {
  socket: WebSocket | undefined;
  /** Known from the answer to the first ping, and from then on. */
  connection: string | undefined;
  /** When somebody last waited. */
  usedAt: number;
  /** Until when a sign of life is waited for; undefined if none is. */
  aliveBy: number | undefined;
  failures: number;
  retryAt: number;
}

export function wakeSocketTo(options: WakeSocketOptions): WakeSocket {
  const { clock } = options;
  let heard: (channel: string, next: number) => void = () => {};
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
      heard = callback;
    },
    connection() {
      const now = clock();
      const isFresh = now - state.usedAt < FROZEN_MS;
      state.usedAt = now;
      if (!state.socket) {
        if (now >= state.retryAt) void open(options, state, (channel, next) => heard(channel, next));
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
  state.retryAt = now + Math.min(RETRY_MS * 2 ** state.failures++, MOST_RETRY_MS);
}

async function open(
  options: WakeSocketOptions,
  state: State,
  heard: (channel: string, next: number) => void,
): Promise<void> {
  // So that nobody else opens one meanwhile.
  state.retryAt = options.clock() + MOST_RETRY_MS;
  try {
    const socket = new WebSocket(options.url, subprotocolsFor(await ownToken(options)));
    state.socket = socket;
    state.aliveBy = options.clock() + 2 * ALIVE_WITHIN_MS;
    const end = (): void => {
      if (state.socket === socket) drop(state, options.clock());
    };
    socket.addEventListener('open', () => socket.send(PING));
    socket.addEventListener('close', end);
    socket.addEventListener('error', end);
    socket.addEventListener('message', ({ data }) => {
      if (state.socket === socket) hear(state, String(data), heard);
    });
  } catch (error) {
    drop(state, options.clock());
    options.logDefect(error, { opening: 'the socket that wakes held reads' });
  }
}

/** Whoever holds reads may sign for himself. This token may do nothing but connect. */
async function ownToken({ keys, audience, clock }: WakeSocketOptions): Promise<string> {
  const until = clock() + CONNECTION_LIFE_MS;
  return await sign(keys, { audience, capability: {}, until, claims: { sub: 'tidings:hold' } });
}

function hear(state: State, text: string, heard: (channel: string, next: number) => void): void {
  const frame: Readonly<Record<string, unknown>> = JSON.parse(text);
  if (frame.type === 'pong' && typeof frame.connection === 'string') state.connection = frame.connection;
  // The gateway itself says something, too, when the hub cannot be reached: that is no sign of life of the hub.
  if (frame.type === 'pong' || frame.type === 'messages') {
    state.aliveBy = undefined;
    state.failures = 0;
  }
  const next = typeof frame.next === 'string' ? parseOffset(frame.next) : undefined;
  if (typeof frame.channel === 'string' && next) heard(frame.channel, next.entry);
}
