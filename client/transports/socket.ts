/**
 * One WebSocket from its opening to its end: requests and their answers, frames, and pings (PROTOCOL.md §12).
 * @module
 */
import { PRESENCE_PING_MS } from '../../protocol/limits.ts';
import { subprotocolsFor } from '../../protocol/subprotocol.ts';
import type { Frame } from '../cursor.ts';
import { asTidingsError, TidingsError } from '../errors.ts';
import type { Host, Wire } from '../host.ts';
import { CLOCK_CHECK_MS, onAbort } from '../timers.ts';
import {
  type Action,
  type Answer,
  type Ephemeral,
  isAnswerTo,
  parseFrame,
  type ServerFrame,
} from './frames.ts';

/** The longest time to open a socket, in milliseconds. */
const OPEN_MS = 5_000;

/** The longest time for an answer, in milliseconds. */
const ANSWER_MS = 10_000;

/**
 * The silence after which the client sends a ping, in milliseconds. Each socket draws its own, up to SPREAD_MS less, so
 * that one message to ten thousand clients is not followed by ten thousand pings at the same moment. A ping costs two
 * messages of API Gateway and a call of Lambda, so it must not come too early. A dead socket is replaced within
 * SILENCE_MS + CLOCK_CHECK_MS + ANSWER_MS, which is 57 s.
 */
const SILENCE_MS = 45_000;
const SPREAD_MS = 10_000;

/**
 * The longest time in which frames come without answers, in milliseconds. On a slow line a pong waits behind the frames. After this
 * time the way to the hub is broken.
 */
const UNANSWERED_MS = 120_000;

/** A socket that is silent for longer, in milliseconds, has not answered its ping yet. Then HTTP is faster. */
const TRUSTED_MS = SILENCE_MS + 2 * CLOCK_CHECK_MS;

/** The callbacks of a socket. */
export interface SocketListener {
  /** Receives the messages of a channel. */
  readonly onFrame: (frame: Frame) => void;
  /** Receives ephemeral messages of a subscribed channel or pattern. */
  readonly onEphemeral: (topic: string, ephemeral: Ephemeral) => void;
  /** Receives an error that answers no request. */
  readonly onFault: (channel: string | undefined, error: TidingsError) => void;
  /** Called once, if the socket was open. `isOpen` is false then. */
  readonly onClosed: (why: TidingsError) => void;
}

/** A socket that is open, or was open. */
export interface Socket {
  /** False after its end. */
  readonly isOpen: boolean;
  /** False while the socket may be dead. */
  readonly isTrusted: boolean;
  /**
   * Sends a request, and waits up to 10 s for its answer. Without an answer a ping tests the socket, and the socket
   * ends if no pong comes in another 10 s. Rejects with the TidingsError of the hub, or with `unavailable` if it is
   * unknown what happened to the request.
   * @param messages JSON text that is sent as the member `messages`
   */
  readonly request: (action: Action, messages?: string) => Promise<Answer>;
  /** Closes the socket. Requests without an answer reject. */
  readonly close: () => void;
}

/**
 * Opens a socket within 5 s. It ends with the signal. Rejects with `unavailable`, because browsers do not say why a
 * socket fails.
 */
export function openSocket(
  host: Pick<Host, 'openWire' | 'after' | 'now' | 'random'>,
  url: string,
  token: string | undefined,
  listener: SocketListener,
  signal: AbortSignal,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(new TidingsError('unavailable', 'the client is closed'));
    let state: 'opening' | 'open' | 'closed' = 'opening';
    let wire: Wire | undefined;
    const pending = pendingRequests(
      host,
      (text) => wire?.send(text),
      () => pings.test(),
    );
    const pings = pingsOn(
      host,
      () => pending.request({ action: 'ping' }),
      () => end('the hub did not answer a ping'),
    );

    function end(why: string): void {
      if (state === 'closed') return;
      const wasOpen = state === 'open';
      state = 'closed';
      stopOpening();
      pings.stop();
      forget();
      wire?.close();
      const error = new TidingsError('unavailable', why);
      if (wasOpen) listener.onClosed(error);
      else reject(error);
      pending.failAll(error);
    }
    const close = (): void => end('the socket was closed');
    const forget = onAbort(signal, close);
    const stopOpening = host.after(OPEN_MS, () => end('the socket did not open in time'));

    const socket: Socket = {
      get isOpen() {
        return state === 'open';
      },
      get isTrusted() {
        return state === 'open' && !pending.isLate() && pings.silence() < TRUSTED_MS;
      },
      request: async (action, messages) => {
        if (state !== 'open') throw new TidingsError('unavailable', 'the socket is closed');
        const answer = await pending.request(action, messages);
        if (answer.isMember) pings.keepPresence();
        return answer;
      },
      close,
    };
    const opened = (): void => {
      if (state !== 'opening') return;
      state = 'open';
      stopOpening();
      pings.start();
      resolve(socket);
    };
    const received = (text: string): void => {
      if (state === 'open') take(parseFrame(text), listener, pending, pings);
    };
    try {
      const closed = (): void => end('the socket ended');
      wire = host.openWire?.(url, subprotocolsFor(token), { opened, received, closed });
      if (!wire) end('there are no WebSockets here');
    } catch (error) {
      end(asTidingsError(error).message);
    }
  });
}

/** Gives a frame to the request that it answers, or to the listener. A text that is no frame counts as a sign of life. */
function take(
  frame: ServerFrame | undefined,
  listener: SocketListener,
  pending: PendingRequests,
  pings: Pings,
): void {
  pings.heard();
  if (frame?.kind === 'messages') listener.onFrame(frame.frame);
  else if (frame?.kind === 'ephemeral') listener.onEphemeral(frame.topic, frame.ephemeral);
  else if (frame?.kind === 'gateway') pending.failAll(frame.error);
  else if (frame?.id !== undefined) {
    pings.answered();
    pending.settle(frame.id, frame);
  } else if (frame?.kind === 'error') listener.onFault(frame.channel, frame.error);
}

interface Pings {
  /** Begins to measure the silence. The socket is open. */
  readonly start: () => void;
  /** Ends the measurement. The socket is closed. */
  readonly stop: () => void;
  /** Notes that something came. */
  readonly heard: () => void;
  /** Notes that an answer came. Late answers count as well. */
  readonly answered: () => void;
  /** Sends a ping, unless one waits for its pong. */
  readonly test: () => void;
  /** Pings often from now on, however much comes: only pings show that a member of a channel is there (PROTOCOL.md §14). */
  readonly keepPresence: () => void;
  /** Returns how long nothing has come, in milliseconds. */
  readonly silence: () => number;
}

/**
 * Returns the pings of a socket. They find out that it is dead, and report it by `onDead`.
 * @param ping sends a ping; rejects if no pong comes in time
 */
function pingsOn(
  host: Pick<Host, 'after' | 'now' | 'random'>,
  ping: () => Promise<unknown>,
  onDead: () => void,
): Pings {
  const longest = SILENCE_MS - host.random() * SPREAD_MS;
  let isOn = false;
  let isTested = false;
  let heardAt = 0;
  let answeredAt = 0;
  let lastPingAt = 0;
  let isMember = false;
  let stopTimer: () => void = () => {};
  const silence = (): number => host.now() - heardAt;

  function test(since: number): void {
    if (isTested || !isOn) return;
    isTested = true;
    const pingedAt = host.now();
    lastPingAt = pingedAt;
    const onFailure = (error: TidingsError): void => {
      isTested = false;
      // Any other error is an answer, so the other end is alive.
      if (error.code !== 'unavailable') return;
      const isSlow = heardAt > pingedAt && host.now() - Math.max(since, answeredAt) < UNANSWERED_MS;
      if (isSlow) test(since);
      else onDead();
    };
    ping().then(() => {
      isTested = false;
    }, onFailure);
  }

  function check(): void {
    stopTimer = host.after(CLOCK_CHECK_MS, check);
    const isDue = isMember && host.now() - lastPingAt >= PRESENCE_PING_MS - CLOCK_CHECK_MS;
    if (isDue || silence() >= longest) test(host.now());
  }

  return {
    start() {
      isOn = true;
      heardAt = host.now();
      check();
    },
    stop() {
      isOn = false;
      stopTimer();
    },
    heard() {
      heardAt = host.now();
    },
    answered() {
      answeredAt = heardAt;
    },
    test: () => test(host.now()),
    keepPresence() {
      if (isMember) return;
      isMember = true;
      // The subscription itself counts as a ping.
      lastPingAt = host.now();
    },
    silence,
  };
}

interface PendingRequest {
  readonly action: Action;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: TidingsError) => void;
  readonly stop: () => void;
}

interface PendingRequests {
  /** Sends a request, and waits for its answer. */
  readonly request: (action: Action, messages?: string) => Promise<Answer>;
  /** Completes a request. Does nothing if no request with this id waits. */
  readonly settle: (id: string, frame: Extract<ServerFrame, { kind: 'answer' | 'error' }>) => void;
  /** Rejects all waiting requests. */
  readonly failAll: (error: TidingsError) => void;
  /** True if an answer was late, and none has come since. */
  readonly isLate: () => boolean;
}

/** Requests that wait for an answer with their id. */
function pendingRequests(
  { after }: Pick<Host, 'after'>,
  send: (text: string) => void,
  onLate: () => void,
): PendingRequests {
  const waiting = new Map<string, PendingRequest>();
  let count = 0;
  let isLate = false;
  const leave = (id: string): PendingRequest | undefined => {
    const found = waiting.get(id);
    found?.stop();
    waiting.delete(id);
    return found;
  };
  return {
    request: (action, messages) =>
      new Promise((resolve, reject) => {
        count += 1;
        const id = String(count);
        const stop = after(ANSWER_MS, () => {
          isLate = true;
          leave(id)?.reject(new TidingsError('unavailable', `the hub did not answer in ${ANSWER_MS} ms`));
          onLate();
        });
        waiting.set(id, { action, resolve, reject, stop });
        const text = JSON.stringify({ ...action, id });
        send(messages === undefined ? text : `${text.slice(0, -1)},"messages":${messages}}`);
      }),
    settle(id, frame) {
      const found = leave(id);
      if (!found) return;
      isLate = false;
      if (frame.kind === 'error') found.reject(frame.error);
      else if (isAnswerTo(found.action, frame.type, frame.answer)) found.resolve(frame.answer);
      else
        found.reject(new TidingsError('internal', `the answer to ${found.action.action} has another form`));
    },
    failAll(error) {
      for (const id of [...waiting.keys()]) leave(id)?.reject(error);
    },
    isLate: () => isLate,
  };
}
