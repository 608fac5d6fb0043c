/**
 * The link: the one socket of a client. It is opened with the first subscription, opened again when it ends, and
 * replaced before API Gateway ends it.
 * @module
 */
import { CONNECTION_LIFE_MS } from '../../protocol/limits.ts';
import { asTidingsError, TidingsError } from '../errors.ts';
import type { Host } from '../host.ts';
import { discard, type Http } from '../http.ts';
import type { RetryBudget } from '../retry-budget.ts';
import { backoff, deadline, jittered, later, RECHECK_MS } from '../timers.ts';
import type { Tokens } from '../token.ts';
import { openSocket, type Socket, type SocketListener } from './socket.ts';
import { type Member, type Topics, topicsOn } from './topics.ts';

/** A socket is replaced this long before the gateway ends it, in milliseconds, plus a random part of the spread. */
const HANDOVER_MARGIN_MS = 5 * 60_000;
const HANDOVER_SPREAD_MS = 15 * 60_000;

/** The time in which the replaced socket may still deliver frames, in milliseconds. Longer than any answer takes. */
const LINGER_MS = 15_000;

/**
 * The time for which a socket stays open without a subscription, in milliseconds, so that a page that changes channels keeps it.
 */
const IDLE_MS = 15_000;

/** A socket that ends sooner counts as a failure, in milliseconds. */
const STABLE_MS = 30_000;

/** The longest time to find out why a socket cannot be opened, in milliseconds. */
const PROBE_MS = 15_000;

/** The one socket of a client. */
export interface Link {
  /** Adds a subscription. Returns the function that removes it. */
  readonly join: (member: Member) => () => void;
  /** Returns the open socket, or undefined if there is none or if it may be dead. */
  readonly socket: () => Socket | undefined;
}

/** The parts that the link needs. */
export interface LinkOptions {
  /** The machine. */
  readonly host: Host;
  /** The URL of the sockets. */
  readonly url: string;
  /** The source of tokens. */
  readonly tokens: Tokens;
  /** Sends the request that finds out why no socket opens. */
  readonly http: Http;
  /** Pays for retries. */
  readonly budget: RetryBudget;
  /** The URL of the hub, without a slash at its end. */
  readonly hubUrl: string;
  /** True if the WebSocket is the only transport. */
  readonly isOnlyTransport: boolean;
  /** Aborted when the client is closed. */
  readonly signal: AbortSignal;
}

/** Returns the link of a client. It opens nothing before the first subscription. */
export function linkTo(options: LinkOptions): Link {
  const { host, tokens, budget, signal } = options;
  /** The reason for which there is no socket, after more than one failure. */
  let trouble: TidingsError | undefined;
  let cancelIdle: () => void = () => {};
  const topics = topicsOn({
    host,
    budget,
    signal,
    // Nothing is asked on a socket that is being replaced, because the hub may have refused its token.
    current: () => (kept.isReplacing() ? undefined : kept.socket()),
    renew() {
      if (!tokens.refuse(kept.bearer())) return false;
      kept.replace();
      return true;
    },
    onEmpty: closeIdle,
  });
  const kept = keptSocket(options, topics, () => {
    trouble = undefined;
    // All subscriptions may have ended while the socket was opened.
    if (topics.names().length === 0) closeIdle();
  });
  const connect = connecting(options, kept, topics, (why) => {
    trouble = why;
    topics.allDown(why);
  });

  /** Closes the socket if it is idle. Each call starts the time again, so that the socket was idle for all of it. */
  function closeIdle(): void {
    cancelIdle();
    cancelIdle = later(host, IDLE_MS, signal, () => {
      if (topics.names().length === 0) kept.socket()?.close();
    });
  }

  return {
    join(member) {
      topics.join(member);
      if (trouble) member.onDown(trouble);
      void connect();
      return () => topics.leave(member);
    },
    socket() {
      const socket = kept.socket();
      return socket?.isTrusted ? socket : undefined;
    },
  };
}

/**
 * Returns a function that keeps a socket open as long as there is a subscription. A call does nothing while it does so already.
 * @param onDown receives the reason for which there is no socket, after more than one failure
 */
function connecting(
  options: LinkOptions,
  kept: KeptSocket,
  topics: Topics,
  onDown: (why: TidingsError) => void,
): () => Promise<void> {
  const { host, budget, isOnlyTransport, signal } = options;
  let isRunning = false;
  let isProbing = false;

  /** Opens a socket, and resolves when there is none any more. Returns the reason. */
  async function session(): Promise<TidingsError> {
    try {
      await kept.untilLost();
      return new TidingsError('unavailable', 'sockets open, but do not last');
    } catch (error) {
      const why = asTidingsError(error);
      if (!signal.aborted) onDown(why);
      void probe();
      return why;
    }
  }

  /** Ends all subscriptions if no socket opens because of the token. If there are other transports, their reads find it out. */
  async function probe(): Promise<void> {
    const topic = topics.names().find((name) => isOnlyTransport || name.endsWith('*'));
    if (topic === undefined || isProbing || signal.aborted) return;
    isProbing = true;
    const refusal = await refusalOf(topic, options);
    isProbing = false;
    if (refusal?.code === 'unauthorized') topics.refuseAll(refusal);
  }

  return async () => {
    if (isRunning) return;
    isRunning = true;
    let isRetry = false;
    for (let failures = 0; topics.names().length > 0 && !signal.aborted; ) {
      const began = host.now();
      const why = await session();
      // The socket was closed because there is no subscription.
      if (topics.names().length === 0) break;
      const hasLasted = host.now() - began > STABLE_MS;
      if (hasLasted) budget.answered(isRetry);
      failures = hasLasted ? 0 : failures + 1;
      if (failures > 1 && !signal.aborted) onDown(why);
      if (!signal.aborted) await budget.wait(backoff(failures, host.random(), RECHECK_MS), signal);
      isRetry = true;
    }
    isRunning = false;
  };
}

/**
 * Reads the channel of a topic over HTTP. Returns the error, if there is one. Browsers do not show the status of a
 * handshake, but a read of the same channel needs the same token, and its refusal can be read.
 */
async function refusalOf(
  topic: string,
  { host, http, hubUrl, signal }: LinkOptions,
): Promise<TidingsError | undefined> {
  const limit = deadline(host, PROBE_MS, signal);
  try {
    const channel = topic.replace(/\*$/, '_');
    discard(await http({ url: `${hubUrl}/channels/${channel}?offset=now` }, limit.signal));
    return undefined;
  } catch (error) {
    return asTidingsError(error);
  } finally {
    limit.end();
  }
}

/** One socket at a time, and the next one before API Gateway ends it. */
interface KeptSocket {
  /** Returns the socket, or undefined if there is none. */
  readonly socket: () => Socket | undefined;
  /** Returns the token with which the socket was opened. */
  readonly bearer: () => string | undefined;
  /** Returns true while the next socket is being opened. */
  readonly isReplacing: () => boolean;
  /** Opens a socket, and resolves when there is none any more. Rejects if no socket opens, as `open` does. */
  readonly untilLost: () => Promise<void>;
  /** Opens the next socket with another token. If that fails, ends this one. */
  readonly replace: () => void;
}

interface Opened {
  readonly socket: Socket;
  readonly bearer: string | undefined;
}

/**
 * Returns a kept socket that is not open yet. A socket that was replaced may still deliver frames to the topics, and nothing else.
 * @param onOpened called when a socket was opened: the first one, or the next one
 */
function keptSocket(
  { host, url, tokens, signal }: LinkOptions,
  topics: Topics,
  onOpened: () => void,
): KeptSocket {
  let current: Opened | undefined;
  let isReplacing = false;
  let onLost: () => void = () => {};
  let cancelHandover: () => void = () => {};

  /** Opens a socket. Rejects with a TidingsError, or with the error of the token function. */
  async function open(): Promise<Opened> {
    const bearer = await tokens.get(signal);
    let socket: Socket | undefined;
    const listener: SocketListener = {
      onFrame: topics.onFrame,
      onEphemeral: (topic, ephemeral) => topics.onEphemeral(socket, topic, ephemeral),
      onFault(topic, error) {
        // The last frame of the hub: the token has ended, or an operator ended the sockets of its owner (PROTOCOL.md
        // §12.6).
        if (topic === undefined && error.code === 'unauthorized') tokens.refuse(bearer);
        if (socket === current?.socket) topics.onFault(topic, error);
      },
      onClosed: (why) => socket === current?.socket && lose(why),
    };
    socket = await openSocket(host, url, bearer, listener, signal);
    if (!socket.isOpen) throw new TidingsError('unavailable', 'the socket ended');
    return { socket, bearer };
  }

  function adopt(opened: Opened): void {
    current = opened;
    isReplacing = false;
    const life = CONNECTION_LIFE_MS - HANDOVER_MARGIN_MS - host.random() * HANDOVER_SPREAD_MS;
    cancelHandover = later(host, life, signal, () => void replace(false));
    topics.align();
    onOpened();
  }

  function lose(why: TidingsError): void {
    current = undefined;
    cancelHandover();
    topics.allLost(why);
    onLost();
  }

  /** Opens the next socket first. The old one may still deliver frames for a while. */
  async function replace(isUrgent: boolean): Promise<void> {
    const old = current;
    if (isReplacing || !old) return;
    isReplacing = true;
    cancelHandover();
    try {
      const next = await open();
      if (current !== old) return next.socket.close();
      later(host, LINGER_MS, signal, old.socket.close);
      adopt(next);
    } catch {
      if (current !== old) return;
      if (isUrgent) return old.socket.close();
      cancelHandover = later(host, jittered(RECHECK_MS, host.random()), signal, () => void replace(false));
    } finally {
      isReplacing = false;
      topics.align();
    }
  }

  return {
    socket: () => current?.socket,
    bearer: () => current?.bearer,
    isReplacing: () => isReplacing,
    async untilLost() {
      const lost = new Promise<void>((resolve) => {
        onLost = resolve;
      });
      adopt(await open());
      await lost;
    },
    replace: () => void replace(true),
  };
}
