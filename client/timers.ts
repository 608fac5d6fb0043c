/**
 * Timers that end with a signal, so that none is left after `close()`, and how long to wait before another attempt.
 * Each client draws its own time: ten thousand clients that lose the hub at the same moment must not come back at the
 * same moment.
 * @module
 */
import type { Host } from './host.ts';

type Clock = Pick<Host, 'after'>;

/** The functions to call when a signal is aborted. */
const abortActions = new WeakMap<AbortSignal, Set<{ readonly run: () => void }>>();

/**
 * Runs when the signal is aborted. Never runs if it was aborted before. Returns a function that cancels it.
 *
 * Each signal gets one listener, because Node prints a MaxListenersExceededWarning for the eleventh.
 * https://nodejs.org/docs/latest-v20.x/api/events.html#eventssetmaxlistenersn-eventtargets
 */
export function onAbort(signal: AbortSignal, run: () => void): () => void {
  const action = { run };
  const known = abortActions.get(signal);
  const actions = known ?? new Set([action]);
  actions.add(action);
  if (!known) {
    abortActions.set(signal, actions);
    signal.addEventListener('abort', () => {
      for (const each of [...actions]) if (actions.has(each)) each.run();
      actions.clear();
    });
  }
  return () => void actions.delete(action);
}

/** Runs after this many milliseconds, unless the signal is aborted before. Returns a function that cancels it. */
export function later({ after }: Clock, ms: number, signal: AbortSignal, run: () => void): () => void {
  if (signal.aborted) return () => {};
  const stop = after(ms, () => {
    forget();
    run();
  });
  const cancel = (): void => {
    forget();
    stop();
  };
  const forget = onAbort(signal, cancel);
  return cancel;
}

/** Resolves after this many milliseconds, or at once when the signal is aborted. Never rejects. */
export function sleep(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const wake = (): void => {
      stop();
      forget();
      resolve();
    };
    const stop = clock.after(ms, wake);
    const forget = onAbort(signal, wake);
  });
}

/** A time limit that can be extended. */
export interface Deadline {
  /** Aborted with the parent, or when the time is over. */
  readonly signal: AbortSignal;
  /** Starts again, with this many milliseconds. */
  readonly extend: (ms: number) => void;
  /** Stops the timer. It must be called when the guarded work is over. */
  readonly end: () => void;
}

/**
 * The time between two checks of the clock, in milliseconds. Timers stop while a machine sleeps, and the clock does
 * not. So the first check after waking finds the silence. A browser may delay the timers of a hidden page by up to a
 * minute. Then there is one check per minute.
 */
export const CLOCK_CHECK_MS = 2_000;

/** Returns a deadline that is measured by the clock, so that the sleep of the machine counts. */
export function deadline(
  { after, now }: Pick<Host, 'after' | 'now'>,
  ms: number,
  parent: AbortSignal,
): Deadline {
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  let until = now() + ms;
  const check = (): void => {
    const left = until - now();
    if (left > 0) stop = after(Math.min(left, CLOCK_CHECK_MS), check);
    else abort();
  };
  let stop: () => void = () => {};
  check();
  const forget = onAbort(parent, abort);
  if (parent.aborted) abort();
  return {
    signal: controller.signal,
    extend(more) {
      until = now() + more;
    },
    end() {
      stop();
      forget();
    },
  };
}

/** The shortest wait, in milliseconds. */
const LEAST_MS = 500;

/** The upper limit of the first wait, in milliseconds. Each further wait has twice the limit. */
const FIRST_MS = 2_000;

/** The longest wait of a request, in milliseconds. */
const MOST_MS = 30_000;

/**
 * The time until a failed transport is tried again beside the one that works, in milliseconds, plus or minus a quarter.
 */
export const RECHECK_MS = 60_000;

/**
 * Returns a random number of milliseconds, from 500 up to 2 s, 4 s, 8 s …, at most `most`.
 * @param failures number of failures before, from 0
 * @param random from 0 up to, but not including, 1
 */
export function backoff(failures: number, random: number, most: number = MOST_MS): number {
  const range = Math.min(most, FIRST_MS * 2 ** failures);
  return LEAST_MS + random * (range - LEAST_MS);
}

/**
 * Returns the wait before a retry: as `backoff`, or after the time that the answer asks for and then a random part of the range of
 * `backoff`. Clients that were refused together must not come back together.
 * @param retryAfterMs 0 if the answer does not say
 */
export function retryWait(failures: number, random: number, retryAfterMs: number, most?: number): number {
  const wait = backoff(failures, random, most);
  return retryAfterMs > 0 ? retryAfterMs + wait - LEAST_MS : wait;
}

/** Returns `ms` plus or minus a quarter. */
export const jittered = (ms: number, random: number): number => ms * (0.75 + random / 2);
