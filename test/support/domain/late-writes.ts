/**
 * A store that answers late. The SDK gives an attempt up after 800 ms and repeats it, and the first attempt may still be carried out,
 * before the repetition or seconds after it.
 * @module
 */
import { Refusal } from '../../../protocol/errors.ts';
import type { VirtualTime } from './virtual-time.ts';

/** Time after which the SDK gives an attempt up (lambda/aws/aws-client.ts), and the longest time until it is carried out. In milliseconds. */
const SDK_TIMEOUT_MS = 800;
const MOST_LATE_MS = 4_000;

const never = new AbortController().signal;

/** Parts of the writes that are late, each 0 to 1. */
export interface Lateness {
  /** Sent twice: the first attempt is carried out late, or its answer is lost. */
  slow: number;
  /** Refused, and still carried out seconds later. */
  unanswered: number;
}

/** Returns the store, whose named writes are late at random. */
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
