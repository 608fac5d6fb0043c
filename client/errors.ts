/**
 * What goes wrong, as callers see it: the closed list of codes of PROTOCOL.md §9, whoever refused.
 * @module
 */
import { ERRORS, type ErrorCode } from '../protocol/errors.ts';

/** The longest that a Retry-After is followed, in milliseconds. */
const MOST_RETRY_AFTER_MS = 300_000;

interface Circumstances {
  /** Default: that of the code. */
  readonly status?: number;
  /** What the answer said to wait, in milliseconds. */
  readonly retryAfterMs?: number;
  /** The channel of a pattern that could not be read. */
  readonly channel?: string;
  readonly cause?: unknown;
}

/** A refusal of the hub, or `unavailable` with status 503 if the hub could not be reached at all. */
export class TidingsError extends Error {
  readonly code: ErrorCode;
  /** HTTP status, also of refusals that came over a socket. */
  readonly status: number;
  /** Milliseconds to wait before another try; 0 if nothing was said. */
  readonly retryAfterMs: number;
  /** Set if the subscription is to a pattern and this is about one of its channels. */
  readonly channel: string | undefined;

  constructor(code: ErrorCode, message: string, more: Circumstances = {}) {
    super(message, 'cause' in more ? { cause: more.cause } : undefined);
    this.name = 'TidingsError';
    this.code = code;
    this.status = more.status ?? ERRORS[code].status;
    this.retryAfterMs = more.retryAfterMs ?? 0;
    this.channel = more.channel;
  }
}

/** Whatever was thrown, as an error of ours: what is none says that the hub could not be reached. */
export function asTidingsError(error: unknown): TidingsError {
  if (error instanceof TidingsError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new TidingsError('unavailable', message, { cause: error });
}

const PASSING: readonly ErrorCode[] = ['unavailable', 'internal', 'too_many_requests'];
const OF_THE_TRANSPORT: readonly ErrorCode[] = [
  'route_not_found',
  'method_not_allowed',
  'not_supported',
  'too_many_subscriptions',
];

/** True if neither time nor another way of reading cures it. */
export function isLasting({ code }: TidingsError, hasAnotherWay: boolean): boolean {
  return !PASSING.includes(code) && !(hasAnotherWay && OF_THE_TRANSPORT.includes(code));
}

/** True for a code of §9; a newer hub may know others. */
export const isErrorCode = (code: unknown): code is ErrorCode =>
  typeof code === 'string' && Object.hasOwn(ERRORS, code);

/** The refusal that a response says. What did not come from the hub is a matter of the way to it. */
export async function refusalOf(response: Response): Promise<TidingsError> {
  const { status } = response;
  const seconds = Number(response.headers.get('retry-after') ?? 0);
  const retryAfterMs = Math.min(seconds * 1_000 || 0, MOST_RETRY_AFTER_MS);
  const body: unknown = await response.json().catch(() => undefined);
  const { code, message } = errorIn(body);
  if (isErrorCode(code)) return new TidingsError(code, String(message), { status, retryAfterMs });
  const isPassing = status >= 500 || status === 429 || status === 408;
  const text = `answered ${status}, and not by the hub`;
  return new TidingsError(isPassing ? 'unavailable' : 'route_not_found', text, { status, retryAfterMs });
}

function errorIn(body: unknown): { readonly code?: unknown; readonly message?: unknown } {
  const error = isRecord(body) ? body.error : undefined;
  return isRecord(error) ? error : {};
}

/** True for a JSON object or list. */
export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;
