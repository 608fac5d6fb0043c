/**
 * The HTTP routes of webhooks: endpoints, their deliveries, and requests about them (PROTOCOL.md §13.1, §13.5).
 *
 * Messages leave the hub through an endpoint. A caller who may not read all of them must not learn that the endpoint exists:
 * the answer is the same, word for word, as for an endpoint that does not exist.
 * @module
 */
import { Refusal } from '../../../protocol/errors.ts';
import { ownValue } from '../../../protocol/fields.ts';
import type { Caller } from '../../access/caller.ts';
import type { Origins } from '../../access/origins.ts';
import type { Access } from '../../access/verify.ts';
import { settleAll } from '../../hub/settle-all.ts';
import {
  askHandshake,
  deliveryNotFound,
  listDeliveries,
  readDelivery,
  recover,
  replay,
  retryDelivery,
  sendTest,
} from '../../webhook/delivery-requests.ts';
import type { Endpoint } from '../../webhook/endpoint.ts';
import { pauseIn } from '../../webhook/health.ts';
import {
  changeEndpoint,
  createEndpoint,
  enableEndpoint,
  healthOf,
  listEndpoints,
  notFound,
  readEndpoint,
  removeEndpoint,
  rotateSecret,
  type Sees,
} from '../../webhook/manage-endpoints.ts';
import type { Managing } from '../../webhook/webhook-ports.ts';
import { answerPreflight } from '../browser-headers.ts';
import {
  baseApp,
  type HandlerApp,
  type HandlerLog,
  type HttpRoutes,
  methodNotAllowed,
} from '../http-handler.ts';
import { refuseUnknown } from '../query.ts';
import {
  answerAccepted,
  answerCreatedEndpoint,
  answerDeleted,
  answerDeliveries,
  answerDelivery,
  answerEndpoint,
  answerEndpoints,
  answerRotated,
  type EndpointView,
} from './answer-webhooks.ts';
import {
  type IsSecret,
  MAX_ID_LENGTH,
  parseChange,
  parseCreation,
  parseDeliveryQuery,
  parsePage,
  parseRecovery,
  parseReplay,
  parseRotation,
  refuseMembers,
} from './parse-webhooks.ts';

/** The parts of the handler that manages endpoints. */
export interface WebhookRouteOptions extends HandlerLog {
  /** Identifies callers and checks their permissions. */
  readonly access: Access;
  /** Pages that may call. */
  readonly origins: Origins;
  /** The stores of webhooks, and what managing them needs. */
  readonly managing: Managing;
  /**
   * Returns the URL as it is stored.
   * @param requestHost the host of this request: an endpoint must not be the hub itself
   * @throws Refusal bad_webhook_url, address_not_allowed
   */
  readonly checkUrl: (url: string, requestHost: string) => string;
  /** Returns true for text that can be a secret. */
  readonly isSecret: IsSecret;
}

/** An authenticated request. */
interface WebhookRequest {
  readonly raw: Request;
  readonly caller: Caller;
  /** True for an endpoint that the caller may know of. */
  readonly sees: Sees;
  /** The id of the endpoint in the path; empty if the path has none. */
  readonly id: string;
  /** The id of the delivery in the path; empty if the path has none. */
  readonly delivery: string;
}

type Answer = (options: WebhookRouteOptions, request: WebhookRequest) => Promise<Response>;
type AnswerOn = (
  options: WebhookRouteOptions,
  endpoint: Endpoint,
  request: WebhookRequest,
) => Promise<Response>;
/** Answers by path, and then by method. */
type Routes<A> = Readonly<Record<string, Readonly<Record<string, A>>>>;

/** The query parameters of a GET, by path. All other requests take none. */
const PARAMETERS: Readonly<Record<string, readonly string[]>> = {
  '/webhooks': ['limit', 'after'],
  '/webhooks/:id/deliveries': ['status', 'limit', 'after'],
};

const METHODS = ['GET', 'POST', 'PATCH', 'DELETE', 'OPTIONS'];

/** Returns the routes of the handler that manages endpoints. */
export const webhookRoutes = (options: WebhookRouteOptions): HttpRoutes => ({
  ...options,
  app: webhookApp(options),
  methods: METHODS,
  takesTickets: false,
});

function webhookApp(options: WebhookRouteOptions): HandlerApp {
  const app = baseApp(options, 'endpoints are at /webhooks and /webhooks/{id}');
  for (const [path, answers] of Object.entries(ROUTES)) {
    const methods = [...Object.keys(answers), 'OPTIONS'];
    app.options(path, (c) => answerPreflight(c.req.raw, methods));
    app.all(path, async (c) => {
      const { raw } = c.req;
      const answer = ownValue(answers, raw.method);
      if (!answer) throw methodNotAllowed(raw.method, methods);
      refuseUnknown(raw, (raw.method === 'GET' && PARAMETERS[path]) || []);
      const id = c.req.param('id') ?? '';
      const delivery = c.req.param('delivery') ?? '';
      const response = await answer(options, { ...(await identify(options, raw)), id, delivery });
      // An answer may have a secret, and is true only at this moment.
      response.headers.set('Cache-Control', 'no-store');
      return response;
    });
  }
  return app;
}

/**
 * Identifies the caller before anything is read.
 * @throws Refusal unauthorized for a caller without a token, if anonymous callers may manage no webhooks
 */
async function identify(
  { access }: WebhookRouteOptions,
  raw: Request,
): Promise<Pick<WebhookRequest, 'raw' | 'caller' | 'sees'>> {
  const caller = await access.identify(raw.headers);
  if (caller.allowedUntil === undefined && !access.mayAnywhere('webhook', caller))
    throw new Refusal('unauthorized', 'a token is needed: Authorization: Bearer <token>');
  const sees: Sees = ({ channels }) => channels.every((pattern) => access.may('webhook', pattern, caller));
  return { raw, caller, sees };
}

/** Returns an answer for an endpoint that the caller may know of. */
function on(answer: AnswerOn): Answer {
  return async (options, request) => await answer(options, await endpointOf(options, request), request);
}

async function endpointOf(
  { managing }: WebhookRouteOptions,
  { id, sees }: WebhookRequest,
): Promise<Endpoint> {
  if (id.length > MAX_ID_LENGTH) throw notFound();
  return await readEndpoint(managing, id, sees);
}

function deliveryId({ delivery }: WebhookRequest): string {
  if (delivery.length > MAX_ID_LENGTH) throw deliveryNotFound();
  return delivery;
}

async function list(
  { managing, access }: WebhookRouteOptions,
  { raw, caller, sees }: WebhookRequest,
): Promise<Response> {
  const page = parsePage(raw);
  // A token without the right costs the hub no read of all endpoints.
  if (!access.mayAnywhere('webhook', caller)) return answerEndpoints([], undefined);
  const { endpoints, next } = await listEndpoints(managing, sees, page);
  return answerEndpoints(await settleAll(endpoints.map((endpoint) => viewOf(managing, endpoint))), next);
}

async function create(options: WebhookRouteOptions, { raw, caller }: WebhookRequest): Promise<Response> {
  const { settings, secret } = await parseCreation(raw, options.isSecret);
  for (const pattern of settings.channels) options.access.require('webhook', pattern, caller);
  const url = checked(options, raw, settings.url);
  const by = { principal: caller.principal, secret };
  const created = await createEndpoint(options.managing, { ...settings, url }, by);
  return answerCreatedEndpoint(created, created.secret, raw);
}

async function change(
  options: WebhookRouteOptions,
  endpoint: Endpoint,
  { raw, caller }: WebhookRequest,
): Promise<Response> {
  const wanted = await parseChange(raw);
  for (const pattern of wanted.channels ?? []) options.access.require('webhook', pattern, caller);
  const url = wanted.url === undefined ? {} : { url: checked(options, raw, wanted.url) };
  const changed = await changeEndpoint(options.managing, endpoint, { ...wanted, ...url });
  return answerEndpoint(await viewOf(options.managing, changed));
}

async function viewOf(managing: Managing, endpoint: Endpoint): Promise<EndpointView> {
  const health = await healthOf(managing, endpoint);
  return { endpoint, health, pausedUntil: pauseIn(health, managing.clock()) };
}

const checked = ({ checkUrl }: WebhookRouteOptions, raw: Request, url: string): string =>
  checkUrl(url, new URL(raw.url).host);

/** Returns the answer of a request that has no body and becomes a delivery. */
const requesting =
  (send: (managing: Managing, endpoint: Endpoint) => Promise<string>): AnswerOn =>
  async ({ managing }, endpoint, { raw }) => {
    await refuseMembers(raw);
    return answerAccepted(await send(managing, endpoint));
  };

/** The routes of one endpoint, below its path. */
const OF_ENDPOINT: Routes<AnswerOn> = {
  '': {
    GET: async ({ managing }, endpoint) => answerEndpoint(await viewOf(managing, endpoint)),
    PATCH: change,
    async DELETE({ managing }, endpoint) {
      await removeEndpoint(managing, endpoint);
      return answerDeleted();
    },
  },
  '/enable': {
    async POST({ managing }, endpoint, { raw }) {
      await refuseMembers(raw);
      return answerEndpoint(await viewOf(managing, await enableEndpoint(managing, endpoint)));
    },
  },
  '/rotate': {
    async POST({ managing, isSecret }, endpoint, { raw }) {
      const given = await parseRotation(raw, isSecret);
      const { endpoint: rotated, secret } = await rotateSecret(managing, endpoint, given);
      return answerRotated(await viewOf(managing, rotated), secret);
    },
  },
  '/test': { POST: requesting(sendTest) },
  '/handshake': { POST: requesting(askHandshake) },
};

/** The routes of the deliveries of an endpoint, below its path. */
const OF_DELIVERIES: Routes<AnswerOn> = {
  '/deliveries': {
    async GET({ managing }, endpoint, { raw }) {
      const { deliveries, next } = await listDeliveries(managing, endpoint, parseDeliveryQuery(raw));
      return answerDeliveries(deliveries, next);
    },
  },
  '/deliveries/:delivery': {
    GET: async ({ managing }, endpoint, request) =>
      answerDelivery(await readDelivery(managing, endpoint, deliveryId(request))),
  },
  '/deliveries/:delivery/retry': {
    async POST({ managing }, endpoint, request) {
      await refuseMembers(request.raw);
      await retryDelivery(managing, endpoint, deliveryId(request));
      return answerAccepted();
    },
  },
  '/replay': {
    async POST({ managing }, endpoint, { raw }) {
      const { channel, from } = await parseReplay(raw);
      await replay(managing, endpoint, channel, from);
      return answerAccepted();
    },
  },
  '/recover': {
    async POST({ managing }, endpoint, { raw }) {
      await recover(managing, endpoint, await parseRecovery(raw));
      return answerAccepted();
    },
  },
};

const ROUTES: Routes<Answer> = {
  '/webhooks': { GET: list, POST: create },
  ...Object.fromEntries(
    Object.entries({ ...OF_ENDPOINT, ...OF_DELIVERIES }).map(([path, answers]) => [
      `/webhooks/:id${path}`,
      Object.fromEntries(Object.entries(answers).map(([method, answer]) => [method, on(answer)])),
    ]),
  ),
};
