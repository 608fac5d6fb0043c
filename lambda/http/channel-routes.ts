/**
 * The HTTP doors over channels: the two paths of a channel, who may, and what else stands beside them.
 * @module
 */
import type { Operation } from '../../protocol/capability.ts';
import { ownValue } from '../../protocol/fields.ts';
import type { Caller } from '../access/caller.ts';
import type { Origins } from '../access/origins.ts';
import type { Tickets } from '../access/ticket.ts';
import { identifyByTicket } from '../access/url-identity.ts';
import type { Access } from '../access/verify.ts';
import { answerPreflight } from './browser-headers.ts';
import {
  type Books,
  baseApp,
  type HandlerApp,
  type HttpHandler,
  handlerOf,
  methodNotAllowed,
  type Responder,
  responderOf,
} from './http-handler.ts';
import { refuseBadName } from './parse-channel.ts';
import { EVENTS_PARAMETERS, isDurableStreamsPath, refuseUnknown } from './query.ts';

/** A request that is authenticated, authorized, and names a channel. */
export interface ChannelRequest {
  readonly channel: string;
  readonly caller: Caller;
  readonly raw: Request;
  /** When the gateway received the request, in milliseconds since 1970; undefined if the event does not have it. */
  readonly arrivedAt: number | undefined;
}

export interface ChannelRoute {
  /** What the caller must be allowed to do on the channel. */
  readonly operation: Operation;
  /** What its query may have. */
  readonly parameters: readonly string[];
  readonly answer: (request: ChannelRequest) => Promise<Response>;
}

export interface ChannelHandlerOptions extends Books {
  readonly access: Access;
  readonly origins: Origins;
  /** By method. Others of CHANNEL_METHODS are another door's, and the gateway sends them there. */
  readonly routes: Readonly<Record<string, ChannelRoute>>;
  /** What stands before the paths of channels, for a door that the gateway tells apart by that. */
  readonly prefix?: string;
  /** Answers GET /events, in the door that streams. */
  readonly events?: (raw: Request, caller: Caller) => Promise<Response>;
  /** Answers POST /tickets. */
  readonly tickets?: (raw: Request) => Promise<Response>;
  /** Answers DELETE /connections. */
  readonly connections?: (raw: Request, caller: Caller) => Promise<Response>;
  /** Opens tickets, in the door that takes them. */
  readonly redeem?: Tickets['redeem'];
}

const CHANNEL_PATHS = ['/channels/:channel{.+}', '/v1/stream/:channel{.+}'];
const EVENTS_METHODS = ['GET', 'OPTIONS'];
const TICKETS_METHODS = ['POST', 'OPTIONS'];
const CONNECTIONS_PARAMETERS = ['principal'];
const CONNECTIONS_METHODS = ['DELETE', 'OPTIONS'];
const CHANNEL_METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS'];

/** Answers every request of a door; throws only for events that are not HTTP. */
export const responder = (door: ChannelHandlerOptions): Responder =>
  responderOf(channelApp(door), door, {
    methods: CHANNEL_METHODS,
    takesTickets: door.redeem !== undefined,
    origins: door.origins,
  });

/** The Lambda handler of a door whose answers are whole when they are sent. */
export const httpHandler = (door: ChannelHandlerOptions): HttpHandler => handlerOf(responder(door));

function channelApp(door: ChannelHandlerOptions): HandlerApp {
  const app = baseApp(door, 'channels are at /channels/{channel}');
  const { events, tickets, connections, prefix = '' } = door;
  for (const path of CHANNEL_PATHS) {
    app.options(prefix + path, (c) => answerPreflight(c.req.raw, CHANNEL_METHODS));
    app.all(prefix + path, async (c) => {
      return await serve(door, c.req.raw, c.req.param('channel') ?? '', c.env.arrivedAt);
    });
  }
  app.options('/events', (c) => answerPreflight(c.req.raw, EVENTS_METHODS));
  if (events) {
    app.get('/events', async (c) => {
      refuseUnknown(c.req.raw, EVENTS_PARAMETERS);
      return await events(c.req.raw, await callerOf(door, c.req.raw));
    });
  }
  app.on(['POST', 'PUT', 'PATCH', 'DELETE'], '/events', (c) => {
    throw methodNotAllowed(c.req.method, EVENTS_METHODS);
  });
  if (tickets) {
    app.post('/tickets', async (c) => {
      refuseUnknown(c.req.raw, []);
      return await tickets(c.req.raw);
    });
    refuseOthers(app, '/tickets', TICKETS_METHODS);
  }
  if (connections) {
    app.delete('/connections', async (c) => {
      refuseUnknown(c.req.raw, CONNECTIONS_PARAMETERS);
      return await connections(c.req.raw, await callerOf(door, c.req.raw));
    });
    refuseOthers(app, '/connections', CONNECTIONS_METHODS);
  }
  return app;
}

/** Answers what a path has no route for. */
function refuseOthers(app: HandlerApp, path: string, methods: readonly string[]): void {
  app.options(path, (c) => answerPreflight(c.req.raw, methods));
  app.all(path, (c) => {
    throw methodNotAllowed(c.req.method, methods);
  });
}

async function serve(
  door: ChannelHandlerOptions,
  raw: Request,
  channel: string,
  arrivedAt: number | undefined,
): Promise<Response> {
  const route = ownValue(door.routes, raw.method);
  if (!route) throw methodNotAllowed(raw.method, CHANNEL_METHODS);
  if (!isDurableStreamsPath(raw)) refuseUnknown(raw, route.parameters);
  const caller = await callerOf(door, raw);
  refuseBadName(channel);
  door.access.require(route.operation, channel, caller);
  return await route.answer({ channel, caller, raw, arrivedAt });
}

async function callerOf({ access, redeem }: ChannelHandlerOptions, raw: Request): Promise<Caller> {
  return redeem ? await identifyByTicket(access, { redeem }, raw) : await access.identify(raw.headers);
}
