/**
 * API Gateway HTTP API with Lambda proxy integrations, payload format 2.0.
 * @see https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api.html
 * @module
 */
import { randomBytes } from 'node:crypto';
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { mayInvoke } from '../iam/permissions.ts';
import { MAX_PAYLOAD_BYTES, wholeOutcome } from '../lambda/response.ts';
import type { Runtime } from '../lambda/runtime.ts';
import type { HttpListener } from '../listener.ts';
import type { Resolved } from '../template/assembly.ts';
import { ACCOUNT, LOCAL_REGION } from '../template/intrinsics.ts';
import { numberOr, requireString } from '../template/json.ts';
import { apiId } from '../template/names.ts';
import type { Plan } from '../template/plan.ts';
import { describeResource } from '../template/resources.ts';
import { type Cors, readCors } from './cors.ts';
import { buildEvent, type HttpAnswer, readAnswer, sendAnswer, sendMessage } from './http-event.ts';
import { headBytes, readBody } from './request-body.ts';
import { type ResponseParameters, readResponseParameters } from './response-parameters.ts';
import { readThrottle, type Throttle } from './route-throttle.ts';
import { createRouter, type Route, type RouteMatch, type Router } from './routes.ts';

/** @see https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html */
const MAX_BODY_BYTES = 10 * 1024 * 1024;
const MAX_HEAD_BYTES = 10_240;
const DEFAULT_TIMEOUT_MS = 30_000;

interface Integration {
  readonly functionArn: string;
  readonly timeoutMs: number;
  /** True if the function lets the gateway invoke it. Otherwise the call fails on AWS, with nothing in the log of the function. */
  readonly permitted: boolean;
  /**
   * Applies the response parameters to an answer of the function. Errors of the gateway stay as they are: AWS documents the
   * parameters for "the HTTP response from a backend integration".
   */
  readonly finish: ResponseParameters;
}

interface Gateway {
  readonly id: string;
  readonly router: Router<Integration>;
  readonly throttle: Throttle;
  readonly cors: Cors | undefined;
  readonly runtime: Runtime;
  readonly log: (line: string) => void;
}

/**
 * Returns the answer to a request that the API refuses without its headers and its body, because the function would be throttled.
 * Undefined if the API must get the request. `target` is path and query, as they are sent to the API.
 */
export type EarlyRefusal = (method: string, target: string) => HttpAnswer | undefined;

/**
 * Serves one API of the plan on its listener. The distribution asks the result before it opens a request to the API.
 * @throws Error with one sentence for an API that is not understood
 */
export function serveHttpApi(
  api: Resolved,
  plan: Plan,
  listener: HttpListener,
  runtime: Runtime,
  log: Gateway['log'],
): EarlyRefusal {
  if (api.properties.ProtocolType !== 'HTTP') {
    throw new Error(
      `${describeResource(api)} has the protocol ${String(api.properties.ProtocolType)}; only HTTP runs here`,
    );
  }
  if (api.properties.RouteSelectionExpression !== undefined) {
    throw new Error(
      `${describeResource(api)} has a RouteSelectionExpression, which only a WebSocket API needs`,
    );
  }
  const id = apiId(api);
  const stage = theStage(plan, id);
  const routes = plan
    .all('AWS::ApiGatewayV2::Route')
    .filter((route) => route.properties.ApiId === id)
    .map((route) => readRoute(route, plan, id));
  const gateway: Gateway = {
    id,
    router: createRouter(routes),
    throttle: readThrottle(
      stage,
      routes.map(({ key }) => key),
    ),
    cors: readCors(api.properties.CorsConfiguration),
    runtime,
    log,
  };
  listener.serve((request, response) => {
    const requestId = newRequestId();
    response.setHeader('apigw-requestid', requestId);
    handle(gateway, requestId, request, response).catch((error: unknown) => {
      if (request.destroyed && !request.complete) return; // the client has disconnected while it was sending
      log(`[gateway] ${String(error)}`);
      if (!response.headersSent) sendMessage(response, 500, { message: 'Internal Server Error' });
    });
  });
  return (method, target) => {
    // The answer of an API with CORS depends on the headers.
    const found = gateway.cors === undefined ? routeOf(gateway, method, target) : undefined;
    const answer = found && refuseEarly(gateway, found.match.route);
    return answer && { ...answer, headers: { ...answer.headers, 'apigw-requestid': newRequestId() } };
  };
}

const newRequestId = (): string => randomBytes(12).toString('base64url');

function theStage(plan: Plan, id: string): Resolved | undefined {
  const stages = plan.all('AWS::ApiGatewayV2::Stage').filter(({ properties }) => properties.ApiId === id);
  const other = stages.find(({ properties }) => properties.StageName !== '$default');
  if (other === undefined) return stages[0];
  throw new Error(
    `${describeResource(other)} is named ${String(other.properties.StageName)}; only $default is understood`,
  );
}

function readRoute(route: Resolved, plan: Plan, id: string): Route<Integration> {
  const key = requireString(route.properties.RouteKey, `RouteKey of ${describeResource(route)}`);
  const authorization = route.properties.AuthorizationType;
  if (authorization !== undefined && authorization !== 'NONE') {
    throw new Error(
      `${describeResource(route)} has the authorization type ${String(authorization)}; only NONE is understood`,
    );
  }
  const integration = plan.all('AWS::ApiGatewayV2::Integration').find(({ name }) => {
    return route.properties.Target === `integrations/${name}`;
  });
  if (integration === undefined)
    throw new Error(`${describeResource(route)} has no integration: ${String(route.properties.Target)}`);
  return { key, target: readIntegration(integration, key, plan, id) };
}

function readIntegration(integration: Resolved, key: string, plan: Plan, id: string): Integration {
  const { properties } = integration;
  const at = describeResource(integration);
  if (properties.IntegrationType !== 'AWS_PROXY' || properties.PayloadFormatVersion !== '2.0') {
    throw new Error(`${at} must be an AWS_PROXY integration with payload format 2.0`);
  }
  const uri = requireString(properties.IntegrationUri, `IntegrationUri of ${at}`);
  const functionArn = /functions\/(arn:[^/]+)\/invocations$/.exec(uri)?.[1] ?? uri;
  if (!plan.functions.has(functionArn)) throw new Error(`${at} calls ${uri}, which no template has`);
  const [method = '', path = ''] = key === '$default' ? ['$default', ''] : key.split(' ');
  const called = key === '$default' ? '$default' : `${method === 'ANY' ? '*' : method}${path}`;
  const sourceArn = `arn:aws:execute-api:${LOCAL_REGION}:${ACCOUNT}:${id}/$default/${called}`;
  return {
    functionArn,
    timeoutMs: numberOr(properties.TimeoutInMillis, DEFAULT_TIMEOUT_MS, `TimeoutInMillis of ${at}`),
    permitted: mayInvoke(plan, functionArn, { service: 'apigateway.amazonaws.com', sourceArn }),
    finish: readResponseParameters(properties.ResponseParameters, at),
  };
}

async function handle(
  gateway: Gateway,
  requestId: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const preflight = gateway.cors?.preflight(request);
  const refuse = (status: number, message: string, headers?: OutgoingHttpHeaders) => {
    sendMessage(response, status, { message }, headers);
  };
  const send = (answer: HttpAnswer) => {
    const { headers } = answer;
    sendAnswer(response, { ...answer, headers: gateway.cors?.apply(request, headers) ?? headers });
  };
  if (headBytes(request) > MAX_HEAD_BYTES) return refuse(431, 'Request Header Fields Too Large');
  const found = routeOf(gateway, request.method ?? 'GET', request.url ?? '/');
  const early = preflight === undefined && found !== undefined && refuseEarly(gateway, found.match.route);
  if (early) return send(early);
  const body = await readBody(request, MAX_BODY_BYTES);
  if (body === undefined) return refuse(413, 'Request Entity Too Large', { connection: 'close' });
  if (preflight !== undefined)
    return sendAnswer(response, { status: 204, headers: preflight, body: Buffer.alloc(0) });
  if (found === undefined) return refuse(404, 'Not Found');
  const { key, target } = found.match.route;
  if (!gateway.throttle(key)) return refuse(429, 'Too Many Requests');
  const event = buildEvent(request, body, {
    accountId: ACCOUNT,
    apiId: gateway.id,
    routeKey: key,
    requestId,
    rawPath: found.path,
    pathParameters: found.match.pathParameters,
  });
  if (event.length > MAX_PAYLOAD_BYTES) return refuse(413, 'Request Entity Too Large');
  send(await integrate(gateway, target, key, event));
}

/** Returns the decoded path and the route of a request; undefined without a route. */
function routeOf(
  { router }: Gateway,
  method: string,
  target: string,
): { path: string; match: RouteMatch<Integration> } | undefined {
  const path = decodedPath(target);
  const match = router(method, path);
  return match && { path, match };
}

/** Returns the refusal of a request whose function would be throttled, whatever its body is. The throttle of the route comes first. */
function refuseEarly(
  { runtime, throttle }: Gateway,
  { key, target }: Route<Integration>,
): HttpAnswer | undefined {
  if (!target.permitted || !runtime.throttles(target.functionArn)) return undefined;
  return throttle(key) ? UNAVAILABLE : gatewayError(429, 'Too Many Requests');
}

/**
 * Returns the decoded path. HTTP APIs select the route by it and give it to the function, which cannot tell `%2F` from `/`. The
 * part after a decoded question mark is lost. AWS does not document what happens to a path that cannot be decoded; here the
 * function gets it as it was sent, so that it can answer.
 * @see https://github.com/honojs/hono/issues/2156
 */
function decodedPath(target: string): string {
  const [path = '/'] = target.split('?', 1);
  try {
    return decodeURIComponent(path).split('?', 1)[0] ?? '/';
  } catch {
    return path;
  }
}

async function integrate(
  gateway: Gateway,
  target: Integration,
  key: string,
  event: Buffer,
): Promise<HttpAnswer> {
  if (!target.permitted) {
    gateway.log(`[gateway] ${key} has no permission to invoke ${target.functionArn}`);
    return gatewayError(500, 'Internal Server Error');
  }
  const outcome = await wholeOutcome(gateway.runtime.invoke(target.functionArn, event), target.timeoutMs);
  if (outcome === undefined || outcome.kind === 'throttled') return UNAVAILABLE;
  if (outcome.kind === 'failure') {
    gateway.log(`[gateway] ${key} failed with ${outcome.type}: ${outcome.message}`);
    return gatewayError(500, 'Internal Server Error');
  }
  const answer = outcome.kind === 'answer' ? readAnswer(outcome.payload) : undefined;
  return answer === undefined ? gatewayError(500, 'Internal Server Error') : target.finish(answer);
}

function gatewayError(status: number, message: string): HttpAnswer {
  return {
    status,
    headers: { 'content-type': 'application/json' },
    body: Buffer.from(JSON.stringify({ message })),
  };
}

/**
 * The answer after the timeout of the integration, after which the function continues, and for a throttled function. A public report
 * has the status 503 for the timeout (anomalyco/sst#2232). AWS does not document the status for a throttled function, so tests expect
 * only an error.
 */
const UNAVAILABLE = gatewayError(503, 'Service Unavailable');
