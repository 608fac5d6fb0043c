/**
 * Reads a WebSocket API of the template: its stage and its routes.
 * @see https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-develop-routes.html
 * @module
 */

import { mayInvoke } from '../iam/permissions.ts';
import type { Resolved } from '../template/assembly.ts';
import { ACCOUNT, LOCAL_REGION } from '../template/intrinsics.ts';
import { isObject, numberOr, parseJson, requireString } from '../template/json.ts';
import { apiId } from '../template/names.ts';
import type { Plan } from '../template/plan.ts';
import { describeResource } from '../template/resources.ts';
import { readThrottle, type Throttle } from './route-throttle.ts';

/** One route and its integration. */
export interface SocketRoute {
  /** `$connect`, `$disconnect`, `$default` or an action. */
  readonly key: string;
  /** The function of the integration. */
  readonly functionArn: string;
  /** 50 ms to 29 s. */
  readonly timeoutMs: number;
  /** True if the function lets the gateway invoke it. Otherwise the call fails on AWS, with nothing in the log of the function. */
  readonly permitted: boolean;
  /** True if the result of the function is sent to the client. By default it is not. */
  readonly answers: boolean;
}

/** One WebSocket API. */
export interface SocketApi {
  /** As in its URL on AWS. */
  readonly id: string;
  /** Construct path. */
  readonly path: string;
  /** Name of the stage, which is the path of the URL. */
  readonly stage: string;
  /** By key. */
  readonly routes: ReadonlyMap<string, SocketRoute>;
  /** The throttles of the stage, by route key. */
  readonly throttle: Throttle;
}

/** The only expression that is understood. */
const SELECTION = '$request.body.action';

/** The keys of API Gateway. No message can select them. */
const OWN_KEYS = ['$connect', '$disconnect', '$default'];

/** @see https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html */
const MIN_TIMEOUT_MS = 50;
const MAX_TIMEOUT_MS = 29_000;

/**
 * Reads one API of the plan.
 * @throws Error with one sentence for an API that is not understood
 */
export function readSocketApi(api: Resolved, plan: Plan): SocketApi {
  const id = apiId(api);
  const selection = api.properties.RouteSelectionExpression;
  if (selection !== SELECTION) {
    throw new Error(
      `${describeResource(api)} selects routes by ${String(selection)}; only ${SELECTION} is understood`,
    );
  }
  const { stage, name } = readStage(api, plan, id);
  const routes = new Map<string, SocketRoute>();
  for (const route of plan.all('AWS::ApiGatewayV2::Route')) {
    if (route.properties.ApiId !== id) continue;
    const read = readRoute(route, plan, `${id}/${name}`);
    if (routes.has(read.key))
      throw new Error(`${describeResource(route)} has the key ${read.key}, which another route has`);
    routes.set(read.key, read);
  }
  return { id, path: api.path, stage: name, routes, throttle: readThrottle(stage, [...routes.keys()]) };
}

function readStage(api: Resolved, plan: Plan, id: string): { stage: Resolved; name: string } {
  const [stage, ...others] = plan
    .all('AWS::ApiGatewayV2::Stage')
    .filter(({ properties }) => properties.ApiId === id);
  if (stage === undefined || others.length > 0)
    throw new Error(`${describeResource(api)} must have one stage`);
  const name = requireString(stage.properties.StageName, `StageName of ${describeResource(stage)}`);
  if (/^[\w-]+$/.test(name)) return { stage, name };
  throw new Error(
    `${describeResource(stage)} is named ${name}: the stage of a WebSocket API is a word in its URL`,
  );
}

function readRoute(route: Resolved, plan: Plan, stageId: string): SocketRoute {
  const { properties } = route;
  const at = describeResource(route);
  const key = requireString(properties.RouteKey, `RouteKey of ${at}`);
  if (key.startsWith('$') && !OWN_KEYS.includes(key)) {
    throw new Error(`${at} has the key ${key}; with $ there are only ${OWN_KEYS.join(', ')}`);
  }
  const authorization = properties.AuthorizationType;
  if (authorization !== undefined && authorization !== 'NONE') {
    throw new Error(`${at} has the authorization type ${String(authorization)}; only NONE is understood`);
  }
  const integration = plan.all('AWS::ApiGatewayV2::Integration').find(({ name }) => {
    return properties.Target === `integrations/${name}`;
  });
  if (integration === undefined) throw new Error(`${at} has no integration: ${String(properties.Target)}`);
  const { functionArn, timeoutMs } = readIntegration(integration, plan);
  const sourceArn = `arn:aws:execute-api:${LOCAL_REGION}:${ACCOUNT}:${stageId}/${key}`;
  return {
    key,
    functionArn,
    timeoutMs,
    permitted: mayInvoke(plan, functionArn, { service: 'apigateway.amazonaws.com', sourceArn }),
    answers: hasResponse(route, plan, key),
  };
}

function readIntegration(integration: Resolved, plan: Plan): { functionArn: string; timeoutMs: number } {
  const { properties } = integration;
  const at = describeResource(integration);
  const version = properties.PayloadFormatVersion ?? '1.0';
  if (properties.IntegrationType !== 'AWS_PROXY' || version !== '1.0') {
    throw new Error(`${at} must be an AWS_PROXY integration with payload format 1.0`);
  }
  if (properties.ResponseParameters !== undefined) {
    throw new Error(`${at} has ResponseParameters, which only an HTTP API has`);
  }
  const uri = requireString(properties.IntegrationUri, `IntegrationUri of ${at}`);
  const functionArn = /functions\/(arn:[^/]+)\/invocations$/.exec(uri)?.[1];
  if (functionArn === undefined || !plan.functions.has(functionArn)) {
    throw new Error(`${at} calls ${uri}, which no template has`);
  }
  const timeoutMs = numberOr(properties.TimeoutInMillis, MAX_TIMEOUT_MS, `TimeoutInMillis of ${at}`);
  if (timeoutMs >= MIN_TIMEOUT_MS && timeoutMs <= MAX_TIMEOUT_MS) return { functionArn, timeoutMs };
  throw new Error(
    `${at} has a timeout of ${timeoutMs} ms: it must be ${MIN_TIMEOUT_MS} to ${MAX_TIMEOUT_MS}`,
  );
}

/** Returns true if the route has a response. It needs the expression at the route, and a route response with that key. */
function hasResponse(route: Resolved, plan: Plan, key: string): boolean {
  const at = describeResource(route);
  const responses = plan
    .all('AWS::ApiGatewayV2::RouteResponse')
    .filter(({ properties }) => properties.RouteId === route.name);
  const selection = route.properties.RouteResponseSelectionExpression;
  if (responses.length === 0 && selection === undefined) return false;
  const keys = responses.map(({ properties }) => properties.RouteResponseKey);
  if (selection !== '$default' || keys.length !== 1 || keys[0] !== '$default') {
    throw new Error(`${at} must have one route response, $default, and select it; or neither`);
  }
  if (key === '$connect' || key === '$disconnect') {
    throw new Error(`${at} has a route response, but there is no connection to send one to`);
  }
  return true;
}

/** Returns the route of a message: that of its `action`, else `$default`, else undefined. */
export function routeOf({ routes }: SocketApi, message: string): SocketRoute | undefined {
  const value = parseJson(message);
  const action = isObject(value) ? value.action : undefined;
  const chosen = typeof action === 'string' && !action.startsWith('$') ? routes.get(action) : undefined;
  return chosen ?? routes.get('$default');
}
