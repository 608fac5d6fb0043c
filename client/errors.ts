/**
 * The errors that callers see, with the closed list of codes of PROTOCOL.md §9.
 * @module
 */
import { ERRORS, type ErrorCode } from '../protocol/errors.ts';

/** The longest Retry-After that the client follows, in milliseconds. */
const MOST_RETRY_AFTER_MS = 300_000;

/**
 * Characters of a body that is read as a refusal. A refusal of the hub has a few hundred. The page of a proxy may be
 * endless.
 */
const MOST_REFUSAL_CHARS = 65_536;

interface Circumstances {
  /** HTTP status. Default: the status of the code. */
  readonly status?: number;
  /** Milliseconds that the answer asks the client to wait. Default: 0. */
  readonly retryAfterMs?: number;
  /** The channel of a pattern that could not be read. */
  readonly channel?: string;
  /** The error that caused this one. A TidingsError with a cause is no answer of the hub. */
  readonly cause?: unknown;
}

/**
 * A refusal of the hub, or `unavailable` if the hub was not reached. Then the status is 503 if nothing answered, else
 * the status that a proxy or firewall answered.
 */
export class TidingsError extends Error {
  /** One of the codes of PROTOCOL.md §9. */
  readonly code: ErrorCode;
  /** HTTP status. Refusals on a socket have one as well. */
  readonly status: number;
  /** Milliseconds to wait before another attempt. 0 if the answer does not say. */
  readonly retryAfterMs: number;
  /** Set if the subscription is to a pattern and the error is about one of its channels. */
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

/**
 * Returns the error as a TidingsError. Any other error means that the hub was not reached, so it becomes `unavailable`.
 */
export function asTidingsError(error: unknown): TidingsError {
  if (error instanceof TidingsError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new TidingsError('unavailable', message, { cause: error });
}

const TEMPORARY: readonly ErrorCode[] = ['unavailable', 'internal', 'too_many_requests'];
const TRANSPORT_ONLY: readonly ErrorCode[] = [
  'route_not_found',
  'method_not_allowed',
  'not_supported',
  'too_many_subscriptions',
];

/** True for a refusal that passes with time. */
export const isTemporary = (code: ErrorCode): boolean => TEMPORARY.includes(code);

/** True if neither time nor another transport solves it. */
export function isLasting({ code }: TidingsError, hasOtherTransport: boolean): boolean {
  return !isTemporary(code) && !(hasOtherTransport && TRANSPORT_ONLY.includes(code));
}

/** True for a code of §9. A newer hub may have others. */
export const isErrorCode = (code: unknown): code is ErrorCode =>
  typeof code === 'string' && Object.hasOwn(ERRORS, code);

/**
 * Returns the refusal in a response. The hub's own answers have the form of PROTOCOL.md §9: JSON with a known code, a
 * message, and the status of that code. Every other answer comes from a proxy, a firewall, a captive portal or the
 * platform. It says nothing about the request, so it becomes `unavailable`, and the client tries again.
 */
export async function refusalOf(response: Response): Promise<TidingsError> {
  const { status } = response;
  const { code, message } = errorIn(await jsonIn(response));
  if (!isErrorCode(code) || typeof message !== 'string' || ERRORS[code].status !== status)
    return foreignAnswer(response);
  return new TidingsError(code, message, { status, retryAfterMs: retryAfterMs(response) });
}

/** Returns the error for a response that is not in the hub's form, of any status. The client tries again. */
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
    // A body that breaks off, or that is not JSON, is not a refusal of the hub.
  } finally {
    // The rest of a foreign page may be endless. An error here has no effect, because nothing needs the body any more.
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
