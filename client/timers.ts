/**
 * Timers and other things that end with a signal, so that none is left behind after `close()`.
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
  /** Begins anew, with so many milliseconds. */
  readonly extend: (ms: number) => void;
  /** Must be called when what it guards is over: until then there is a timer. */
  readonly end: () => void;
}

export function deadline({ after }: Clock, ms: number, parent: AbortSignal): Deadline {
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  let stop = after(ms, abort);
  const forget = onAbort(parent, abort);
  if (parent.aborted) abort();
  return {
    signal: controller.signal,
    extend(more) {
      stop();
      stop = after(more, abort);
    },
    end() {
      stop();
      forget();
    },
  };
}
