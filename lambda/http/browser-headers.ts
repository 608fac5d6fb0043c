/**
 * What browsers need to be told (PROTOCOL.md §10): cross-origin rules, and that published content is data.
 *
 * The doors say it, not API Gateway's own CORS setting: that would replace theirs, exists once per gateway, and would
 * have to be kept the same on the streaming URL.
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
  STREAM_NEXT_OFFSET,
  STREAM_SEQ,
  STREAM_SSE_DATA_ENCODING,
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
  STREAM_UP_TO_DATE,
  STREAM_TTL,
  STREAM_EXPIRES_AT,
];

/** How long a browser may remember a preflight, in seconds; Chromium caps it at two hours. */
const PREFLIGHT_SECONDS = 7_200;

const ALLOW_ORIGIN = 'Access-Control-Allow-Origin';

/**
 * Nothing is ambient: no cookie is read, the token is a header that a page must hold. So there is no
 * Access-Control-Allow-Credentials, ever, and any origin may call unless the operator lists some.
 */
const ON_EVERY_ANSWER: Readonly<Record<string, string>> = {
  'Access-Control-Expose-Headers': RESPONSE_HEADERS.join(', '),
  'Cross-Origin-Resource-Policy': 'cross-origin',
  'X-Content-Type-Options': 'nosniff',
  // A channel may hold text/html that anyone published: opened as a page, it must not run on the hub's origin.
  'Content-Security-Policy': "default-src 'none'; sandbox",
};

/** @param origin of the page that asks; none for who is no page, or one of the hub's own origin */
export function withBrowserHeaders(
  response: Response,
  origins: Origins,
  origin: string | undefined,
): Response {
  const { headers } = response;
  for (const [name, value] of Object.entries(ON_EVERY_ANSWER)) headers.set(name, value);
  if (origins.isOpen) headers.set(ALLOW_ORIGIN, '*');
  else {
    // A cache must not tell one page what another was allowed.
    headers.append('Vary', 'Origin');
    if (origin !== undefined && origins.has(origin)) headers.set(ALLOW_ORIGIN, origin);
    else for (const name of [...headers.keys()]) if (name.startsWith('access-control-')) headers.delete(name);
  }
  return response;
}

/** https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2 */
const TOKEN = /^[\w!#$%&'*+.^`|~-]+$/;

/**
 * The headers that a page means to send, beside those that the hub reads: tracing libraries add theirs to every request, and a
 * list of them would never be complete. To allow them gives nothing away, since the hub goes by none of them. `*` would not do:
 * it does not stand for Authorization, and older browsers take it for a name.
 * https://fetch.spec.whatwg.org/#cors-non-wildcard-request-header-name
 */
function askedHeaders({ headers }: Request): readonly string[] {
  const known = new Set(REQUEST_HEADERS.map((name) => name.toLowerCase()));
  const asked = (headers.get('access-control-request-headers') ?? '').split(',').map((name) => name.trim());
  return [...new Set(asked)].filter((name) => TOKEN.test(name) && !known.has(name.toLowerCase()));
}

/** OPTIONS on a channel: the answer to a preflight, and the list of methods to anyone else. */
export function answerPreflight(request: Request, methods: readonly string[]): Response {
  const headers: Record<string, string> = { Allow: methods.join(', '), 'Cache-Control': 'no-store' };
  if (request.headers.has('access-control-request-method')) {
    headers['Access-Control-Allow-Methods'] = methods.join(', ');
    headers['Access-Control-Allow-Headers'] = [...REQUEST_HEADERS, ...askedHeaders(request)].join(', ');
    headers['Access-Control-Max-Age'] = String(PREFLIGHT_SECONDS);
  }
  return new Response(null, { status: 204, headers });
}
