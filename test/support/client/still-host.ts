/**
 * A host for the client on which time stands still until a test lets it pass. The test is the other end of each socket.
 * @module
 */
import type { Host, WireListener } from '../../../client/host.ts';

/** The hub's end of a socket. */
export interface FakeWire {
  readonly url: string;
  readonly protocols: readonly string[];
  /** The frames of the client, parsed. */
  readonly said: Record<string, unknown>[];
  /** The frames of the client, as text. */
  readonly texts: string[];
  /** True if the client has closed the socket. */
  readonly isClosed: () => boolean;
  /** Completes the handshake. */
  readonly open: () => void;
  /** Sends a frame to the client. */
  readonly say: (frame: object) => void;
  /** Answers the last request with that action. */
  readonly answer: (action: string, frame: object) => void;
  /** Ends the socket from the side of the hub. */
  readonly end: () => void;
}

/** A host on which time stands still. */
export interface StillHost extends Host {
  /** All sockets that the client has opened, in order. */
  readonly wires: readonly FakeWire[];
  /** Returns the sockets that the client has not closed. */
  readonly open: () => readonly FakeWire[];
  /** Lets time pass, with everything that is due in it. */
  readonly pass: (ms: number) => Promise<void>;
  /** Lets the machine sleep for this many milliseconds. What is due in them happens late, with the next `pass`. */
  readonly sleep: (ms: number) => void;
  /** Returns the number of running timers. */
  readonly timers: () => number;
  /** The URLs of all requests, in order. */
  readonly requests: string[];
  /** False: pings get no answer, as on a dead socket. */
  answersPings: boolean;
  /** Answers requests. Until it is set, the network is not reachable. */
  respond: (url: string, init: RequestInit) => Promise<Response> | Response;
}

interface Timer {
  readonly at: number;
  readonly run: () => void;
}

/** Passes of the event loop after which everything without a timer has happened, also reading bodies. */
const TURNS = 5;

/** Resolves when everything without a timer has happened. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < TURNS; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
}

/** Returns a host at time 0. */
export function stillHost(random: () => number = () => 0.5): StillHost {
  let now = 0;
  let keys = 0;
  const timers = new Set<Timer>();
  const wires: FakeWire[] = [];
  const requests: string[] = [];
  const host: StillHost = {
    wires,
    requests,
    open: () => wires.filter((wire) => !wire.isClosed()),
    timers: () => timers.size,
    sleep(ms) {
      now += ms;
    },
    answersPings: true,
    respond: () => Promise.reject(new TypeError('fetch failed')),
    now: () => now,
    wallClock: () => now,
    random,
    newKey() {
      keys += 1;
      return `key-${keys}`;
    },
    after(ms, run) {
      const timer = { at: now + ms, run };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    async fetch(url, init) {
      requests.push(url);
      const aborted = new Promise<never>((_, reject) => {
        const abort = (): void => reject(new DOMException('aborted', 'AbortError'));
        if (init.signal?.aborted) abort();
        init.signal?.addEventListener('abort', abort);
      });
      return await Promise.race([host.respond(url, init), aborted]);
    },
    openWire(url, protocols, listener) {
      const wire = fakeWire(url, protocols, listener);
      wires.push(wire);
      return {
        send(text) {
          const said = JSON.parse(text);
          wire.said.push(said);
          wire.texts.push(text);
          const pong = { type: 'pong', id: said.id, connection: 'c' };
          if (said.action === 'ping' && host.answersPings) queueMicrotask(() => wire.say(pong));
        },
        close: wire.end,
      };
    },
    async pass(ms) {
      const until = now + ms;
      await settled();
      for (;;) {
        const [next] = [...timers].sort((one, other) => one.at - other.at);
        if (!next || next.at > until) break;
        timers.delete(next);
        now = Math.max(now, next.at);
        next.run();
        await settled();
      }
      now = until;
    },
  };
  return host;
}

function fakeWire(
  url: string,
  protocols: readonly string[],
  { opened, received: hear, closed }: WireListener,
): FakeWire {
  let isClosed = false;
  const said: Record<string, unknown>[] = [];
  const say = (frame: object): void => hear(JSON.stringify(frame));
  return {
    url,
    protocols,
    said,
    texts: [],
    isClosed: () => isClosed,
    open: opened,
    say,
    answer(action, frame) {
      const request = said.findLast((each) => each.action === action);
      if (!request) throw new Error(`nobody said ${action}`);
      say({ id: request.id, channel: request.channel, ...frame });
    },
    end() {
      isClosed = true;
      closed();
    },
  };
}
