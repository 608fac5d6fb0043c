/**
 * Admission: how many invocations of a function this machine takes at the same time, so that those that it takes are answered soon.
 *
 * Lambda starts an environment for each request, up to the quota of the account, and throttles all further requests at once.
 * A machine with a few cores gains nothing by more environments: all requests become slower together, until clients and SDKs give up
 * on answers that still come, and repeat the requests. So here the quota follows the time that invocations take. If they are slow for
 * some seconds, fewer run at the same time, and the others are throttled at once. A burst does not last so long, and is not throttled.
 *
 * The rule is that of TCP: one more after each round of quick invocations, a part less after a slow one.
 * https://www.rfc-editor.org/rfc/rfc5681#section-3.1
 * @module
 */

/** Counts the invocations of one function. */
export interface Admission {
  /** Counts an invocation, and returns true. Returns false if it must be throttled. */
  begin(): boolean;
  /** Ends an invocation that began at that time, by `now`. */
  end(since: number): void;
}

/** The most invocations at the same time: a burst of a hundred requests, or of sockets that open, is common. */
export const MOST = 256;

/** The limit is never lower, so that a machine that is slow for another reason still does all that a few clients ask for. */
export const LEAST = 32;

/** With so few invocations there is no overload. After LIGHT_MS without more of them, the limit is `MOST` again. */
export const LIGHT = 16;
export const LIGHT_MS = 1_000;

/** A longer invocation is slow, in milliseconds. Half of a second leaves the other half to the way to the client. */
export const SLOW_MS = 500;

/** How long there must be more than `LIGHT` invocations before the limit falls, in milliseconds: longer than a burst. */
export const BURST_MS = 2_000;

/** The pause between two reductions, in milliseconds, and what is left after one. */
const CUT_EVERY_MS = 100;
const CUT = 0.8;

/**
 * Returns an admission without invocations.
 * @param now monotonic clock in milliseconds
 */
export function createAdmission(now: () => number = () => performance.now()): Admission {
  let running = 0;
  let limit = MOST;
  /** Since when there are more than `LIGHT` invocations, apart from pauses of less than LIGHT_MS. */
  let busySince: number | undefined;
  /** The last time at which there were more than `LIGHT` invocations. */
  let busyAt = Number.NEGATIVE_INFINITY;
  let cutAt = 0;

  /** Notes whether there are many invocations. */
  function note(time: number): void {
    if (running > LIGHT) {
      busySince ??= time;
      busyAt = time;
    } else if (time - busyAt >= LIGHT_MS) {
      busySince = undefined;
      limit = MOST;
    }
  }
  function adapt(time: number, took: number): void {
    if (busySince === undefined || time - busySince < BURST_MS) return;
    if (took <= SLOW_MS) {
      limit = Math.min(MOST, limit + 1 / limit);
    } else if (time - cutAt >= CUT_EVERY_MS) {
      cutAt = time;
      limit = Math.max(LEAST, CUT * Math.min(limit, running));
    }
  }
  return {
    begin() {
      note(now());
      if (running >= Math.floor(limit)) return false;
      running += 1;
      return true;
    },
    end(since) {
      const time = now();
      note(time);
      running -= 1;
      adapt(time, time - since);
    },
  };
}
