/**
 * One WebSocket from its opening to its end: requests and their answers, frames, and signs of life (PROTOCOL.md §12).
 * @module
 */
import { subprotocolsFor } from '../../protocol/subprotocol.ts';
import type { Frame } from '../cursor.ts';
import { asTidingsError, TidingsError } from '../errors.ts';
import type { Host, Wire } from '../host.ts';
import { LOOK_MS, onAbort } from '../timers.ts';
import { type Action, type Answer, isAnswerTo, parseFrame, type ServerFrame } from './frames.ts';

/** The longest that opening may take, in milliseconds. */
const OPEN_MS = 5_000;

/** The longest that an answer may take, in milliseconds. */
const ANSWER_MS = 10_000;

/**
 * The silence after which a ping asks whether the socket still lives, in milliseconds. Each socket draws its own, up to
 * SPREAD_MS less: a message that ten thousand hear at one moment must not be followed by ten thousand pings at one moment.
 * A ping costs two messages of API Gateway and a call of Lambda, so nothing that was heard is followed by one too early. A
 * socket that has died without a word is replaced within SILENCE_MS + LOOK_MS + ANSWER_MS, which is 57 s.
 */
const SILENCE_MS = 45_000;
const SPREAD_MS = 10_000;

/**
 * How long frames may come and answers not, in milliseconds: on a slow line a pong waits behind the frames. After that it
 * is the way to the hub that is broken.
 */
const UNANSWERED_MS = 120_000;

/** A socket that was silent for longer has not answered its ping yet, in milliseconds: another way is quicker. */
const TRUSTED_MS = SILENCE_MS + 2 * LOOK_MS;

export interface SocketListener {
  readonly onFrame: (frame: Frame) => void;
  /** An error that answers nothing. */
  readonly onFault: (channel: string | undefined, error: TidingsError) => void;
  /** Called once, if it was open; it is no longer then. */
  readonly onClosed: (why: TidingsError) => void;
}

export interface Socket {
  readonly isOpen: boolean;
  /** False while it is in doubt whether it still lives. */
  readonly isTrusted: boolean;
  /**
   * Says something and waits for its answer, for 10 s at most; then the socket is tested by a ping, and ends without a
   * pong in another 10 s. Rejects with a TidingsError: the hub's, or `unavailable` when it is unknown what became of it.
   * @param messages JSON text that is sent as the member `messages`
   */
  readonly request: (action: Action, messages?: string) => Promise<Answer>;
  /** Ends it, and rejects what is still unanswered. */
  readonly close: () => void;
}

/** Opens a socket within 5 s, which ends with the signal. Rejects with `unavailable`: browsers do not say why. */
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
    let heardAt = 0;
    /** Late answers count, too. */
    let answeredAt = 0;
    let isTested = false;
    const silence = SILENCE_MS - host.random() * SPREAD_MS;
    const room = waitingRoom(host, (text) => wire?.send(text), test);

    function end(why: string): void {
      if (state === 'closed') return;
      const wasOpen = state === 'open';
      state = 'closed';
      stopTimer();
      forget();
      wire?.close();
      const error = new TidingsError('unavailable', why);
      if (wasOpen) listener.onClosed(error);
      else reject(error);
      room.failAll(error);
    }
    const close = (): void => end('the socket was closed');
    const forget = onAbort(signal, close);
    let stopTimer = host.after(OPEN_MS, () => end('the socket did not open in time'));

    function test(since = host.now()): void {
      if (isTested || state !== 'open') return;
      isTested = true;
      const pingedAt = host.now();
      room.request({ action: 'ping' }).then(
        () => {
          isTested = false;
        },
        (error: TidingsError) => {
          isTested = false;
          // Any other error is an answer: something at the other end is alive.
          if (error.code !== 'unavailable') return;
          const isSlow = heardAt > pingedAt && host.now() - Math.max(since, answeredAt) < UNANSWERED_MS;
          if (isSlow) test(since);
          else end('the hub did not answer a ping');
        },
      );
    }
    function look(): void {
      if (state !== 'open') return;
      stopTimer = host.after(LOOK_MS, look);
      if (host.now() - heardAt >= silence) test();
    }
    const socket: Socket = {
      get isOpen() {
        return state === 'open';
      },
      get isTrusted() {
        return state === 'open' && !room.isLate() && host.now() - heardAt < TRUSTED_MS;
      },
      request: async (action, messages) => {
        if (state !== 'open') throw new TidingsError('unavailable', 'the socket is closed');
        return await room.request(action, messages);
      },
      close,
    };
    const opened = (): void => {
      if (state !== 'opening') return;
      state = 'open';
      stopTimer();
      heardAt = host.now();
      look();
      resolve(socket);
    };
    const said = (text: string): void => {
      if (state !== 'open') return;
      heardAt = host.now();
      const frame = parseFrame(text);
      if (frame?.kind === 'messages') listener.onFrame(frame.frame);
      else if (frame?.kind === 'gateway') room.failAll(frame.error);
      else if (frame?.id !== undefined) {
        answeredAt = heardAt;
        room.settle(frame.id, frame);
      } else if (frame?.kind === 'error') listener.onFault(frame.channel, frame.error);
    };
    try {
      const protocols = subprotocolsFor(token);
      wire = host.openWire?.(url, protocols, { opened, said, closed: () => end('the socket ended') });
      if (!wire) end('there are no WebSockets here');
    } catch (error) {
      end(asTidingsError(error).message);
    }
  });
}

interface Waiting {
  readonly action: Action;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: TidingsError) => void;
  readonly stop: () => void;
}

interface WaitingRoom {
  readonly request: (action: Action, messages?: string) => Promise<Answer>;
  /** Does nothing for an id that is not waited for any more. */
  readonly settle: (id: string, said: Extract<ServerFrame, { kind: 'answer' | 'error' }>) => void;
  readonly failAll: (error: TidingsError) => void;
  /** True if an answer was late, and none has come since. */
  readonly isLate: () => boolean;
}

/** Requests that wait for the answer with their id. */
function waitingRoom(
  { after }: Pick<Host, 'after'>,
  send: (text: string) => void,
  onLate: () => void,
): WaitingRoom {
  const waiting = new Map<string, Waiting>();
  let count = 0;
  let isLate = false;
  const leave = (id: string): Waiting | undefined => {
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
    settle(id, said) {
      const found = leave(id);
      if (!found) return;
      isLate = false;
      if (said.kind === 'error') found.reject(said.error);
      else if (isAnswerTo(found.action, said.type, said.answer)) found.resolve(said.answer);
      else
        found.reject(new TidingsError('internal', `the answer to ${found.action.action} has another form`));
    },
    failAll(error) {
      for (const id of [...waiting.keys()]) leave(id)?.reject(error);
    },
    isLate: () => isLate,
  };
}
