/**
 * A CloudFront distribution: selects the behavior of a request, runs its function, and answers from the cache or the origin.
 * @module
 */
import { randomBytes } from 'node:crypto';
import { Agent, type IncomingMessage, type ServerResponse } from 'node:http';
import type { EarlyRefusal } from '../apigateway/http-api.ts';
import { sendAnswer, sendMessage } from '../apigateway/http-event.ts';
import { headBytes } from '../apigateway/request-body.ts';
import { NOT_SIGNED } from '../lambda/function-url.ts';
import { type HttpListener, responseOn } from '../listener.ts';
import type { Resolved } from '../template/assembly.ts';
import { distributionDomain, distributionId } from '../template/names.ts';
import type { Plan } from '../template/plan.ts';
import { createEdgeCache, type EdgeCache, type Lookup } from './edge-cache.ts';
import {
  type Behavior,
  DEFAULT_ERROR_TTL_S,
  type EdgeFunctions,
  readBehaviors,
  readErrorTtls,
  readOrigins,
} from './edge-config.ts';
import { sendEdgeError } from './edge-error.ts';
import {
  buildEdgeEvent,
  type EdgeDecision,
  type EdgeRequest,
  readDecision,
  splitTarget,
} from './edge-event.ts';
import { tunnel, type ViewerUpgrade } from './edge-socket.ts';
import {
  answerWith,
  breaksSignature,
  type Exchange,
  forward,
  hasBody,
  type Origin,
  targetOf,
} from './origin.ts';

/** The parts of the stack that a distribution uses. */
export interface DistributionOptions {
  /** The resolved templates. */
  readonly plan: Plan;
  /** Access key with which the distribution signs requests to origins with access control. */
  readonly accessKeyId: string;
  /** Host and port of the WebSocket APIs, which are the origins that accept upgrades. */
  readonly socketHosts: ReadonlySet<string>;
  /**
   * By host and port of an HTTP API: what it refuses. The distribution passes such an answer on without a request to the API, which
   * saves a refusal most of its cost. The answer is the same.
   */
  readonly refusals: ReadonlyMap<string, EarlyRefusal>;
  /** Takes each line about an error or a refusal. */
  readonly log: (line: string) => void;
}

interface Distribution {
  readonly context: { readonly distributionDomainName: string; readonly distributionId: string };
  /** In order. The default behavior is the last and matches every path. */
  readonly behaviors: readonly Behavior[];
  readonly origins: ReadonlyMap<string, Origin>;
  readonly agent: Agent;
  readonly cache: EdgeCache;
  readonly refusals: DistributionOptions['refusals'];
  newRequestId(): string;
  readonly log: (line: string) => void;
}

/** @see https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/cloudfront-limits.html */
const MAX_URL_BYTES = 8_192;
const MAX_HEAD_BYTES = 32_768;

/** A request id has a random part for the distribution and a number. It is as long as an id of CloudFront. */
const RANDOM_BYTES = 36;
const NUMBER_LENGTH = 8;

/** A distribution that serves requests. */
export interface ServedDistribution {
  /** Returns the origin of the behavior for a path. A function at the edge may select another. */
  originOf(path: string): Origin | undefined;
  /** Ends the functions at the edge, and the connections to origins. */
  close(): Promise<void>;
}

/**
 * Serves one distribution on its listener.
 * @throws Error with one sentence for a distribution that is not understood
 */
export function serveDistribution(
  resource: Resolved,
  listener: HttpListener,
  { plan, accessKeyId, socketHosts, refusals, log }: DistributionOptions,
): ServedDistribution {
  const origins = readOrigins(resource, plan, accessKeyId, socketHosts);
  const functions: EdgeFunctions = new Map();
  const errorTtls = readErrorTtls(resource);
  const random = randomBytes(RANDOM_BYTES).toString('base64url');
  let requests = 0;
  const distribution: Distribution = {
    context: {
      distributionDomainName: distributionDomain(resource),
      distributionId: distributionId(resource),
    },
    behaviors: readBehaviors(resource, plan, origins, functions, log),
    origins,
    agent: new Agent({ keepAlive: true }),
    cache: createEdgeCache({
      clock: () => Date.now(),
      errorTtl: (status) => errorTtls.get(status) ?? DEFAULT_ERROR_TTL_S,
    }),
    refusals,
    newRequestId() {
      requests += 1;
      return random + String(requests).padStart(NUMBER_LENGTH, '0');
    },
    log,
  };
  const take = (request: IncomingMessage, response: ServerResponse, upgrade?: ViewerUpgrade) => {
    const id = distribution.newRequestId();
    handle(distribution, id, request, response, upgrade).catch((error: unknown) => {
      // For example an invalid header, which the function at the edge has set.
      log(`[edge] ${String(error)}`);
      sendEdgeError(response, 502, 'The request cannot be sent to the origin.', id);
    });
  };
  listener.serve((request, response) => take(request, response));
  listener.serveUpgrades((request, socket, head) => {
    take(request, responseOn(request, socket), { socket, head });
  });
  return {
    originOf(path) {
      const behavior = distribution.behaviors.find(({ matches }) => matches(path));
      return origins.get(behavior?.originId ?? '');
    },
    async close() {
      distribution.agent.destroy();
      for (const edgeFunction of functions.values()) await edgeFunction.close();
    },
  };
}

async function handle(
  distribution: Distribution,
  id: string,
  request: IncomingMessage,
  response: ServerResponse,
  upgrade: ViewerUpgrade | undefined,
): Promise<void> {
  const { uri } = splitTarget(request);
  const behavior = distribution.behaviors.find(({ matches }) => matches(uri));
  const refusal = refusalOf(request, behavior);
  if (refusal !== undefined || behavior === undefined) {
    sendEdgeError(response, refusal ?? 403, 'The request was refused at the edge.', id);
    return;
  }
  const { decision, originId = behavior.originId } = await runFunction(distribution, behavior, request, id);
  if (response.destroyed) return; // the viewer has disconnected meanwhile
  const origin = distribution.origins.get(originId);
  if (decision.kind === 'response') {
    sendAnswer(response, decision.answer);
  } else if (decision.kind === 'request' && origin !== undefined) {
    const { addCors, originRequestPolicy, cachePolicy } = behavior;
    const { log } = distribution;
    const exchange = { id, request, response, addCors, originRequestPolicy, cachePolicy, log };
    if (upgrade === undefined) pass(distribution, origin, decision.request, exchange);
    else if (origin.takesSockets) tunnel(origin, distribution.agent, decision.request, exchange, upgrade);
    else sendEdgeError(response, 403, 'The origin takes no WebSockets.', id);
  } else {
    const message = decision.kind === 'invalid' ? decision.message : `there is no origin ${originId}`;
    distribution.log(`[edge] the function failed: ${message}`);
    sendEdgeError(response, 503, 'The function at the edge failed.', id);
  }
}

/** Answers from the cache if the behavior has one, otherwise from the origin. */
function pass(
  { agent, cache, refusals, log }: Distribution,
  origin: Origin,
  request: EdgeRequest,
  exchange: Exchange,
): void {
  if (breaksSignature(origin, request, exchange)) {
    log(
      `[edge] the origin request policy must not forward the Authorization of a viewer to ${origin.id}, because CloudFront signs these requests`,
    );
    sendMessage(exchange.response, 403, NOT_SIGNED);
    return;
  }
  const { cachePolicy: policy } = exchange;
  const send: Lookup['send'] = (sent, receiver) => {
    // An answer that the cache receives may be shared with other requests.
    const refuse = receiver === undefined ? refusals.get(origin.host) : undefined;
    const refusal = refuse?.(exchange.request.method ?? 'GET', targetOf(sent));
    if (refusal === undefined) forward(origin, agent, sent, exchange, receiver);
    else answerWith(refusal, exchange);
  };
  if (policy === undefined) send(request);
  else cache.serve({ policy, request, exchange, send });
}

/** Returns the status with which CloudFront refuses the request before the function at the edge runs. */
function refusalOf(request: IncomingMessage, behavior: Behavior | undefined): number | undefined {
  const { method = 'GET', url = '/' } = request;
  if (!url.startsWith('/')) return 400;
  if (url.length > MAX_URL_BYTES) return 414;
  if (headBytes(request) > MAX_HEAD_BYTES) return 494;
  if (behavior?.methods.has(method) !== true) return 403;
  // https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/RequestAndResponseBehaviorCustomOrigin.html
  if (method === 'GET' && hasBody(request)) return 403;
  return undefined;
}

async function runFunction(
  { context }: Distribution,
  { edgeFunction }: Behavior,
  request: IncomingMessage,
  requestId: string,
): Promise<{ decision: EdgeDecision; originId?: string | undefined }> {
  const { rawQuery } = splitTarget(request);
  const event = buildEdgeEvent(request, { ...context, requestId });
  if (edgeFunction === undefined) return { decision: readDecision(event.request, event, rawQuery) };
  const run = await edgeFunction.run(event, rawQuery);
  if (run.kind === 'failed') return { decision: { kind: 'invalid', message: run.message } };
  return { decision: readDecision(run.value, event, rawQuery), originId: run.originId };
}
