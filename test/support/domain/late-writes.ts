/**
 * A store that answers late, as the SDK meets it: it gives an attempt up after 800 ms and repeats it, and what was given
 * up may still be carried out, before the repetition or seconds after it.
 * @module
 */
import { Refusal } from '../../../protocol/errors.ts';
import type { VirtualTime } from './virtual-time.ts';

/** After so long the SDK gives an attempt up (lambda/aws/aws-client.ts), and so much later it may be carried out, in milliseconds. */
const SDK_TIMEOUT_MS = 800;
const MOST_LATE_MS = 4_000;

const never = new AbortController().signal;

/** What becomes of writes; each a part of them, 0 to 1. */
export interface Lateness {
  /** Made twice: the first one is carried out late, or its answer is lost. */
  slow: number;
  /** Refused, and carried out all the same some seconds later. */
  unanswered: number;
}

/** The store, with the writes that are named carried out late by chance. */
export function lateWrites<T extends object>(
  store: T,
  writes: readonly string[],
  { time, random, of }: { readonly time: VirtualTime; random: () => number; of: () => Lateness },
): T {
  return new Proxy(store, {
    get(target, name, receiver) {
      const original: unknown = Reflect.get(target, name, receiver);
      if (typeof original !== 'function' || !writes.includes(String(name))) return original;
      return async (...args: unknown[]) => {
        const write = async (): Promise<unknown> => await Reflect.apply(original, target, args);
        const isUnanswered = random() < of().unanswered;
        if (!isUnanswered && random() >= of().slow) return await write();
        const isLate = isUnanswered || random() < 0.5;
        if (isLate) void time.sleep(SDK_TIMEOUT_MS + random() * MOST_LATE_MS, never).then(write);
        else await write();
        await time.sleep(SDK_TIMEOUT_MS, never);
        if (isUnanswered) throw new Refusal('unavailable', 'not answered');
        return await write();
      };
    },
  });
}
