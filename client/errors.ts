/**
 * What goes wrong, as callers see it: the closed list of codes of PROTOCOL.md §9.
 * @module
 */
import { ERRORS, type ErrorCode } from '../protocol/errors.ts';

/** The longest that a Retry-After is followed, in milliseconds. */
const MOST_RETRY_AFTER_MS = 300_000;

/** Characters of a body that is read as a refusal. The hub's have some hundred; a proxy's page may have any number. */
const MOST_REFUSAL_CHARS = 65_536;

interface Circumstances {
  /** Default: that of the code. */
  readonly status?: number;
  /** What the answer said to wait, in milliseconds. */
  readonly retryAfterMs?: number;
  /** The channel of a pattern that could not be read. */
  readonly channel?: string;
  readonly cause?: unknown;
}

/**
 * A refusal of the hub, or `unavailable` if the hub could not be reached: with status 503 if nothing answered, else with
 * the status that something in the hub's place answered.
 */
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

/** Returns what was thrown as a TidingsError. Any other error means that the hub could not be reached. */
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

/**
 * Returns the refusal in a response. Only an answer in the form of PROTOCOL.md §9 is the hub's: JSON with a known code, a
 * message, and the status of that code. Everything else comes from a proxy, a firewall, a captive portal or the platform.
 * It says nothing about the request, so it is `unavailable`, which passes.
 */
export async function refusalOf(response: Response): Promise<TidingsError> {
  const { status } = response;
  const { code, message } = errorIn(await jsonIn(response));
  if (!isErrorCode(code) || typeof message !== 'string' || ERRORS[code].status !== status)
    return foreignAnswer(response);
  return new TidingsError(code, message, { status, retryAfterMs: retryAfterMs(response) });
}

/** Returns the error for a response that is not in the hub's form, of any status. It passes. */
export function foreignAnswer(response: Response): TidingsError {
  const { status, type, headers } = response;
  const isRedirect = type === 'opaqueredirect' || (status >= 300 && status < 400 && status !== 304);
  const kind = headers.get('content-type')?.split(';')[0] ?? 'no content type';
  const text = isRedirect
    ? `answered with a redirect${headers.has('location') ? ` to ${headers.get('location')}` : ''}, which the hub never sends: check the url`
    : `answered ${status} (${kind}), but not by the hub: something between the client and the hub answered`;
  return new TidingsError('unavailable', text, { status, retryAfterMs: retryAfterMs(response) });
}

function retryAfterMs({ headers }: Response): number {
  const seconds = Number(headers.get('retry-after') ?? 0);
  return Math.min(Math.max(seconds * 1_000 || 0, 0), MOST_RETRY_AFTER_MS);
}

/** Returns the parsed body, or undefined if it is not JSON or longer than any refusal of the hub. */
async function jsonIn({ body, headers }: Response): Promise<unknown> {
  const isJson = /^application\/json\s*(;|$)/i.test(headers.get('content-type') ?? '');
  const reader = body?.getReader();
  try {
    let text = '';
    const decoder = new TextDecoder();
    while (isJson && reader && text.length <= MOST_REFUSAL_CHARS) {
      const { done, value } = await reader.read();
      text += decoder.decode(value, { stream: !done });
      if (done) return JSON.parse(text);
    }
  } catch {
    // A body that breaks off, or is no JSON, is no refusal of the hub.
  } finally {
    // The rest of a foreign page may be endless. An error here has no consequence: the body is not needed any more.
    reader?.cancel().catch(() => {});
  }
  return undefined;
}

function errorIn(body: unknown): { readonly code?: unknown; readonly message?: unknown } {
  const error = isRecord(body) ? body.error : undefined;
  return isRecord(error) ? error : {};
}

/** True for a JSON object or list. */
export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;
