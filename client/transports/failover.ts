/**
 * Failover from one transport to the next. The first transport is tried first. While it does not work, the next one
 * runs, until the first one works again. Both may run for a moment: the cursor delivers nothing
 * twice. The state of the connection follows from what the transports report.
 * @module
 */
import { asTidingsError, isLasting, TidingsError } from '../errors.ts';
import type { Host } from '../host.ts';
import { backoff, jittered, onAbort, RECHECK_MS, sleep } from '../timers.ts';

/** The transports, the best first. `websocket` · `sse` · `long-poll` · `poll`. */
export const TRANSPORTS = ['websocket', 'sse', 'long-poll', 'poll'] as const;

/** The name of a transport. */
export type Transport = (typeof TRANSPORTS)[number];

/** True for the name of a transport. */
export const isTransport = (name: string): name is Transport => TRANSPORTS.some((known) => known === name);

/** The signal that stops a transport, and the callbacks by which the transport reports whether it works. */
export interface Flow {
  /** Aborted when the transport must stop: the subscription is over, or a better transport works. */
  readonly signal: AbortSignal;
  /** False for the last transport, which must keep trying. */
  readonly hasNext: boolean;
  /** The transport works: the later ones stop. */
  readonly up: () => void;
  /** The transport does not work. The next one starts. The transport keeps trying, and calls `up` when it works. */
  readonly down: (error?: TidingsError) => void;
  /** The transport failed after it had worked, and is tried again at once. */
  readonly lost?: (error: TidingsError) => void;
}

/** Receives the failures of transports. `isLast` is true if no other transport comes after it. */
export type OnTrouble = (name: Transport, error: TidingsError, isLast: boolean) => void;

/** A transport that reads one channel. */
export interface TransportReader {
  /** The name of the transport. */
  readonly name: Transport;
  /** Runs until the signal is aborted. Rejects with an error that no other transport solves. */
  readonly run: (flow: Flow) => Promise<void>;
}

/**
 * Runs the readers in order. Resolves when the signal is aborted. Rejects with the first refusal that ends the
 * subscription.
 */
export function runWithFailover(
  [reader, ...later]: readonly TransportReader[],
  signal: AbortSignal,
  onTransport: (name: Transport) => void,
  onTrouble: OnTrouble = () => {},
): Promise<void> {
  if (!reader) return Promise.reject(new TidingsError('not_supported', 'no transport works here'));
  return new Promise((resolve, reject) => {
    let nextRun: AbortController | undefined;
    const stopNext = (): void => {
      nextRun?.abort();
      nextRun = undefined;
    };
    const stop = (): void => {
      stopNext();
      resolve();
    };
    if (signal.aborted) return stop();
    onAbort(signal, stop);
    const up = (): void => {
      if (signal.aborted) return;
      stopNext();
      onTransport(reader.name);
    };
    const lost = (error: TidingsError): void => {
      if (!signal.aborted) onTrouble(reader.name, error, later.length === 0);
    };
    const down = (error?: TidingsError): void => {
      if (error) lost(error);
      if (signal.aborted || nextRun || later.length === 0) return;
      nextRun = new AbortController();
      runWithFailover(later, nextRun.signal, onTransport, onTrouble).catch(reject);
    };
    reader.run({ signal, hasNext: later.length > 0, up, down, lost }).catch(reject);
  });
}

/** A reading that ends sooner, in milliseconds, was ended by the hub or by a proxy. */
const BRIEF_MS = 5_000;

/** The longest wait of a reader whose stream has ended normally, in milliseconds. */
const SCATTER_MS = 1_000;

/** The number of brief readings in a row that is normal. After one more the next transport starts. */
const MOST_BRIEF = 2;

/**
 * Runs one HTTP transport again and again. A transport that fails after it has worked is likely to work again soon, so
 * it is tried soon. A transport that does not work at all is left to the next ones, and tried every minute. Readers
 * that began together end together. Each draws its own time to come back.
 * @param once reads until there is no more to come; calls `up` whenever it gets an answer
 */
export async function retrying(
  host: Pick<Host, 'after' | 'now' | 'random'>,
  flow: Flow,
  once: (up: () => void) => Promise<void>,
): Promise<void> {
  const { signal, hasNext } = flow;
  let failures = 0;
  let brief = 0;
  while (!signal.aborted) {
    let hasFlowed = false;
    const began = host.now();
    const up = (): void => {
      failures = 0;
      hasFlowed = true;
      flow.up();
    };
    const trouble = await once(up).then(() => undefined, asTidingsError);
    if (signal.aborted) return;
    if (trouble && isLasting(trouble, hasNext)) throw trouble;
    brief = host.now() - began < BRIEF_MS ? brief + 1 : 0;
    // An error with a cause is no answer of the hub: the network failed.
    const isBreak = hasFlowed && trouble?.cause !== undefined;
    const works = (!trouble || isBreak) && brief <= MOST_BRIEF;
    if (!works) flow.down(trouble ?? new TidingsError('unavailable', 'every answer ends at once'));
    else if (trouble) flow.lost?.(trouble);
    if (trouble && !isBreak) failures += 1;
    const random = host.random();
    const range = Math.max(failures - 1, Math.min(brief - 1, MOST_BRIEF));
    // Below 0: the reading was long, and ended normally.
    const soon = range < 0 && !trouble ? random * SCATTER_MS : backoff(Math.max(range, 0), random);
    const wait = hasNext && !works ? jittered(RECHECK_MS, random) : soon;
    await sleep(host, Math.max(wait, trouble?.retryAfterMs ?? 0), signal);
  }
}

/** The state of the connection of a subscription, for a page to show. */
export type ConnectionState =
  /** It was never connected yet. */
  | { readonly state: 'connecting' }
  /** The messages come by this transport. */
  | { readonly state: 'connected'; readonly transport: Transport }
  /** It was connected, and connects again. Nothing is lost. */
  | { readonly state: 'reconnecting'; readonly error: TidingsError }
  /** All transports have failed. The client tries them again until one works. */
  | { readonly state: 'offline'; readonly error: TidingsError };

/** Turns the events of the transports into states. */
export interface StateReporter {
  /** Messages come by this transport. */
  readonly up: (transport: Transport) => void;
  /** This transport does not work at the moment. `isLast` is true if there is no other one. */
  readonly down: (transport: Transport, error: TidingsError, isLast: boolean) => void;
}

/**
 * Reports each state once. `connecting` comes in the next microtask. Nothing is reported after the signal is aborted.
 */
export function stateReporter(signal: AbortSignal, onState: (state: ConnectionState) => void): StateReporter {
  let last: ConnectionState = { state: 'connecting' };
  const report = (state: ConnectionState): void => {
    last = state;
    if (!signal.aborted) onState(state);
  };
  queueMicrotask(() => last.state === 'connecting' && report(last));
  return {
    up(transport) {
      if (last.state !== 'connected' || last.transport !== transport)
        report({ state: 'connected', transport });
    },
    down(transport, error, isLast) {
      if (last.state === 'connected') {
        // A better transport that fails again beside the one that works changes nothing.
        if (last.transport === transport) report({ state: 'reconnecting', error });
      } else if (isLast && last.state !== 'offline') report({ state: 'offline', error });
    },
  };
}
