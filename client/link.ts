/**
 * The link: the one socket of a client, opened when somebody listens, opened again when it ends, and replaced by another
 * before API Gateway ends it.
 * @module
 */
import { CONNECTION_LIFE_MS } from '../protocol/limits.ts';
import { backoff, CLIMB_MS, jittered } from './backoff.ts';
import { TidingsError } from './errors.ts';
import type { Host } from './host.ts';
import { askToken, type Token } from './http.ts';
import { openSocket, type Socket } from './socket.ts';
import { later, sleep } from './timers.ts';
import { type Member, topicsOn } from './topics.ts';

/** A socket is replaced at least this long before the gateway ends it, and up to three times as long, in milliseconds. */
const HANDOVER_MARGIN_MS = 5 * 60_000;
const HANDOVER_SPREAD_MS = 15 * 60_000;

/** How long the replaced socket may still say what was on its way, in milliseconds; longer than any answer takes. */
const LINGER_MS = 15_000;

/** How long a socket stays open when nobody listens any more, in milliseconds: who changes channels keeps it. */
const IDLE_MS = 15_000;

/** A socket that lived shorter counts as a failure, in milliseconds. */
const STABLE_MS = 30_000;

export interface Link {
  /** Answers what leaves again. */
  readonly join: (member: Member) => () => void;
  /** The socket that is open now, if any. */
  readonly socket: () => Socket | undefined;
}

export interface LinkOptions {
  readonly host: Host;
  readonly url: string;
  readonly token: Token;
  /** Ends everything. */
  readonly signal: AbortSignal;
}

export function linkTo({ host, url, token, signal }: LinkOptions): Link {
  let current: Socket | undefined;
  let isRunning = false;
  let isDown = false;
  let isReplacing = false;
  let onLost: () => void = () => {};
  let cancelHandover: () => void = () => {};
  let cancelIdle: () => void = () => {};
  const topics = topicsOn({
    host,
    signal,
    // While it is being replaced nothing is asked of it, least of all with a token that it has refused.
    current: () => (isReplacing ? undefined : current),
    renew() {
      if (typeof token !== 'function') return false;
      void replace(true);
      return true;
    },
    onEmpty: closeIdle,
  });

  /** Each time anew, so that it was idle for all of that time. */
  function closeIdle(): void {
    cancelIdle();
    cancelIdle = later(host, IDLE_MS, signal, () => {
      if (topics.size() === 0) current?.close();
    });
  }

  /** Rejects with a TidingsError, or as the token's function does. */
  async function open(): Promise<Socket> {
    const bearer = await askToken(token);
    let socket: Socket | undefined;
    const listener = {
      onFrame: topics.onFrame,
      onFault: (topic: string | undefined, error: TidingsError) =>
        socket === current && topics.onFault(topic, error),
      onClosed: () => socket === current && lose(),
    };
    socket = await openSocket(host, url, bearer, listener, signal);
    if (!socket.isOpen) throw new TidingsError('unavailable', 'the socket ended');
    return socket;
  }

  function adopt(socket: Socket): void {
    current = socket;
    isDown = false;
    isReplacing = false;
    const life = CONNECTION_LIFE_MS - HANDOVER_MARGIN_MS - host.random() * HANDOVER_SPREAD_MS;
    cancelHandover = later(host, life, signal, () => void replace(false));
    topics.align();
    // Whoever asked for it may have left while it was opened.
    if (topics.size() === 0) closeIdle();
  }

  function lose(): void {
    current = undefined;
    cancelHandover();
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
      if (current !== old) return next.close();
      later(host, LINGER_MS, signal, old.close);
      adopt(next);
    } catch {
      if (current !== old) return;
      if (isUrgent) return old.close();
      cancelHandover = later(host, jittered(CLIMB_MS, host.random()), signal, () => void replace(false));
    } finally {
      isReplacing = false;
      topics.align();
    }
  }

  /** Keeps a socket open for as long as somebody listens. */
  async function run(): Promise<void> {
    if (isRunning) return;
    isRunning = true;
    for (let failures = 0; topics.size() > 0 && !signal.aborted; ) {
      const began = host.now();
      await session();
      // It was closed because nobody listens.
      if (topics.size() === 0) break;
      failures = host.now() - began > STABLE_MS ? 0 : failures + 1;
      if (failures > 1 && !signal.aborted) {
        isDown = true;
        topics.allDown();
      }
      if (!signal.aborted) await sleep(host, backoff(failures, host.random(), CLIMB_MS), signal);
    }
    isRunning = false;
  }

  /** Ends when there is no socket any more. */
  async function session(): Promise<void> {
    const lost = new Promise<void>((resolve) => {
      onLost = resolve;
    });
    try {
      adopt(await open());
      await lost;
    } catch {
      isDown = true;
      topics.allDown();
    }
  }

  return {
    join(member) {
      topics.join(member);
      if (isDown) member.onDown();
      void run();
      return () => topics.leave(member);
    },
    socket: () => current,
  };
}
