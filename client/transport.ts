/**
 * The ladder of transports: the first is tried first; while one does not flow the next one does, and goes on until the
 * better one flows again. Both may run for a moment: the cursor sees to it that nothing is delivered twice.
 * @module
 */
import { backoff, CLIMB_MS, jittered } from './backoff.ts';
import { asTidingsError, isLasting, TidingsError } from './errors.ts';
import type { Host } from './host.ts';
import { onAbort, sleep } from './timers.ts';

export const TRANSPORTS = ['websocket', 'sse', 'long-poll', 'poll'] as const;
export type Transport = (typeof TRANSPORTS)[number];

export const isTransport = (name: string): name is Transport => TRANSPORTS.some((known) => known === name);

/** What a transport tells the ladder. */
export interface Flow {
  /** Aborted when the transport must stop: the subscription is over, or a better one flows. */
  readonly signal: AbortSignal;
  /** False for the last one, which has to keep trying. */
  readonly hasBelow: boolean;
  /** It flows: what is below is let go. */
  readonly up: () => void;
  /** It does not flow, and will say so when it does: what is below takes over. */
  readonly down: (error?: TidingsError) => void;
  /** It broke after it had flowed, and is tried again at once. */
  readonly lost?: (error: TidingsError) => void;
}

/** Told of a transport that does not flow; `isLast` if there is none below it. */
export type OnTrouble = (name: Transport, error: TidingsError, isLast: boolean) => void;

export interface Rung {
  readonly name: Transport;
  /** Runs until the signal is aborted. Rejects with what no other transport cures. */
  readonly run: (flow: Flow) => Promise<void>;
}

/** Ends when the signal is aborted; rejects with the first refusal that ends the subscription. */
export function climb(
  [rung, ...below]: readonly Rung[],
  signal: AbortSignal,
  onTransport: (name: Transport) => void,
  onTrouble: OnTrouble = () => {},
): Promise<void> {
  if (!rung) return Promise.reject(new TidingsError('not_supported', 'no transport works here'));
  return new Promise((resolve, reject) => {
    let lower: AbortController | undefined;
    const letGo = (): void => {
      lower?.abort();
      lower = undefined;
    };
    const stop = (): void => {
      letGo();
      resolve();
    };
    if (signal.aborted) return stop();
    onAbort(signal, stop);
    const up = (): void => {
      if (signal.aborted) return;
      letGo();
      onTransport(rung.name);
    };
    const lost = (error: TidingsError): void => {
      if (!signal.aborted) onTrouble(rung.name, error, below.length === 0);
    };
    const down = (error?: TidingsError): void => {
      if (error) lost(error);
      if (signal.aborted || lower || below.length === 0) return;
      lower = new AbortController();
      climb(below, lower.signal, onTransport, onTrouble).catch(reject);
    };
    rung.run({ signal, hasBelow: below.length > 0, up, down, lost }).catch(reject);
  });
}

/** A reader that was sent away before that, in milliseconds, does not come back at once. */
const SHORT_MS = 5_000;

/**
 * Runs one way of reading over HTTP again and again. What broke after it had flowed is likely to be there again in a
 * moment; what does not work at all is left to the transports below, and looked at every minute.
 * @param once reads until there is no more to come; calls `up` whenever it got an answer
 */
export async function again(
  host: Pick<Host, 'after' | 'now' | 'random'>,
  flow: Flow,
  once: (up: () => void) => Promise<void>,
): Promise<void> {
  const { signal, hasBelow } = flow;
  let failures = 0;
  while (!signal.aborted) {
    let hasFlowed = false;
    const began = host.now();
    const up = (): void => {
      failures = 0;
      hasFlowed = true;
      flow.up();
    };
    try {
      await once(up);
      if (host.now() - began < SHORT_MS) await sleep(host, backoff(0, host.random()), signal);
    } catch (error) {
      if (signal.aborted) return;
      const trouble = asTidingsError(error);
      if (isLasting(trouble, hasBelow)) throw trouble;
      // What is no answer of the hub at all is the network.
      const isBreak = hasFlowed && trouble.cause !== undefined;
      if (isBreak) flow.lost?.(trouble);
      else flow.down(trouble);
      const random = host.random();
      const wait = hasBelow && !isBreak ? jittered(CLIMB_MS, random) : backoff(failures++, random);
      await sleep(host, Math.max(wait, trouble.retryAfterMs), signal);
    }
  }
}
