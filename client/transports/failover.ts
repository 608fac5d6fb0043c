/**
 * The fallback from one transport to the next: the first is tried first; while one does not flow the next one does, and goes on until the
 * better one flows again. Both may run for a moment: the cursor sees to it that nothing is delivered twice.
 * @module
 */
import { asTidingsError, isLasting, TidingsError } from '../errors.ts';
import type { Host } from '../host.ts';
import { backoff, jittered, onAbort, RECHECK_MS, sleep } from '../timers.ts';

export const TRANSPORTS = ['websocket', 'sse', 'long-poll', 'poll'] as const;
export type Transport = (typeof TRANSPORTS)[number];

export const isTransport = (name: string): name is Transport => TRANSPORTS.some((known) => known === name);

/** What a transport tells about itself. */
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

export interface TransportReader {
  readonly name: Transport;
  /** Runs until the signal is aborted. Rejects with what no other transport cures. */
  readonly run: (flow: Flow) => Promise<void>;
}

/** Ends when the signal is aborted; rejects with the first refusal that ends the subscription. */
export function runWithFallback(
  [reader, ...below]: readonly TransportReader[],
  signal: AbortSignal,
  onTransport: (name: Transport) => void,
  onTrouble: OnTrouble = () => {},
): Promise<void> {
  if (!reader) return Promise.reject(new TidingsError('not_supported', 'no transport works here'));
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
      onTransport(reader.name);
    };
    const lost = (error: TidingsError): void => {
      if (!signal.aborted) onTrouble(reader.name, error, below.length === 0);
    };
    const down = (error?: TidingsError): void => {
      if (error) lost(error);
      if (signal.aborted || lower || below.length === 0) return;
      lower = new AbortController();
      runWithFallback(below, lower.signal, onTransport, onTrouble).catch(reject);
    };
    reader.run({ signal, hasBelow: below.length > 0, up, down, lost }).catch(reject);
  });
}

/** A way of reading that ends sooner, in milliseconds, was sent away. */
const BRIEF_MS = 5_000;

/** A reader whose stream came to its end comes back within that, in milliseconds. */
const SCATTER_MS = 1_000;

/** So many brief ones in a row may happen. With another one what is below takes over. */
const MOST_BRIEF = 2;

/**
 * Runs one way of reading over HTTP again and again. What broke after it had flowed is likely to be there again in a
 * moment; what does not work at all is left to the transports below, and looked at every minute. Readers that end at the
 * same moment, because they began at the same moment, come back at different ones.
 * @param once reads until there is no more to come; calls `up` whenever it got an answer
 */
export async function again(
  host: Pick<Host, 'after' | 'now' | 'random'>,
  flow: Flow,
  once: (up: () => void) => Promise<void>,
): Promise<void> {
  const { signal, hasBelow } = flow;
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
    if (trouble && isLasting(trouble, hasBelow)) throw trouble;
    brief = host.now() - began < BRIEF_MS ? brief + 1 : 0;
    // What is no answer of the hub at all is the network.
    const isBreak = hasFlowed && trouble?.cause !== undefined;
    const works = (!trouble || isBreak) && brief <= MOST_BRIEF;
    if (!works) flow.down(trouble ?? new TidingsError('unavailable', 'every answer ends at once'));
    else if (trouble) flow.lost?.(trouble);
    if (trouble && !isBreak) failures += 1;
    const random = host.random();
    const range = Math.max(failures - 1, Math.min(brief - 1, MOST_BRIEF));
    // Below 0: it lived long, and came to its own end.
    const soon = range < 0 && !trouble ? random * SCATTER_MS : backoff(Math.max(range, 0), random);
    const wait = hasBelow && !works ? jittered(RECHECK_MS, random) : soon;
    await sleep(host, Math.max(wait, trouble?.retryAfterMs ?? 0), signal);
  }
}
