/**
 * What the client needs of the machine that it runs on: requests, sockets, time and chance. One port, so that tests can
 * hand in their own.
 * @module
 */

/** What a socket tells, in this order; `closed` may come first, and more than once. */
export interface WireListener {
  readonly opened: () => void;
  /** A text frame. Binary ones are not told: the hub sends none. */
  readonly said: (text: string) => void;
  readonly closed: () => void;
}

export interface Wire {
  /** Must be called on an open socket only. */
  readonly send: (text: string) => void;
  /** Does nothing on a socket that is closed. */
  readonly close: () => void;
}

export interface Host {
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  /** Undefined where there are no WebSockets, as in Node 20. May throw for what can be no address or protocol. */
  readonly openWire:
    | ((url: string, protocols: readonly string[], listener: WireListener) => Wire)
    | undefined;
  /** Milliseconds since some moment; never goes back, and goes on while the machine sleeps. */
  readonly now: () => number;
  /** Milliseconds since 1970 by the clock of the machine, which may be wrong. */
  readonly wallClock: () => number;
  /** Runs once after so many milliseconds, up to 2^31. Answers what cancels it. */
  readonly after: (ms: number, run: () => void) => () => void;
  /** From 0 up to, but not 1. */
  readonly random: () => number;
  /** Never the same twice, in 1 to 64 printable ASCII characters. */
  readonly newKey: () => string;
}

/** The browser or Node as it is. */
export function realHost(): Host {
  return {
    fetch: (url, init) => fetch(url, init),
    openWire: typeof WebSocket === 'undefined' ? undefined : openWebSocket,
    now: wakefulClock(
      () => performance.now(),
      () => Date.now(),
    ),
    wallClock: () => Date.now(),
    after(ms, run) {
      const timer = setTimeout(run, ms);
      return () => clearTimeout(timer);
    },
    random: Math.random,
    newKey,
  };
}

function openWebSocket(url: string, protocols: readonly string[], listener: WireListener): Wire {
  const socket = new WebSocket(url, [...protocols]);
  socket.addEventListener('open', listener.opened);
  socket.addEventListener('message', ({ data }: { readonly data: unknown }) => {
    if (typeof data === 'string') listener.said(data);
  });
  socket.addEventListener('error', listener.closed);
  socket.addEventListener('close', listener.closed);
  return { send: (text) => socket.send(text), close: () => socket.close() };
}

/** Two clocks that differ by more, in milliseconds, were set or stood still. */
const DRIFT_MS = 1_000;

/**
 * The steady clock, and what it misses: on most machines it stands still while they sleep, and the clock on the wall is
 * ahead of it afterwards. That one may be set, too: ahead counts as sleep, back as nothing.
 */
export function wakefulClock(steady: () => number, wall: () => number): () => number {
  let difference = wall() - steady();
  let slept = 0;
  return () => {
    const at = steady();
    const ahead = wall() - at - difference;
    if (Math.abs(ahead) > DRIFT_MS) {
      difference += ahead;
      slept += Math.max(0, ahead);
    }
    return at + slept;
  };
}

/** Not randomUUID: browsers keep that from pages that came over plain HTTP. */
function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
