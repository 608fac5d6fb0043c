/**
 * The HTTP doors over channels: the two paths of a channel, who may, and what else stands beside them.
 * @module
 */
import type { Hono } from 'hono';
import type { Operation } from '../../protocol/capability.ts';
import type { Access } from '../access/verify.ts';
import {
  type Books,
  baseApp,
  type HttpHandler,
  handlerOf,
  methodNotAllowed,
  type Responder,
  responderOf,
} from './base.ts';
import { answerPreflight } from './browser.ts';
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

export interface HttpDoor extends Books {
  readonly access: Access;
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

/** Answers every request of a door; throws only for events that are not HTTP. */
export const responder = (door: HttpDoor): Responder => responderOf(channelApp(door), door, CHANNEL_METHODS);

/** The Lambda handler of a door whose answers are whole when they are sent. */
export const httpHandler = (door: HttpDoor): HttpHandler => handlerOf(responder(door));

function channelApp(door: HttpDoor): Hono {
  const app = baseApp(door, 'channels are at /channels/{channel}');
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
  return app;
}

async function serve(door: HttpDoor, raw: Request, channel: string): Promise<Response> {
  const route = door.routes[raw.method];
  if (!route) throw methodNotAllowed(raw.method, CHANNEL_METHODS);
  const caller = await door.access.identify(raw.headers);
  refuseBadName(channel);
  door.access.require(route.operation, channel, caller);
  return await route.answer({ channel, raw });
}
