/**
 * What all HTTP doors share: the two paths of a channel, who may, refusals as JSON, and the headers that browsers need.
 * @module
 */
import { Hono } from 'hono';
import type { Operation } from '../../protocol/capability.ts';
import { Refusal } from '../../protocol/errors.ts';
import { RETRY_AFTER_SECONDS } from '../../protocol/limits.ts';
import type { Access } from '../access/verify.ts';
import { answerPreflight, withBrowserHeaders } from './browser.ts';
import { type HttpEvent, type HttpResult, parseEvent, toRequest, toResult } from './event.ts';
import { refuseBadName } from './parse.ts';

/** A request that is authenticated, authorized, and names a channel. */
export interface ChannelRequest {
  readonly channel: string;
  readonly raw: Request;
}

export interface ChannelRoute {
  /** What the caller must be allowed to do on the channel. */
  readonly operation: Operation;
  readonly answer: (request: ChannelRequest) => Promise<Response>;
}

export interface HttpDoor {
  readonly access: Access;
  readonly logDefect: (error: unknown, request: { readonly method: string; readonly path: string }) => void;
  /** By method. Others of CHANNEL_METHODS are another door's, and the gateway sends them there. */
  readonly routes: Readonly<Record<string, ChannelRoute>>;
  /** What stands before the paths of channels, for a door that the gateway tells apart by that. */
  readonly prefix?: string;
  /** Answers GET /events, in the door that streams. */
  readonly events?: (raw: Request) => Promise<Response>;
  /** Answers POST /tickets. */
  readonly tickets?: (raw: Request) => Promise<Response>;
}

const CHANNEL_PATHS = ['/channels/:channel{.+}', '/v1/stream/:channel{.+}'];
const EVENTS_METHODS = ['GET', 'OPTIONS'];
const TICKETS_METHODS = ['POST', 'OPTIONS'];
const CHANNEL_METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS'];
/** https://fetch.spec.whatwg.org/#forbidden-method */
const NO_REQUEST = new Set(['CONNECT', 'TRACE', 'TRACK']);

/** Answers every request of a door; throws only for events that are not HTTP. */
export function responder(door: HttpDoor): (event: unknown) => Promise<Response> {
  const app = channelApp(door);
  return async (event) => withBrowserHeaders(await respond(app, parseEvent(event)));
}

/** The Lambda handler of a door whose answers are whole when they are sent. */
export function httpHandler(door: HttpDoor): (event: unknown) => Promise<HttpResult> {
  const respondTo = responder(door);
  return async (event) => await toResult(await respondTo(event));
}

async function respond(app: Hono, http: HttpEvent): Promise<Response> {
  // TRACE and its kind can be no web request, so they are refused before there is one.
  if (NO_REQUEST.has(http.method)) return refuse(methodNotAllowed(http.method));
  try {
    return await app.fetch(toRequest(http));
  } catch (error) {
    if (error instanceof Refusal) return refuse(error);
    return refuse(new Refusal('bad_request', 'a header cannot be part of an HTTP request'));
  }
}

function channelApp(door: HttpDoor): Hono {
  const app = new Hono();
  const { events, tickets, prefix = '' } = door;
  for (const path of CHANNEL_PATHS) {
    app.options(prefix + path, (c) => answerPreflight(c.req.raw, CHANNEL_METHODS));
    app.all(prefix + path, async (c) => await serve(door, c.req.raw, c.req.param('channel') ?? ''));
  }
  app.options('/events', (c) => answerPreflight(c.req.raw, EVENTS_METHODS));
  if (events) app.get('/events', async (c) => await events(c.req.raw));
  app.on(['POST', 'PUT', 'PATCH', 'DELETE'], '/events', (c) => {
    throw methodNotAllowed(c.req.method, EVENTS_METHODS);
  });
  if (tickets) {
    app.options('/tickets', (c) => answerPreflight(c.req.raw, TICKETS_METHODS));
    app.post('/tickets', async (c) => await tickets(c.req.raw));
    app.all('/tickets', (c) => {
      throw methodNotAllowed(c.req.method, TICKETS_METHODS);
    });
  }
  app.notFound(() =>
    refuse(new Refusal('route_not_found', 'no such path; channels are at /channels/{channel}')),
  );
  app.onError((error, c) => {
    if (error instanceof Refusal) return refuse(error);
    door.logDefect(error, { method: c.req.method, path: c.req.path });
    return refuse(new Refusal('internal', 'the hub failed on this request'));
  });
  return app;
}

async function serve(door: HttpDoor, raw: Request, channel: string): Promise<Response> {
  const route = door.routes[raw.method];
  if (!route) throw methodNotAllowed(raw.method);
  const caller = await door.access.identify(raw.headers);
  refuseBadName(channel);
  door.access.require(route.operation, channel, caller);
  return await route.answer({ channel, raw });
}

function methodNotAllowed(method: string, known: readonly string[] = CHANNEL_METHODS): Refusal {
  return new Refusal('method_not_allowed', `the methods here are ${known.join(', ')}, got ${method}`, {
    Allow: known.join(', '),
  });
}

/** The answer of a refusal: `{"error":{"code","message"}}`, never cached. */
function refuse(refusal: Refusal): Response {
  const headers: Record<string, string> = { ...refusal.headers, 'Cache-Control': 'no-store' };
  if (refusal.code === 'unavailable') headers['Retry-After'] = String(RETRY_AFTER_SECONDS);
  if (refusal.code === 'unauthorized') headers['WWW-Authenticate'] = 'Bearer realm="tidings"';
  return Response.json(refusal, { status: refusal.status, headers });
}
