/**
 * Timers that end with a signal, so that none is left behind after `close()`.
 * @module
 */
import type { Host } from './host.ts';

type Clock = Pick<Host, 'after'>;

/** Runs after so many milliseconds unless the signal is aborted before. Answers what cancels it. */
export function later({ after }: Clock, ms: number, signal: AbortSignal, run: () => void): () => void {
  if (signal.aborted) return () => {};
  const stop = after(ms, () => {
    signal.removeEventListener('abort', cancel);
    run();
  });
  const cancel = (): void => {
    signal.removeEventListener('abort', cancel);
    stop();
  };
  signal.addEventListener('abort', cancel);
  return cancel;
}

/** Ends after so many milliseconds, or at once when the signal is aborted. Never rejects. */
export function sleep({ after }: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const wake = (): void => {
      stop();
      signal.removeEventListener('abort', wake);
      resolve();
    };
    const stop = after(ms, wake);
    signal.addEventListener('abort', wake);
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
  parent.addEventListener('abort', abort);
  if (parent.aborted) abort();
  return {
    signal: controller.signal,
    extend(more) {
      stop();
      stop = after(more, abort);
    },
    end() {
      stop();
      parent.removeEventListener('abort', abort);
    },
  };
}
