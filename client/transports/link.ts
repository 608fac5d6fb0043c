/**
 * The link: the one socket of a client, opened with the first subscription, opened again when it ends, and replaced by another
 * before API Gateway ends it.
 * @module
 */
import { CONNECTION_LIFE_MS } from '../../protocol/limits.ts';
import { asTidingsError, TidingsError } from '../errors.ts';
import type { Host } from '../host.ts';
import { discard, type Http } from '../http.ts';
import { backoff, deadline, jittered, later, RECHECK_MS, sleep } from '../timers.ts';
import type { Tokens } from '../token.ts';
import { openSocket, type Socket } from './socket.ts';
import { type Member, topicsOn } from './topics.ts';

/** A socket is replaced at least this long before the gateway ends it, and up to three times as long, in milliseconds. */
const HANDOVER_MARGIN_MS = 5 * 60_000;
const HANDOVER_SPREAD_MS = 15 * 60_000;

/** How long the replaced socket may still say what was on its way, in milliseconds; longer than any answer takes. */
const LINGER_MS = 15_000;

/** How long a socket stays open without a subscription, in milliseconds: a page that changes channels keeps it. */
const IDLE_MS = 15_000;

/** A socket that lived shorter counts as a failure, in milliseconds. */
const STABLE_MS = 30_000;

/** How long it may take to find out why a socket cannot be opened, in milliseconds. */
const PROBE_MS = 15_000;

export interface Link {
  /** Returns what leaves again. */
  readonly join: (member: Member) => () => void;
  /** The socket that is open now, if any, and not in doubt. */
  readonly socket: () => Socket | undefined;
}

export interface LinkOptions {
  readonly host: Host;
  readonly url: string;
  readonly tokens: Tokens;
  readonly http: Http;
  /** Where channels are read, without a slash at its end. */
  readonly hubUrl: string;
  /** True if there is no other transport. */
  readonly isAlone: boolean;
  /** Ends everything. */
  readonly signal: AbortSignal;
}

interface Opened {
  readonly socket: Socket;
  /** The token that it was opened with. */
  readonly bearer: string | undefined;
}

export function linkTo({ host, url, tokens, http, hubUrl, isAlone, signal }: LinkOptions): Link {
  let current: Opened | undefined;
  let isRunning = false;
  /** Why there is no socket, when there is none for longer. */
  let trouble: TidingsError | undefined;
  let isReplacing = false;
  let isProbing = false;
  let onLost: () => void = () => {};
  let cancelHandover: () => void = () => {};
  let cancelIdle: () => void = () => {};
  const topics = topicsOn({
    host,
    signal,
    // While it is being replaced nothing is asked of it, least of all with a token that it has refused.
    current: () => (isReplacing ? undefined : current?.socket),
    renew() {
      if (!tokens.refuse(current?.bearer)) return false;
      void replace(true);
      return true;
    },
    onEmpty: closeIdle,
  });

  /** Starts again with each call, so that the socket was idle for all of that time. */
  function closeIdle(): void {
    cancelIdle();
    cancelIdle = later(host, IDLE_MS, signal, () => {
      if (topics.names().length === 0) current?.socket.close();
    });
  }

  /** Rejects with a TidingsError, or as the token's function does. */
  async function open(): Promise<Opened> {
    const bearer = await tokens.get(signal);
    let socket: Socket | undefined;
    const listener = {
      onFrame: topics.onFrame,
      onFault(topic: string | undefined, error: TidingsError) {
        // The hub's last word: the token has ended, or its owner's sockets were ended (PROTOCOL.md §12.6).
        if (topic === undefined && error.code === 'unauthorized') tokens.refuse(bearer);
        if (socket === current?.socket) topics.onFault(topic, error);
      },
      onClosed: (why: TidingsError) => socket === current?.socket && lose(why),
    };
    socket = await openSocket(host, url, bearer, listener, signal);
    if (!socket.isOpen) throw new TidingsError('unavailable', 'the socket ended');
    return { socket, bearer };
  }

  function adopt(opened: Opened): void {
    current = opened;
    trouble = undefined;
    isReplacing = false;
    const life = CONNECTION_LIFE_MS - HANDOVER_MARGIN_MS - host.random() * HANDOVER_SPREAD_MS;
    cancelHandover = later(host, life, signal, () => void replace(false));
    topics.align();
    // All subscriptions may have ended while it was opened.
    if (topics.names().length === 0) closeIdle();
  }

  function lose(why: TidingsError): void {
    current = undefined;
    cancelHandover();
    topics.allLost(why);
    onLost();
  }

  /** Opens the next socket first, and lets the old one say what was on its way. */
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

  /** Keeps a socket open for as long as there is a subscription. */
  async function run(): Promise<void> {
    if (isRunning) return;
    isRunning = true;
    for (let failures = 0; topics.names().length > 0 && !signal.aborted; ) {
      const began = host.now();
      const why = await session();
      // It was closed because there is no subscription.
      if (topics.names().length === 0) break;
      failures = host.now() - began > STABLE_MS ? 0 : failures + 1;
      if (failures > 1) goDown(why);
      if (!signal.aborted) await sleep(host, backoff(failures, host.random(), RECHECK_MS), signal);
    }
    isRunning = false;
  }

  /** Ends when there is no socket any more. Returns why. */
  async function session(): Promise<TidingsError> {
    const lost = new Promise<void>((resolve) => {
      onLost = resolve;
    });
    try {
      adopt(await open());
      await lost;
      return new TidingsError('unavailable', 'sockets open, but do not last');
    } catch (error) {
      const why = asTidingsError(error);
      goDown(why);
      void probe();
      return why;
    }
  }

  function goDown(why: TidingsError): void {
    if (signal.aborted) return;
    trouble = why;
    topics.allDown(why);
  }

  /**
   * Finds out over HTTP whether it is the token that opens no socket: browsers do not show the status of a handshake.
   * A read of what is subscribed needs the same token, and is answered by a refusal that can be read. Where there are
   * other transports, their reads find it out.
   */
  async function probe(): Promise<void> {
    const topic = topics.names().find((name) => isAlone || name.endsWith('*'));
    if (topic === undefined || isProbing || signal.aborted) return;
    isProbing = true;
    const limit = deadline(host, PROBE_MS, signal);
    try {
      const channel = topic.replace(/\*$/, '_');
      discard(await http({ url: `${hubUrl}/channels/${channel}?offset=now` }, limit.signal));
    } catch (error) {
      const why = asTidingsError(error);
      if (why.code === 'unauthorized') topics.refuseAll(why);
    } finally {
      limit.end();
      isProbing = false;
    }
  }

  return {
    join(member) {
      topics.join(member);
      if (trouble) member.onDown(trouble);
      void run();
      return () => topics.leave(member);
    },
    socket: () => (current?.socket.isTrusted ? current.socket : undefined),
  };
}
