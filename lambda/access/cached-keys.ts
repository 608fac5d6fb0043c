/**
 * A cache for signing keys, those of the hub and those of an identity provider.
 * @module
 */
import { Refusal } from '../../protocol/errors.ts';

/**
 * Returns the cached value, and looks it up if needed. `isMissed` means that the last value did not help, because a key may be
 * newer. If there is no newer value, the same object comes back.
 */
export type Cached<T> = (isMissed?: boolean) => Promise<T>;

/** The look-up of a value, and the time for which it is cached. */
export interface CachedOptions<T> {
  /** Looks the value up. @throws Refusal if it is unavailable for now. Any other error is a defect and passes through */
  readonly lookUp: () => Promise<T>;
  /** The time for which a value is used before it is looked up again, in milliseconds. */
  readonly maxAgeMs: number;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
}

/** The time for which a value is trusted while it cannot be looked up again, in milliseconds. */
const TRUSTED_MS = 60 * 60_000;

/**
 * The pause between two look-ups after a miss or a failure, in milliseconds. Without it an attacker with forged tokens could
 * cause calls that cost money, or flood an identity provider through the hub.
 */
const PAUSE_MS = 30_000;

/** The pause between failed look-ups while no value is cached, in milliseconds: the time that a 503 asks clients to wait. */
const BRIEF_PAUSE_MS = 1_000;

interface CachedValue<T> {
  readonly value: T;
  /** The time of the look-up, in milliseconds since 1970. */
  readonly at: number;
}

/** Returns a cached look-up. Calls at the same time share one look-up. */
export function cached<T>({ lookUp, maxAgeMs, clock }: CachedOptions<T>): Cached<T> {
  let known: CachedValue<T> | undefined;
  let pending: Promise<T> | undefined;
  let failed: { readonly refusal: Refusal; readonly at: number } | undefined;
  let pausedUntil = 0;

  const renewed = async (): Promise<T> => {
    const value = await lookUp();
    known = { value, at: clock() };
    return value;
  };
  /** Returns the value that may still be used if the look-up fails. */
  const trusted = (now: number) => (known && now - known.at < TRUSTED_MS ? known : undefined);

  return async (isMissed = false) => {
    const now = clock();
    const before = trusted(now);
    if (before && !isMissed && now - before.at < maxAgeMs) return before.value;
    if (before && !pending && now < pausedUntil) return before.value;
    if (!before && failed && now - failed.at < BRIEF_PAUSE_MS) throw failed.refusal;
    if (isMissed) pausedUntil = now + PAUSE_MS;
    pending ??= renewed().finally(() => {
      pending = undefined;
    });
    try {
      return await pending;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      failed = { refusal: error, at: clock() };
      pausedUntil = failed.at + PAUSE_MS;
      if (before) return before.value;
      throw error;
    }
  };
}
