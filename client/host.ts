/**
 * The machine, as the client needs it: requests, sockets, time and random numbers. It is one port, so that tests can
 * replace it.
 * @module
 */

/** Receives the events of a socket, in this order. `closed` may come first, and more than once. */
export interface WireListener {
  /** The handshake succeeded. */
  readonly opened: () => void;
  /** A text frame came. Binary frames are ignored, because the hub sends none. */
  readonly received: (text: string) => void;
  /** The socket ended, or never opened. */
  readonly closed: () => void;
}

/** A WebSocket. */
export interface Wire {
  /** Sends a text frame. The socket must be open. */
  readonly send: (text: string) => void;
  /** Closes the socket. Does nothing if it is closed. */
  readonly close: () => void;
}

/** The machine that the client runs on. */
export interface Host {
  /** Sends a request. Rejects as the standard `fetch` does. */
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  /** Opens a WebSocket. Undefined where there are none, as in Node 20. May throw for an invalid address or protocol. */
  readonly openWire:
    | ((url: string, protocols: readonly string[], listener: WireListener) => Wire)
    | undefined;
  /** Milliseconds since some moment. Never goes back, and continues while the machine sleeps. */
  readonly now: () => number;
  /** Milliseconds since 1970 by the clock of the machine, which may be wrong. */
  readonly wallClock: () => number;
  /** Runs once after this many milliseconds, up to 2^31. Returns a function that cancels it. */
  readonly after: (ms: number, run: () => void) => () => void;
  /** A random number from 0 up to, but not including, 1. */
  readonly random: () => number;
  /** Returns 1 to 64 printable ASCII characters that are never the same twice. */
  readonly newKey: () => string;
}

/** Returns the browser or Node as a host. */
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
    if (typeof data === 'string') listener.received(data);
  });
  socket.addEventListener('error', listener.closed);
  socket.addEventListener('close', listener.closed);
  return { send: (text) => socket.send(text), close: () => socket.close() };
}

/** If two clocks differ by more, in milliseconds, one of them was set or stood still. */
const DRIFT_MS = 1_000;

/**
 * Returns a steady clock that also counts sleep. On most machines the steady clock stops during sleep, and the wall
 * clock is ahead of it afterwards. A wall clock that was set forward counts as sleep. One that was set back counts as
 * nothing.
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

/** Not randomUUID, because browsers have it only on pages that came over HTTPS. */
function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
