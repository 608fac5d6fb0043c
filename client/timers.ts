/**
 * Timers and other things that end with a signal, so that none is left behind after `close()`.
 * @module
 */
/**
 * How long to wait before another try. Each client draws its own time, so that ten thousand clients that lost the hub at
 * one moment do not come back at one moment.
 * @module
 */
import type { Host } from './host.ts';

type Clock = Pick<Host, 'after'>;

/** What is to be done when a signal is aborted. */
const abortActions = new WeakMap<AbortSignal, Set<{ readonly run: () => void }>>();

/**
 * Runs when the signal is aborted; never if it was aborted before. Returns what cancels it.
 *
 * A signal gets one listener, however many things wait for it: Node prints a MaxListenersExceededWarning for the
 * eleventh. https://nodejs.org/docs/latest-v20.x/api/events.html#eventssetmaxlistenersn-eventtargets
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

/** Runs after so many milliseconds unless the signal is aborted before. Returns what cancels it. */
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

/** Ends after so many milliseconds, or at once when the signal is aborted. Never rejects. */
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

export interface Deadline {
  /** Aborted with the parent, or when the time is over. */
  readonly signal: AbortSignal;
  /** Starts again, with so many milliseconds. */
  readonly extend: (ms: number) => void;
  /** Must be called when what it guards is over: until then there is a timer. */
  readonly end: () => void;
}

/**
 * Between two looks at the clock, in milliseconds. Timers stand still while a machine sleeps and the clock does not: so
 * the first look after waking finds the silence. A browser makes the timers of a hidden page wait for up to a minute; then
 * there is a look each minute.
 */
export const LOOK_MS = 2_000;

/** Measures by the clock, so the time during which the machine sleeps counts. */
export function deadline(
  { after, now }: Pick<Host, 'after' | 'now'>,
  ms: number,
  parent: AbortSignal,
): Deadline {
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  let until = now() + ms;
  const look = (): void => {
    const left = until - now();
    if (left > 0) stop = after(Math.min(left, LOOK_MS), look);
    else abort();
  };
  let stop: () => void = () => {};
  look();
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

/** The range of the first wait, in milliseconds; each further one has twice the range. */
const FIRST_MS = 2_000;

/** The longest wait of a request, in milliseconds. */
const MOST_MS = 30_000;

/** How long until what failed is tried again beside what works, in milliseconds, give or take a quarter. */
export const RECHECK_MS = 60_000;

/**
 * Milliseconds, drawn evenly from 500 up to 2 s, 4 s, 8 s …, at most `most`.
 * @param failures how many there were before, from 0
 * @param random from 0 up to, but not 1
 */
export function backoff(failures: number, random: number, most: number = MOST_MS): number {
  const range = Math.min(most, FIRST_MS * 2 ** failures);
  return LEAST_MS + random * (range - LEAST_MS);
}

/** Milliseconds around `ms`, from three to five quarters of it. */
export const jittered = (ms: number, random: number): number => ms * (0.75 + random / 2);
