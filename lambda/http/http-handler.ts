/**
 * The parts that all HTTP handlers share: they turn events into requests and refusals into JSON, and add CORS headers to answers.
 * @module
 */
import { Hono } from 'hono';
import { type ErrorCode, Refusal } from '../../protocol/errors.ts';
import { RETRY_AFTER_SECONDS, TOO_MANY_RETRY_AFTER_SECONDS } from '../../protocol/limits.ts';
import type { Origins } from '../access/origins.ts';
import { refuseTicketAmong, refuseTokenAmong } from '../access/url-identity.ts';
import type { LogDefect } from '../hub/defects.ts';
import { withBrowserHeaders } from './browser-headers.ts';
import { type HttpEvent, type HttpResult, parseEvent, toRequest, toResult } from './gateway-event.ts';

/** The facts about a request that a log line may have. */
type AboutRequest = { readonly method: string; readonly path: string };

/** The log of requests that a handler refused or failed on. */
export interface HandlerLog {
  /** Reports a fault of the hub itself. */
  readonly logDefect: LogDefect;
  /** Reports a request that was refused. */
  readonly logRefusal: (refusal: Refusal, request: AboutRequest) => void;
}

/** The routes of one HTTP handler, and the rules that hold before any route is chosen. */
export interface HttpRoutes extends HandlerLog {
  /** The routes. */
  readonly app: HandlerApp;
  /** Methods that the handler knows on any of its paths. */
  readonly methods: readonly string[];
  /** True for a handler that accepts tickets. Another handler refuses them. */
  readonly takesTickets: boolean;
  /** Pages that may call. */
  readonly origins: Origins;
}

/** The Lambda handler of routes whose answers are complete when they are sent. */
export type HttpHandler = (event: unknown) => Promise<HttpResult>;

/** Methods that a web Request cannot have. https://fetch.spec.whatwg.org/#forbidden-method */
const FORBIDDEN_METHODS = new Set(['CONNECT', 'TRACE', 'TRACK']);

/** Refusals that pass with time, and after how many seconds a client may retry. */
const RETRY_AFTER: Partial<Record<ErrorCode, number>> = {
  unavailable: RETRY_AFTER_SECONDS,
  too_many_requests: TOO_MANY_RETRY_AFTER_SECONDS,
};

/** The Hono app of a handler. Its bindings carry the arrival time of the request. */
export type HandlerApp = Hono<{ Bindings: Pick<HttpEvent, 'arrivedAt'> }>;

/**
 * Returns an app without routes, in which every error becomes a refusal.
 * @param whereToLook the paths that exist, for the message of `route_not_found`
 */
export function baseApp(log: HandlerLog, whereToLook: string): HandlerApp {
  const app: HandlerApp = new Hono();
  app.notFound(({ req }) => refuse(log, new Refusal('route_not_found', `no such path; ${whereToLook}`), req));
  app.onError((error, { req }) => {
    if (error instanceof Refusal) return refuse(log, error, req);
    log.logDefect(error, { method: req.method, path: req.path });
    return answerOf(new Refusal('internal', 'the hub failed on this request'));
  });
  return app;
}

/** Makes the Lambda handler of routes whose answers are complete when they are sent. */
export const httpHandler =
  (routes: HttpRoutes): HttpHandler =>
  async (event) =>
    await toResult(await answerEvent(routes, event));

/**
 * Answers an event of Lambda with a web Response, refusals included.
 * @throws Error for an event that is not HTTP
 */
export async function answerEvent(routes: HttpRoutes, event: unknown): Promise<Response> {
  const http = parseEvent(event);
  const response = await respond(routes, http);
  return withBrowserHeaders(response, routes.origins, http.headers.origin);
}

/** Answers a request without the headers for pages of other origins. */
export async function respond(routes: Omit<HttpRoutes, 'origins'>, http: HttpEvent): Promise<Response> {
  const about = { method: http.method, path: http.rawPath };
  // They are refused here, because `new Request` throws for them.
  if (FORBIDDEN_METHODS.has(http.method))
    return refuse(routes, methodNotAllowed(http.method, routes.methods), about);
  try {
    const request = toRequest(http);
    refuseSecrets(request, routes.takesTickets);
    return await routes.app.fetch(request, { arrivedAt: http.arrivedAt });
  } catch (error) {
    if (error instanceof Refusal) return refuse(routes, error, about);
    return refuse(routes, new Refusal('bad_request', 'a header cannot be part of an HTTP request'), about);
  }
}

/**
 * Refuses tokens in the query, and tickets if the handler accepts none. A preflight is exempt, because a page cannot read the
 * refusal of a preflight. It can read the refusal of the request that follows.
 */
function refuseSecrets({ method, url }: Request, takesTickets: boolean): void {
  if (method === 'OPTIONS') return;
  const names = [...new URL(url).searchParams.keys()];
  refuseTokenAmong(names);
  if (!takesTickets) refuseTicketAmong(names);
}

/** Returns the refusal of a method, with the `Allow` header. @param known methods that the path has */
export function methodNotAllowed(method: string, known: readonly string[]): Refusal {
  return new Refusal('method_not_allowed', `the methods here are ${known.join(', ')}, got ${method}`, {
    Allow: known.join(', '),
  });
}

function refuse(log: HandlerLog, refusal: Refusal, { method, path }: AboutRequest): Response {
  log.logRefusal(refusal, { method, path });
  return answerOf(refusal);
}

/** Returns the answer of a refusal: `{"error":{"code","message"}}`, never cached. */
function answerOf(refusal: Refusal): Response {
  const headers: Record<string, string> = { ...refusal.headers, 'Cache-Control': 'no-store' };
  const retryAfter = RETRY_AFTER[refusal.code];
  if (retryAfter !== undefined) headers['Retry-After'] = String(retryAfter);
  if (refusal.code === 'unauthorized') headers['WWW-Authenticate'] = 'Bearer realm="tidings"';
  return Response.json(refusal, { status: refusal.status, headers });
}
