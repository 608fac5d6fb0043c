/**
 * The outcome of an attempt: decides from the result of a request what happens to its delivery and its endpoint (PROTOCOL.md §13.4).
 * @module
 */
import type { SendResult } from '../webhook-ports.ts';

/** The outcome of one attempt. */
export type AttemptOutcome =
  | { readonly kind: 'delivered' }
  /**
   * `notBeforeMs`: time until the earliest next attempt. `backoffMs`: time in which nothing is sent to the endpoint. Both in
   * milliseconds from now, 0 if the retry schedule alone decides.
   */
  | { readonly kind: 'failed'; readonly notBeforeMs: number; readonly backoffMs: number }
  /** No further attempt can succeed: the hub does not call this address. */
  | { readonly kind: 'final' }
  /** The endpoint says that it is gone. */
  | { readonly kind: 'gone' };

/** The longest pauses that `Retry-After` can cause, for the delivery and for the whole endpoint, in milliseconds. */
const MOST_RETRY_AFTER_MS = 24 * 3_600_000;
const MOST_BACKOFF_MS = 3_600_000;

/** The pause for an overloaded endpoint that sends no `Retry-After`, in milliseconds. */
const OVERLOADED_MS = 60_000;

const FAILED = { kind: 'failed', notBeforeMs: 0, backoffMs: 0 } as const;

/**
 * Returns the outcome of a request.
 * @param now in milliseconds since 1970, for a `Retry-After` that is a date
 */
export function outcomeOf(result: SendResult, now: number): AttemptOutcome {
  if (result.kind === 'error') return result.error === 'blocked' ? { kind: 'final' } : FAILED;
  const { status, retryAfter } = result;
  if (status >= 200 && status < 300) return { kind: 'delivered' };
  if (status === 410) return { kind: 'gone' };
  const asked = status === 429 || status === 503 ? retryAfterMs(retryAfter, now) : undefined;
  if (asked !== undefined) {
    return {
      kind: 'failed',
      notBeforeMs: Math.min(asked, MOST_RETRY_AFTER_MS),
      backoffMs: Math.min(asked, MOST_BACKOFF_MS),
    };
  }
  // 429 concerns all requests to the endpoint. A bad gateway concerns only this one.
  if (status === 429) return { kind: 'failed', notBeforeMs: OVERLOADED_MS, backoffMs: OVERLOADED_MS };
  return status === 502 || status === 504 ? { ...FAILED, notBeforeMs: OVERLOADED_MS } : FAILED;
}

/**
 * The three forms of a date, such as `Sun, 06 Nov 1994 08:49:37 GMT`, `Sunday, 06-Nov-94 08:49:37 GMT` and
 * `Sun Nov  6 08:49:37 1994`. A recipient must accept all of them: https://www.rfc-editor.org/rfc/rfc9110#section-5.6.7
 */
const HTTP_DATES = [
  /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/,
  /^[A-Z][a-z]{5,8}, \d{2}-[A-Z][a-z]{2}-\d{2} \d{2}:\d{2}:\d{2} GMT$/,
  /^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2} \d{4}$/,
];

/**
 * Returns the pause that a `Retry-After` asks for, in milliseconds from 0 on; undefined for any other text. It is a number of
 * seconds or an HTTP date. Some servers send a fraction of a second, which is rounded up.
 * https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3
 */
export function retryAfterMs(value: string | undefined, now: number): number | undefined {
  if (value === undefined) return undefined;
  const text = value.trim();
  if (/^\d{1,15}(\.\d{1,9})?$/.test(text)) return Math.ceil(Number(text)) * 1_000;
  // Date.parse accepts much more as a date, for example "5" and "-1".
  const isDate = HTTP_DATES.some((form) => form.test(text));
  const time = isDate ? Date.parse(text.endsWith('GMT') ? text : `${text} GMT`) : Number.NaN;
  return Number.isNaN(time) ? undefined : Math.max(0, time - now);
}
