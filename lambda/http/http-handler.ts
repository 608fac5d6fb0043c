/**
 * What all HTTP doors share: refusals as JSON, events to requests and answers back, and the headers that browsers need.
 * @module
 */
import { Hono } from 'hono';
import { type ErrorCode, Refusal } from '../../protocol/errors.ts';
import { RETRY_AFTER_SECONDS, TOO_MANY_RETRY_AFTER_SECONDS } from '../../protocol/limits.ts';
import type { Origins } from '../access/origins.ts';
import { refuseTicketAmong, refuseTokenAmong } from '../access/url-identity.ts';
import { withBrowserHeaders } from './browser-headers.ts';
import { type HttpEvent, type HttpResult, parseEvent, toRequest, toResult } from './gateway-event.ts';

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

/** What is cured by waiting, and for how long, in seconds. */
const RETRY_AFTER: Partial<Record<ErrorCode, number>> = {
  unavailable: RETRY_AFTER_SECONDS,
  too_many_requests: TOO_MANY_RETRY_AFTER_SECONDS,
};

/** The Hono app of a handler. Its bindings carry the arrival time of the request. */
export type HandlerApp = Hono<{ Bindings: Pick<HttpEvent, 'arrivedAt'> }>;

/** An app without routes, in which everything that is thrown becomes a refusal. */
export function baseApp(books: Books, whereToLook: string): HandlerApp {
  const app: HandlerApp = new Hono();
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

/** What stands before all paths of a door. */
export interface Front {
  /** Methods that the door knows on any of its paths. */
  readonly methods: readonly string[];
  /** True for a door that looks at tickets. */
  readonly takesTickets: boolean;
  /** Pages that may call. */
  readonly origins: Origins;
}

export function responderOf(app: HandlerApp, books: Books, front: Front): Responder {
  return async (event) => {
    const http = parseEvent(event);
    return withBrowserHeaders(await respond(app, books, front, http), front.origins, http.headers.origin);
  };
}

export function handlerOf(respondTo: Responder): HttpHandler {
  return async (event) => await toResult(await respondTo(event));
}

async function respond(
  app: HandlerApp,
  books: Books,
  { methods, takesTickets }: Front,
  http: HttpEvent,
): Promise<Response> {
  const about = { method: http.method, path: http.rawPath };
  // TRACE and its kind can be no web request, so they are refused before there is one.
  if (NO_REQUEST.has(http.method)) return refuse(books, methodNotAllowed(http.method, methods), about);
  try {
    const request = toRequest(http);
    refuseSecrets(request, takesTickets);
    return await app.fetch(request, { arrivedAt: http.arrivedAt });
  } catch (error) {
    if (error instanceof Refusal) return refuse(books, error, about);
    return refuse(books, new Refusal('bad_request', 'a header cannot be part of an HTTP request'), about);
  }
}

/** A preflight is answered all the same: a page can read the refusal of what it meant to ask, not of the preflight. */
function refuseSecrets({ method, url }: Request, takesTickets: boolean): void {
  if (method === 'OPTIONS') return;
  const names = [...new URL(url).searchParams.keys()];
  refuseTokenAmong(names);
  if (!takesTickets) refuseTicketAmong(names);
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
  const retryAfter = RETRY_AFTER[refusal.code];
  if (retryAfter !== undefined) headers['Retry-After'] = String(retryAfter);
  if (refusal.code === 'unauthorized') headers['WWW-Authenticate'] = 'Bearer realm="tidings"';
  return Response.json(refusal, { status: refusal.status, headers });
}
