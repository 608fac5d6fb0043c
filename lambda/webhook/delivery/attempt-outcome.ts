/**
 * What an outcome means for its delivery and its endpoint (PROTOCOL.md §13.4).
 * @module
 */
import type { SendResult } from '../webhook-ports.ts';

export type AttemptOutcome =
  | { readonly kind: 'delivered' }
  /** `notBeforeMs`: the earliest next attempt; `restMs`: how long the endpoint is left alone. Both from now. */
  | { readonly kind: 'failed'; readonly notBeforeMs: number; readonly restMs: number }
  /** No further attempt can do better: the address is none that the hub calls. */
  | { readonly kind: 'final' }
  /** The endpoint says that it is no more. */
  | { readonly kind: 'gone' };

/** Longest wait that an endpoint may ask for, for one delivery and for itself, in milliseconds. */
const MOST_RETRY_AFTER_MS = 24 * 3_600_000;
const MOST_REST_MS = 3_600_000;

/** How long an endpoint is given that is overloaded and does not say for how long, in milliseconds. */
const OVERLOADED_MS = 60_000;

const FAILED = { kind: 'failed', notBeforeMs: 0, restMs: 0 } as const;

export function outcomeOf(outcome: SendResult, now: number): AttemptOutcome {
  if (outcome.kind === 'error') return outcome.error === 'blocked' ? { kind: 'final' } : FAILED;
  const { status, retryAfter } = outcome;
  if (status >= 200 && status < 300) return { kind: 'delivered' };
  if (status === 410) return { kind: 'gone' };
  const asked = status === 429 || status === 503 ? retryAfterMs(retryAfter, now) : undefined;
  if (asked !== undefined) {
    return {
      kind: 'failed',
      notBeforeMs: Math.min(asked, MOST_RETRY_AFTER_MS),
      restMs: Math.min(asked, MOST_REST_MS),
    };
  }
  // Too many requests is said of all of them; a bad gateway only of this one.
  if (status === 429) return { kind: 'failed', notBeforeMs: OVERLOADED_MS, restMs: OVERLOADED_MS };
  return status === 502 || status === 504 ? { ...FAILED, notBeforeMs: OVERLOADED_MS } : FAILED;
}

/**
 * Seconds, fractions rounded up as some servers send them, or an HTTP date. What is neither says nothing.
 * https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3
 */
export function retryAfterMs(value: string | undefined, now: number): number | undefined {
  if (value === undefined) return undefined;
  const text = value.trim();
  if (/^\d{1,9}(\.\d{1,9})?$/.test(text)) return Math.ceil(Number(text)) * 1_000;
  // Date.parse would take much else for a date, "5" and "-1" among it.
  const time = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/.test(text)
    ? Date.parse(text)
    : Number.NaN;
  return Number.isNaN(time) ? undefined : Math.max(0, time - now);
}
