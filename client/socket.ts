/**
 * One WebSocket from its opening to its end: requests and their answers, frames, and signs of life (PROTOCOL.md §12).
 * @module
 */
import { subprotocolsFor } from '../protocol/subprotocol.ts';
import { asTidingsError, TidingsError } from './errors.ts';
import { type Answer, parseFrame, type Said } from './frames.ts';
import type { Frame } from './gap-rule.ts';
import type { Host, Wire } from './host.ts';

/** The longest that opening may take, in milliseconds. */
const OPEN_MS = 5_000;

/** The longest that an answer may take, in milliseconds. */
const ANSWER_MS = 10_000;

/** Between two pings, in milliseconds: half of the silence after which API Gateway ends a connection. */
const PING_MS = 300_000;

/** Between two looks at the clock, in milliseconds. */
const LOOK_MS = 15_000;

/**
 * Two looks that are further apart, in milliseconds: the machine slept, and the socket may have ended without a word.
 * More than the minute that browsers make timers of hidden pages wait for.
 */
const SLEPT_MS = 90_000;

export interface SocketListener {
  readonly onFrame: (frame: Frame) => void;
  /** An error that answers nothing. */
  readonly onFault: (channel: string | undefined, error: TidingsError) => void;
  /** Called once, if it was open; it is no longer then. */
  readonly onClosed: () => void;
}

export interface Socket {
  readonly isOpen: boolean;
  /**
   * Says something and waits for its answer, for 10 s at most. Rejects with a TidingsError: the hub's, or `unavailable`
   * when it is unknown what became of it.
   */
  readonly request: (action: Readonly<Record<string, unknown>>) => Promise<Answer>;
  /** Ends it, and rejects what is still unanswered. */
  readonly close: () => void;
}

interface Waiting {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: TidingsError) => void;
  readonly stop: () => void;
}

/** Opens a socket within 5 s, which ends with the signal. Rejects with `unavailable`: browsers do not say why. */
export function openSocket(
  host: Pick<Host, 'openWire' | 'after' | 'now'>,
  url: string,
  token: string | undefined,
  listener: SocketListener,
  signal: AbortSignal,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(new TidingsError('unavailable', 'the client is closed'));
    let state: 'opening' | 'open' | 'closed' = 'opening';
    let wire: Wire | undefined;
    const answers = waitingRoom(host, (text) => wire?.send(text));
    const end = (why: string): void => {
      if (state === 'closed') return;
      const wasOpen = state === 'open';
      state = 'closed';
      stopTimer();
      signal.removeEventListener('abort', close);
      wire?.close();
      if (wasOpen) listener.onClosed();
      else reject(new TidingsError('unavailable', why));
      answers.failAll(new TidingsError('unavailable', why));
    };
    const close = (): void => end('the socket was closed');
    signal.addEventListener('abort', close);
    let stopTimer = host.after(OPEN_MS, () => end('the socket did not open in time'));
    const watch = (pinged: number): void => {
      if (state !== 'open') return;
      const looked = host.now();
      stopTimer = host.after(LOOK_MS, () => {
        const now = host.now();
        if (now - pinged < PING_MS && now - looked < SLEPT_MS) return watch(pinged);
        answers
          .request({ action: 'ping' })
          .then(() => watch(now))
          .catch(() => end('the hub did not answer a ping'));
      });
    };
    const socket: Socket = {
      get isOpen() {
        return state === 'open';
      },
      request: async (action) => {
        if (state !== 'open') throw new TidingsError('unavailable', 'the socket is closed');
        return await answers.request(action);
      },
      close,
    };
    const opened = (): void => {
      if (state !== 'opening') return;
      state = 'open';
      stopTimer();
      watch(host.now());
      resolve(socket);
    };
    const said = (text: string): void => {
      const frame = state === 'open' ? parseFrame(text) : undefined;
      if (frame?.kind === 'messages') listener.onFrame(frame.frame);
      else if (frame?.id !== undefined) answers.settle(frame);
      else if (frame?.kind === 'error') listener.onFault(frame.channel, frame.error);
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

interface WaitingRoom {
  readonly request: (action: Readonly<Record<string, unknown>>) => Promise<Answer>;
  /** Does nothing if nobody waits for it any more. */
  readonly settle: (said: Exclude<Said, { kind: 'messages' }>) => void;
  readonly failAll: (error: TidingsError) => void;
}

/** Requests that wait for the answer with their id. */
function waitingRoom({ after }: Pick<Host, 'after'>, send: (text: string) => void): WaitingRoom {
  const waiting = new Map<string, Waiting>();
  let count = 0;
  const leave = (id: string): Waiting | undefined => {
    const found = waiting.get(id);
    found?.stop();
    waiting.delete(id);
    return found;
  };
  return {
    request: (action) =>
      new Promise((resolve, reject) => {
        count += 1;
        const id = String(count);
        const late = new TidingsError('unavailable', `the hub did not answer in ${ANSWER_MS} ms`);
        const stop = after(ANSWER_MS, () => leave(id)?.reject(late));
        waiting.set(id, { resolve, reject, stop });
        send(JSON.stringify({ ...action, id }));
      }),
    settle(said) {
      const found = said.id === undefined ? undefined : leave(said.id);
      if (said.kind === 'error') found?.reject(said.error);
      else found?.resolve(said.answer);
    },
    failAll(error) {
      for (const id of [...waiting.keys()]) leave(id)?.reject(error);
    },
  };
}
