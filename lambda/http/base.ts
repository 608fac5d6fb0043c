/**
 * What all HTTP doors share: refusals as JSON, events to requests and answers back, and the headers that browsers need.
 * @module
 */
import { Hono } from 'hono';
import { Refusal } from '../../protocol/errors.ts';
import { RETRY_AFTER_SECONDS } from '../../protocol/limits.ts';
import { withBrowserHeaders } from './browser.ts';
import { type HttpResult, parseEvent, toRequest, toResult } from './event.ts';

/** What whoever operates the hub may look for a request by. */
type AboutRequest = { readonly method: string; readonly path: string };

/** Told of what is the hub's own fault. */
export type LogDefect = (error: unknown, request: AboutRequest) => void;

/** Told of what was refused. */
export type LogRefusal = (refusal: Refusal, request: AboutRequest) => void;

/** Who keeps the books on what a door does not do. */
export interface Books {
  readonly logDefect: LogDefect;
  readonly logRefusal: LogRefusal;
}

/** Answers every request of a door; throws only for events that are not HTTP. */
export type Responder = (event: unknown) => Promise<Response>;

/** The Lambda handler of a door whose answers are whole when they are sent. */
export type HttpHandler = (event: unknown) => Promise<HttpResult>;

/** https://fetch.spec.whatwg.org/#forbidden-method */
const NO_REQUEST = new Set(['CONNECT', 'TRACE', 'TRACK']);

/** An app without routes, in which everything that is thrown becomes a refusal. */
export function baseApp(books: Books, whereToLook: string): Hono {
  const app = new Hono();
  app.notFound(({ req }) =>
    refuse(books, new Refusal('route_not_found', `no such path; ${whereToLook}`), req),
  );
  app.onError((error, { req }) => {
    if (error instanceof Refusal) return refuse(books, error, req);
    books.logDefect(error, { method: req.method, path: req.path });
    return answerOf(new Refusal('internal', 'the hub failed on this request'));
  });
  return app;
}

/** @param methods that the door knows on any of its paths */
export function responderOf(app: Hono, books: Books, methods: readonly string[]): Responder {
  return async (event) => withBrowserHeaders(await respond(app, books, methods, event));
}

export function handlerOf(respondTo: Responder): HttpHandler {
  return async (event) => await toResult(await respondTo(event));
}

async function respond(
  app: Hono,
  books: Books,
  methods: readonly string[],
  event: unknown,
): Promise<Response> {
  const http = parseEvent(event);
  const about = { method: http.method, path: http.rawPath };
  // TRACE and its kind can be no web request, so they are refused before there is one.
  if (NO_REQUEST.has(http.method)) return refuse(books, methodNotAllowed(http.method, methods), about);
  try {
    return await app.fetch(toRequest(http));
  } catch (error) {
    if (error instanceof Refusal) return refuse(books, error, about);
    return refuse(books, new Refusal('bad_request', 'a header cannot be part of an HTTP request'), about);
  }
}

export function methodNotAllowed(method: string, known: readonly string[]): Refusal {
  return new Refusal('method_not_allowed', `the methods here are ${known.join(', ')}, got ${method}`, {
    Allow: known.join(', '),
  });
}

function refuse(books: Books, refusal: Refusal, { method, path }: AboutRequest): Response {
  books.logRefusal(refusal, { method, path });
  return answerOf(refusal);
}

/** The answer of a refusal: `{"error":{"code","message"}}`, never cached. */
function answerOf(refusal: Refusal): Response {
  const headers: Record<string, string> = { ...refusal.headers, 'Cache-Control': 'no-store' };
  if (refusal.code === 'unavailable') headers['Retry-After'] = String(RETRY_AFTER_SECONDS);
  if (refusal.code === 'unauthorized') headers['WWW-Authenticate'] = 'Bearer realm="tidings"';
  return Response.json(refusal, { status: refusal.status, headers });
}
