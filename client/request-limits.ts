/**
 * How many requests a client has under way at once. Browsers open six connections to a host over HTTP/1.1, and a request
 * beyond them waits until another one ends. So that a publish does not wait for a held request, reading uses four: two
 * reads beside two streams (streams.ts) or two long polls. Streams that are tried again beside long polls are two more.
 * @module
 */

/** Requests that are answered at once. */
const READS_AT_ONCE = 2;

/** Long polls that are held. */
const HELD_AT_ONCE = 2;

export interface RequestLimits {
  /** Runs a request that is answered at once, when it is its turn. */
  readonly read: <T>(run: () => Promise<T>) => Promise<T>;
  /** Takes a place for long polls. Returns what gives it back, or undefined if all are taken. */
  readonly hold: () => (() => void) | undefined;
}

export function requestLimits(): RequestLimits {
  let held = 0;
  return {
    read: atMost(READS_AT_ONCE),
    hold() {
      if (held >= HELD_AT_ONCE) return undefined;
      held += 1;
      return () => {
        held -= 1;
      };
    },
  };
}

/** Lets so many run at once; the others wait for their turn. */
function atMost(most: number): RequestLimits['read'] {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (run) => {
    if (running >= most) await new Promise<void>((resolve) => waiting.push(resolve));
    else running += 1;
    try {
      return await run();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else running -= 1;
    }
  };
}
