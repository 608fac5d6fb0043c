/**
 * The moments at which an event stream is opened, first and again for other channels. Each opening costs a Lambda call that
 * lives for a minute, so subscriptions that come together share one.
 * @module
 */
import type { Host } from '../host.ts';
import { onAbort, sleep } from '../timers.ts';

/**
 * A stream is opened when no subscription has come for GATHER_MS, or after MOST_GATHER_MS in total, in milliseconds.
 */
const GATHER_MS = 250;
const MOST_GATHER_MS = 2_000;

/**
 * The shortest time between two openings of one stream, in milliseconds. Lambda counts a stream that was left for
 * another minute (PROTOCOL.md §8), so a page that often subscribes and unsubscribes must not open one each time.
 */
const REOPEN_MS = 3_000;

/** The moments at which a stream is opened, first and for other channels. */
export interface Openings {
  /**
   * Calls `read` when a stream may be opened. `again` aborts the signal that `read` gets, and calls `read` once more. Resolves when
   * `read` does, and rejects when it does.
   */
  readonly each: (signal: AbortSignal, read: (request: AbortSignal) => Promise<void>) => Promise<void>;
  /** Opens the stream again, for the channels that are subscribed then. */
  readonly again: (signal: AbortSignal) => Promise<void>;
}

/**
 * Returns the openings of one stream.
 * @param count returns how many subscriptions there are
 */
export function openingsOf(host: Pick<Host, 'after' | 'now'>, count: () => number): Openings {
  let openedAt = Number.NEGATIVE_INFINITY;
  /** Ends the current request, so that the next one can follow other channels. */
  let reopen: () => void = () => {};
  /** Set while the stream waits for more subscriptions before it is opened again. */
  let waiting: object | undefined;

  /** Waits until a stream may be opened. Subscriptions that come meanwhile are on it. */
  async function gather(signal: AbortSignal): Promise<void> {
    await sleep(host, Math.max(0, openedAt + REOPEN_MS - host.now()), signal);
    const until = host.now() + MOST_GATHER_MS;
    for (let before = -1; count() > before && host.now() < until && !signal.aborted; ) {
      before = count();
      await sleep(host, GATHER_MS, signal);
    }
  }

  return {
    async each(signal, read) {
      waiting = undefined;
      await gather(signal);
      for (let isReopened = true; isReopened && !signal.aborted; ) {
        isReopened = false;
        waiting = undefined;
        openedAt = host.now();
        const request = new AbortController();
        const end = (): void => request.abort();
        reopen = () => {
          isReopened = true;
          end();
        };
        const forget = onAbort(signal, end);
        try {
          await read(request.signal);
        } catch (error) {
          if (!isReopened) throw error;
        } finally {
          forget();
        }
      }
    },
    async again(signal) {
      if (waiting) return;
      const mine = {};
      waiting = mine;
      await gather(signal);
      if (waiting === mine) reopen();
    },
  };
}
