/**
 * Headers for browsers (PROTOCOL.md §10): cross-origin rules, and a policy by which published content is data.
 *
 * The handlers set them. API Gateway's own CORS setting would replace these headers, exists once per gateway, and would have
 * to be repeated on the streaming URL.
 * https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html
 * @module
 */
import {
  IDEMPOTENCY_KEY,
  PRODUCER_EPOCH,
  PRODUCER_EXPECTED_SEQ,
  PRODUCER_ID,
  PRODUCER_RECEIVED_SEQ,
  PRODUCER_SEQ,
  STREAM_CLOSED,
  STREAM_CURSOR,
  STREAM_EXPIRES_AT,
  STREAM_KEY,
  STREAM_NEXT_OFFSET,
  STREAM_POLL_AFTER,
  STREAM_SEQ,
  STREAM_SSE_DATA_ENCODING,
  STREAM_START_OF_HISTORY,
  STREAM_START_OFFSET,
  STREAM_TTL,
  STREAM_UP_TO_DATE,
} from '../../protocol/headers.ts';
import type { Origins } from '../access/origins.ts';

const REQUEST_HEADERS = [
  'Authorization',
  'Content-Type',
  'If-None-Match',
  'Last-Event-ID',
  'Prefer',
  IDEMPOTENCY_KEY,
  PRODUCER_ID,
  PRODUCER_EPOCH,
  PRODUCER_SEQ,
  STREAM_CLOSED,
  STREAM_SEQ,
  STREAM_TTL,
  STREAM_EXPIRES_AT,
  STREAM_KEY,
];
const RESPONSE_HEADERS = [
  'ETag',
  'Location',
  'Retry-After',
  PRODUCER_EPOCH,
  PRODUCER_SEQ,
  PRODUCER_EXPECTED_SEQ,
  PRODUCER_RECEIVED_SEQ,
  STREAM_CLOSED,
  STREAM_CURSOR,
  STREAM_SSE_DATA_ENCODING,
  STREAM_NEXT_OFFSET,
  STREAM_POLL_AFTER,
  STREAM_START_OF_HISTORY,
  STREAM_START_OFFSET,
  STREAM_UP_TO_DATE,
  STREAM_TTL,
  STREAM_EXPIRES_AT,
  STREAM_KEY,
];

/** The time for which a browser may remember a preflight, in seconds; Chromium caps it at two hours. */
const PREFLIGHT_SECONDS = 7_200;

const ALLOW_ORIGIN = 'Access-Control-Allow-Origin';

/**
 * The hub reads no cookie: a page must have the token and send it as a header. So Access-Control-Allow-Credentials is never
 * sent, and any origin may call unless the operator lists origins.
 */
const ON_EVERY_ANSWER: Readonly<Record<string, string>> = {
  'Access-Control-Expose-Headers': RESPONSE_HEADERS.join(', '),
  'Cross-Origin-Resource-Policy': 'cross-origin',
  'X-Content-Type-Options': 'nosniff',
  // A channel may hold text/html that anyone published: opened as a page, it must not run on the hub's origin.
  'Content-Security-Policy': "default-src 'none'; sandbox",
};

/**
 * Adds the headers to an answer, and returns it.
 * @param origin of the page that calls; undefined for a client that is no page, and for a page of the hub's own origin
 */
export function withBrowserHeaders(
  response: Response,
  origins: Origins,
  origin: string | undefined,
): Response {
  const { headers } = response;
  for (const [name, value] of Object.entries(ON_EVERY_ANSWER)) headers.set(name, value);
  if (origins.isOpen) headers.set(ALLOW_ORIGIN, '*');
  else {
    // A cache must not give one page the answer that allows another.
    headers.append('Vary', 'Origin');
    if (origin !== undefined && origins.has(origin)) headers.set(ALLOW_ORIGIN, origin);
    else for (const name of [...headers.keys()]) if (name.startsWith('access-control-')) headers.delete(name);
  }
  return response;
}

/** https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2 */
const TOKEN = /^[\w!#$%&'*+.^`|~-]+$/;

/**
 * Returns the headers that a page announces beside those that the hub reads. Tracing libraries add headers to every request,
 * and no list of them is complete. Allowing them is no risk, because the hub ignores them. `*` is not enough: it does not
 * include Authorization, and older browsers read it as a name.
 * https://fetch.spec.whatwg.org/#cors-non-wildcard-request-header-name
 */
function announcedHeaders({ headers }: Request): readonly string[] {
  const known = new Set(REQUEST_HEADERS.map((name) => name.toLowerCase()));
  const announced = (headers.get('access-control-request-headers') ?? '')
    .split(',')
    .map((name) => name.trim());
  return [...new Set(announced)].filter((name) => TOKEN.test(name) && !known.has(name.toLowerCase()));
}

/** Returns the answer to OPTIONS: the methods, and for a preflight the headers that a page may send. */
export function answerPreflight(request: Request, methods: readonly string[]): Response {
  const headers: Record<string, string> = { Allow: methods.join(', '), 'Cache-Control': 'no-store' };
  if (request.headers.has('access-control-request-method')) {
    headers['Access-Control-Allow-Methods'] = methods.join(', ');
    headers['Access-Control-Allow-Headers'] = [...REQUEST_HEADERS, ...announcedHeaders(request)].join(', ');
    headers['Access-Control-Max-Age'] = String(PREFLIGHT_SECONDS);
  }
  return new Response(null, { status: 204, headers });
}
