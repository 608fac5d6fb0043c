/**
 * The retry budget of a client (PROTOCOL.md §8). All requests of one `connect()` share it. A hub that is overloaded gets its first
 * attempts, and only a few more. Without a budget each refused request would become several, and the hub would not recover.
 *
 * A retry costs one token, and gets it back if it is answered. So while the hub answers, retries are free, however many subscriptions
 * have to come back. Five first attempts that are answered earn one token, and so do ten seconds. Therefore the retries in any time
 * are at most: 10, and one for each request that was answered at last, and a fifth of the first attempts, and one for each ten
 * seconds.
 * https://sre.google/sre-book/handling-overload/ · https://github.com/grpc/proposal/blob/master/A6-client-retries.md#throttling-retry-attempts-and-hedged-rpcs
 * @module
 */
import type { Host } from './host.ts';
import { onAbort, sleep } from './timers.ts';

/** The retries of one client. */
export interface RetryBudget {
  /**
   * Waits this many milliseconds, and then until the budget has a token for one more attempt. Resolves at once when the signal is
   * aborted. Never rejects.
   */
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>;
  /** Reports an attempt that the hub answered, also with a refusal that is not temporary. */
  readonly answered: (isRetry: boolean) => void;
}

/** Tokens of a new client, and the most that it may save. */
export const MOST_TOKENS = 10;

/** What a first attempt earns that is answered. */
export const EARNED = 0.2;

/** The time that earns a token, in milliseconds: a client that asks for little must come back as well. */
export const TOKEN_MS = 10_000;

/** Smaller differences are rounding errors. */
const EPSILON = 1e-6;

/** Returns a full budget. It stops its timer when no retry waits, so nothing is left when the signals are aborted. */
export function retryBudget(host: Pick<Host, 'after' | 'now'>): RetryBudget {
  let tokens = MOST_TOKENS;
  let earnedAt = host.now();
  /** Functions that start a retry. The one that has waited longest is the first. */
  const waiting = new Set<() => void>();
  let stopTimer: (() => void) | undefined;

  function earn(more: number): void {
    const now = host.now();
    tokens = Math.min(MOST_TOKENS, tokens + more + (now - earnedAt) / TOKEN_MS);
    earnedAt = now;
  }
  /** Starts retries as long as there are tokens. */
  function start(): void {
    for (const go of waiting) {
      if (tokens < 1 - EPSILON) break;
      tokens = Math.max(0, tokens - 1);
      waiting.delete(go);
      go();
    }
    stopTimer?.();
    stopTimer = undefined;
    if (waiting.size === 0) return;
    stopTimer = host.after(Math.ceil((1 - tokens) * TOKEN_MS), () => {
      stopTimer = undefined;
      earn(0);
      start();
    });
  }
  return {
    async wait(ms, signal) {
      if (ms > 0) await sleep(host, ms, signal);
      if (signal.aborted) return;
      await new Promise<void>((resolve) => {
        const go = (): void => {
          forget();
          resolve();
        };
        const forget = onAbort(signal, () => {
          waiting.delete(go);
          start();
          resolve();
        });
        waiting.add(go);
        earn(0);
        start();
      });
    },
    answered(isRetry) {
      earn(isRetry ? 1 : EARNED);
      start();
    },
  };
}
