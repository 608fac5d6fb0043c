/**
 * Failover from one transport to the next. The first transport is always tried. While it does not work, the next one
 * runs as well, until the first one works again. Both may deliver for a moment, and the cursor drops duplicates. The state of
 * the connection follows from the reports of the transports.
 * @module
 */
import { asTidingsError, isLasting, TidingsError } from '../errors.ts';
import type { Host } from '../host.ts';
import type { RetryBudget } from '../retry-budget.ts';
import { backoff, jittered, onAbort, RECHECK_MS, retryWait, sleep } from '../timers.ts';

/** The transports, the best first. `websocket` · `sse` · `long-poll` · `poll`. */
export const TRANSPORTS = ['websocket', 'sse', 'long-poll', 'poll'] as const;

/** The name of a transport. */
export type Transport = (typeof TRANSPORTS)[number];

/** Returns true for the name of a transport. */
export const isTransport = (name: string): name is Transport => TRANSPORTS.some((known) => known === name);

/** The signal that stops a transport, and the callbacks by which the transport reports whether it works. */
export interface Flow {
  /** Aborted when the transport must stop: the subscription is over, or a better transport works. */
  readonly signal: AbortSignal;
  /** False for the last transport, which must keep trying. */
  readonly hasNext: boolean;
  /** True if the transport runs because another one failed. Then its first attempt is a retry. */
  readonly isFallback?: boolean;
  /** Reports that the transport works. The later ones stop. */
  readonly up: () => void;
  /** Reports that the transport does not work. The next one starts. This one keeps trying, and calls `up` when it works. */
  readonly down: (error?: TidingsError) => void;
  /** Reports that the transport failed after it had worked. It is tried again at once. */
  readonly lost?: (error: TidingsError) => void;
}

/** Receives the failures of transports. `isLast` is true if no other transport comes after it. */
export type OnTrouble = (name: Transport, error: TidingsError, isLast: boolean) => void;

/** A transport that reads one channel. */
export interface TransportReader {
  /** The name of the transport. */
  readonly name: Transport;
  /** Runs until the signal is aborted. Rejects with an error that ends the subscription, such as `forbidden`. */
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
  isFallback = false,
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
      runWithFailover(later, nextRun.signal, onTransport, onTrouble, true).catch(reject);
    };
    reader.run({ signal, hasNext: later.length > 0, isFallback, up, down, lost }).catch(reject);
  });
}

/** Time in milliseconds. A response that ends earlier is brief: the hub or a proxy did not hold it. */
const BRIEF_MS = 5_000;

/** The longest wait before the next request after a response that ended normally, in milliseconds. */
const SCATTER_MS = 1_000;

/** The number of brief responses in a row that is normal. After one more the next transport starts. */
const MOST_BRIEF = 2;

/** What repeating a transport needs. */
export interface Repeating {
  /** The clock, timers and random numbers. */
  readonly host: Pick<Host, 'after' | 'now' | 'random'>;
  /** Pays for retries. */
  readonly budget: RetryBudget;
}

/**
 * Runs one HTTP transport again and again. A transport that fails after it has worked is likely to work again soon, so
 * it is tried soon. For a transport that does not work at all the next ones run, and it is tried every minute. The streams
 * of many readers may end together, so each reader waits a random time before it connects again.
 * @param once makes one request or several; resolves when they end normally; calls `up` for each answer, and `answered` for an answer
 * that does not show yet that the transport works
 */
export async function retrying(
  { host, budget }: Repeating,
  flow: Flow,
  once: (up: () => void, answered: () => void) => Promise<void>,
): Promise<void> {
  const { signal, hasNext, isFallback = false } = flow;
  let failures = 0;
  let brief = 0;
  let isRetry = isFallback;
  if (isRetry) await budget.wait(0, signal);
  while (!signal.aborted) {
    let hasFlowed = false;
    const began = host.now();
    const answered = (): void => {
      budget.answered(isRetry);
      isRetry = false;
    };
    const up = (): void => {
      answered();
      failures = 0;
      hasFlowed = true;
      flow.up();
    };
    const trouble = await once(up, answered).then(() => undefined, asTidingsError);
    if (signal.aborted) return;
    if (trouble && isLasting(trouble, hasNext)) throw trouble;
    brief = host.now() - began < BRIEF_MS ? brief + 1 : 0;
    // An error with a cause is not an answer of the hub: the network failed.
    const isBreak = hasFlowed && trouble?.cause !== undefined;
    const works = (!trouble || isBreak) && brief <= MOST_BRIEF;
    if (!works) flow.down(trouble ?? new TidingsError('unavailable', 'every answer ends at once'));
    else if (trouble) flow.lost?.(trouble);
    if (trouble && !isBreak) failures += 1;
    const random = host.random();
    // Below 0 if nothing failed and the response was not brief.
    const step = Math.max(failures - 1, Math.min(brief - 1, MOST_BRIEF));
    const recheck = hasNext && !works ? jittered(RECHECK_MS, random) : 0;
    if (trouble) {
      const wait = recheck || retryWait(Math.max(step, 0), random, trouble.retryAfterMs);
      await budget.wait(Math.max(wait, trouble.retryAfterMs), signal);
      isRetry = true;
    } else {
      await sleep(host, recheck || (step < 0 ? random * SCATTER_MS : backoff(step, random)), signal);
    }
  }
}

/** The state of the connection of a subscription, for a page to show. */
export type ConnectionState =
  /** It has never been connected. */
  | { readonly state: 'connecting' }
  /** The messages come by this transport. */
  | { readonly state: 'connected'; readonly transport: Transport }
  /** It was connected, and connects again. Nothing is lost. */
  | { readonly state: 'reconnecting'; readonly error: TidingsError }
  /** All transports have failed. The client tries them again until one works. */
  | { readonly state: 'offline'; readonly error: TidingsError };

/** Turns the events of the transports into states. */
export interface StateReporter {
  /** Reports that messages come by this transport. */
  readonly up: (transport: Transport) => void;
  /** Reports that this transport does not work at the moment. `isLast` is true if no other one comes after it. */
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
