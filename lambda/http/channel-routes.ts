/**
 * The HTTP routes over channels: the two paths of a channel, the permissions on them, and the routes beside them.
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
  baseApp,
  type HandlerApp,
  type HandlerLog,
  type HttpRoutes,
  methodNotAllowed,
} from './http-handler.ts';
import { refuseBadName } from './parse-channel.ts';
import { EVENTS_PARAMETERS, isDurableStreamsPath, refuseUnknown } from './query.ts';

/** An authenticated and authorized request that names a channel. */
export interface ChannelRequest {
  /** The name of the channel, which is valid. */
  readonly channel: string;
  /** The caller, who is allowed the operation of the route. */
  readonly caller: Caller;
  /** The web Request. */
  readonly raw: Request;
  /** The time at which the gateway received the request, in milliseconds since 1970; undefined if the event does not have it. */
  readonly arrivedAt: number | undefined;
}

/** One method of a channel. */
export interface ChannelRoute {
  /** The operation that the caller must be allowed on the channel. */
  readonly operation: Operation;
  /** The names that the query may have. */
  readonly parameters: readonly string[];
  /** Answers the request. A Refusal that it throws becomes the answer. */
  readonly answer: (request: ChannelRequest) => Promise<Response>;
}

/** The parts of a handler over channels. */
export interface ChannelRouteOptions extends HandlerLog {
  /** Identifies callers and checks their permissions. */
  readonly access: Access;
  /** Pages that may call. */
  readonly origins: Origins;
  /** Routes by method. The gateway sends the other CHANNEL_METHODS to another handler. */
  readonly routes: Readonly<Record<string, ChannelRoute>>;
  /** Prefix of the channel paths, for a handler that the gateway chooses by it. */
  readonly prefix?: string;
  /** Answers GET /events, in the handler that streams. */
  readonly events?: (raw: Request, caller: Caller) => Promise<Response>;
  /** Answers GET /channels. */
  readonly list?: (raw: Request, caller: Caller) => Promise<Response>;
  /** Answers GET /presence/{channel}, on a hub with presence. */
  readonly presence?: (channel: string, raw: Request, caller: Caller) => Promise<Response>;
  /** Answers POST /tickets. */
  readonly tickets?: (raw: Request) => Promise<Response>;
  /** Answers GET and DELETE of /connections. */
  readonly connections?: Readonly<
    Record<'list' | 'end', (raw: Request, caller: Caller) => Promise<Response>>
  >;
  /** Redeems tickets, in the handler that takes them. */
  readonly redeem?: Tickets['redeem'];
}

const CHANNEL_PATHS = ['/channels/:channel{.+}', '/v1/stream/:channel{.+}'];
const EVENTS_METHODS = ['GET', 'OPTIONS'];
const LIST_PARAMETERS = ['prefix', 'limit', 'after'];
const LIST_METHODS = ['GET', 'OPTIONS'];
const PRESENCE_PATH = '/presence/:channel{.+}';
const ROLL_PARAMETERS = ['limit'];
const TICKETS_METHODS = ['POST', 'OPTIONS'];
const CONNECTIONS_PARAMETERS = { list: ['limit', 'after'], end: ['principal', 'id'] };
const CONNECTIONS_METHODS = ['GET', 'DELETE', 'OPTIONS'];
const CHANNEL_METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS'];

/** Returns the routes of a handler over channels. */
export const channelRoutes = (options: ChannelRouteOptions): HttpRoutes => ({
  ...options,
  app: channelApp(options),
  methods: CHANNEL_METHODS,
  takesTickets: options.redeem !== undefined,
});

function channelApp(options: ChannelRouteOptions): HandlerApp {
  const app = baseApp(options, 'channels are at /channels/{channel}');
  const { events, list, presence, tickets, connections, prefix = '' } = options;
  for (const path of CHANNEL_PATHS) {
    app.options(prefix + path, (c) => answerPreflight(c.req.raw, CHANNEL_METHODS));
    app.all(prefix + path, async (c) => {
      return await serve(options, c.req.raw, c.req.param('channel') ?? '', c.env.arrivedAt);
    });
  }
  app.options('/events', (c) => answerPreflight(c.req.raw, EVENTS_METHODS));
  if (events) {
    app.get('/events', async (c) => {
      refuseUnknown(c.req.raw, EVENTS_PARAMETERS);
      return await events(c.req.raw, await callerOf(options, c.req.raw));
    });
  }
  app.on(['POST', 'PUT', 'PATCH', 'DELETE'], '/events', (c) => {
    throw methodNotAllowed(c.req.method, EVENTS_METHODS);
  });
  if (list) {
    app.get('/channels', async (c) => {
      refuseUnknown(c.req.raw, LIST_PARAMETERS);
      return await list(c.req.raw, await callerOf(options, c.req.raw));
    });
    refuseOthers(app, '/channels', LIST_METHODS);
  }
  if (presence) {
    app.get(PRESENCE_PATH, async (c) => {
      refuseUnknown(c.req.raw, ROLL_PARAMETERS);
      return await presence(c.req.param('channel'), c.req.raw, await callerOf(options, c.req.raw));
    });
    refuseOthers(app, PRESENCE_PATH, LIST_METHODS);
  }
  if (tickets) {
    app.post('/tickets', async (c) => {
      refuseUnknown(c.req.raw, []);
      return await tickets(c.req.raw);
    });
    refuseOthers(app, '/tickets', TICKETS_METHODS);
  }
  if (connections) {
    app.get('/connections', async (c) => {
      refuseUnknown(c.req.raw, CONNECTIONS_PARAMETERS.list);
      return await connections.list(c.req.raw, await callerOf(options, c.req.raw));
    });
    app.delete('/connections', async (c) => {
      refuseUnknown(c.req.raw, CONNECTIONS_PARAMETERS.end);
      return await connections.end(c.req.raw, await callerOf(options, c.req.raw));
    });
    refuseOthers(app, '/connections', CONNECTIONS_METHODS);
  }
  return app;
}

/** Answers OPTIONS on a path, and refuses the methods that have no route. */
function refuseOthers(app: HandlerApp, path: string, methods: readonly string[]): void {
  app.options(path, (c) => answerPreflight(c.req.raw, methods));
  app.all(path, (c) => {
    throw methodNotAllowed(c.req.method, methods);
  });
}

async function serve(
  options: ChannelRouteOptions,
  raw: Request,
  channel: string,
  arrivedAt: number | undefined,
): Promise<Response> {
  const route = ownValue(options.routes, raw.method);
  if (!route) throw methodNotAllowed(raw.method, CHANNEL_METHODS);
  if (!isDurableStreamsPath(raw)) refuseUnknown(raw, route.parameters);
  const caller = await callerOf(options, raw);
  refuseBadName(channel);
  options.access.require(route.operation, channel, caller);
  return await route.answer({ channel, caller, raw, arrivedAt });
}

async function callerOf({ access, redeem }: ChannelRouteOptions, raw: Request): Promise<Caller> {
  return redeem ? await identifyByTicket(access, { redeem }, raw) : await access.identify(raw.headers);
}
