/**
 * Keys that are looked up elsewhere and kept for a while: those of the hub and those of an identity provider.
 * @module
 */
import { Refusal } from '../../protocol/errors.ts';

/**
 * What is kept, looked up if need be. `isMissed` says that what was answered did not do: a key may be newer than that.
 * The very same value comes back where there is nothing newer.
 */
export type Cached<T> = (isMissed?: boolean) => Promise<T>;

export interface CachedOptions<T> {
  /** @throws Refusal where it cannot be had for now; whatever else is thrown is a defect, and is not papered over */
  readonly lookUp: () => Promise<T>;
  /** How long it is used before it is looked up again, in milliseconds. */
  readonly keptMs: number;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
}

/** How long what could not be looked up again is still trusted, in milliseconds. */
const TRUSTED_MS = 60 * 60_000;

/**
 * Between look-ups that nobody can be sure will help, after a miss or a failure, in milliseconds: whoever sends forged
 * tokens must not be able to run up calls that are paid for, or to flood an identity provider in the hub's name.
 */
const PAUSE_MS = 30_000;

/** Between failed look-ups while there is nothing to go on with, in milliseconds: as long as a 503 tells to wait. */
const BRIEF_PAUSE_MS = 1_000;

interface Known<T> {
  readonly value: T;
  readonly at: number;
}

/** Callers that come together share one look-up. */
export function cached<T>({ lookUp, keptMs, clock }: CachedOptions<T>): Cached<T> {
  let known: Known<T> | undefined;
  let pending: Promise<T> | undefined;
  let failed: { readonly refusal: Refusal; readonly at: number } | undefined;
  let pausedUntil = 0;

  const renewed = async (): Promise<T> => {
    const value = await lookUp();
    known = { value, at: clock() };
    return value;
  };
  /** What goes on while there is nothing better. */
  const trusted = (now: number) => (known && now - known.at < TRUSTED_MS ? known : undefined);

  return async (isMissed = false) => {
    const now = clock();
    const before = trusted(now);
    if (before && !isMissed && now - before.at < keptMs) return before.value;
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
