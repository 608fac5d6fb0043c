/**
 * Reads a distribution of the template: its origins, behaviors, functions and error settings.
 * @module
 */

import { matchesWildcard } from '../iam/iam-match.ts';
import type { Resolved } from '../template/assembly.ts';
import { asList, type JsonObject, numberOr, objectOr, requireString, stringsOf } from '../template/json.ts';
import { edgeFunctionArn } from '../template/names.ts';
import type { Plan } from '../template/plan.ts';
import { describeResource } from '../template/resources.ts';
import { type AddCors, readResponseHeadersPolicy } from './edge-cors.ts';
import { createEdgeFunction, type EdgeFunction } from './edge-function.ts';
import {
  type CachePolicy,
  type OriginRequestPolicy,
  readCachePolicy,
  readOriginRequestPolicy,
} from './edge-policy.ts';
import type { Origin } from './origin.ts';

/** One cache behavior. */
export interface Behavior {
  /** The origin, unless the function selects another. */
  readonly originId: string;
  /** The allowed methods. */
  readonly methods: ReadonlySet<string>;
  /** The function for viewer requests, if any. */
  readonly edgeFunction: EdgeFunction | undefined;
  /** Adds the CORS headers of the response headers policy. */
  readonly addCors: AddCors;
  /** Undefined if caching is disabled. */
  readonly cachePolicy: CachePolicy | undefined;
  /** Selects what the origin gets. */
  readonly originRequestPolicy: OriginRequestPolicy;
  /** Returns true if the behavior is for that path. */
  matches(path: string): boolean;
}

/** @see https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/DownloadDistValuesOrigin.html */
const DEFAULT_READ_TIMEOUT_S = 30;
/** @see https://docs.aws.amazon.com/cloudfront/latest/APIReference/API_AllowedMethods.html */
const DEFAULT_METHODS = ['GET', 'HEAD'];

/** @see https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/custom-error-pages-expiration.html */
export const DEFAULT_ERROR_TTL_S = 10;

const configOf = (resource: Resolved) => objectOr(resource.properties.DistributionConfig);

/**
 * Returns the origins by id.
 * @param accessKeyId with which the distribution signs requests to origins with access control
 * @param socketHosts host and port of the WebSocket APIs
 * @throws Error for an origin that is not understood
 */
export function readOrigins(
  resource: Resolved,
  plan: Plan,
  accessKeyId: string,
  socketHosts: ReadonlySet<string>,
): ReadonlyMap<string, Origin> {
  const origins = asList(configOf(resource).Origins).map((entry) => {
    const origin = objectOr(entry);
    const at = `an origin of ${describeResource(resource)}`;
    if (origin.CustomOriginConfig === undefined) throw new Error(`${at} has no CustomOriginConfig`);
    refuseRetries(origin, at);
    const { OriginReadTimeout: timeout } = objectOr(origin.CustomOriginConfig);
    const host = requireString(origin.DomainName, `DomainName of ${at}`);
    return {
      id: requireString(origin.Id, `Id of ${at}`),
      host,
      takesSockets: socketHosts.has(host),
      readTimeoutMs: numberOr(timeout, DEFAULT_READ_TIMEOUT_S, `OriginReadTimeout of ${at}`) * 1_000,
      accessKeyId: isSigned(origin, plan, at) ? accessKeyId : undefined,
      headers: customHeaders(origin, at),
    };
  });
  return new Map(origins.map((origin) => [origin.id, origin]));
}

function customHeaders({ OriginCustomHeaders: list }: JsonObject, at: string): Record<string, string> {
  const headers = asList(list).map(objectOr);
  return Object.fromEntries(
    headers.map(({ HeaderName: name, HeaderValue: value }) => [
      requireString(name, `HeaderName of ${at}`).toLowerCase(),
      requireString(value, `HeaderValue of ${at}`),
    ]),
  );
}

/** This stack does not retry. With retries, AWS could execute a request twice that is executed once here. */
function refuseRetries(origin: JsonObject, at: string): void {
  if (origin.ConnectionAttempts === 1) return;
  throw new Error(`${at} has ${String(origin.ConnectionAttempts)} connection attempts: it must be 1`);
}

function isSigned(origin: JsonObject, plan: Plan, at: string): boolean {
  const id = origin.OriginAccessControlId;
  if (id === undefined) return false;
  const control = plan.all('AWS::CloudFront::OriginAccessControl').find(({ name }) => name === id);
  const config = objectOr(control?.properties.OriginAccessControlConfig);
  if (config.OriginAccessControlOriginType === 'lambda' && config.SigningBehavior === 'always') return true;
  throw new Error(`${at} needs an origin access control of the type lambda that always signs`);
}

/** The functions of a distribution by ARN. Behaviors may share a function. */
export type EdgeFunctions = Map<string, EdgeFunction>;

/**
 * Returns the behaviors in order: the first one that matches a path is used. The default behavior is the last.
 * @param functions gets the functions of the behaviors
 * @throws Error for a behavior that is not understood
 */
export function readBehaviors(
  resource: Resolved,
  plan: Plan,
  origins: ReadonlyMap<string, Origin>,
  functions: EdgeFunctions,
  log: (line: string) => void,
): Behavior[] {
  const config = configOf(resource);
  const fallback = { ...objectOr(config.DefaultCacheBehavior), PathPattern: '*' };
  return [...asList(config.CacheBehaviors), fallback].map((entry) => {
    const behavior = objectOr(entry);
    const at = `the behavior ${String(behavior.PathPattern)} of ${describeResource(resource)}`;
    const originId = requireString(behavior.TargetOriginId, `TargetOriginId of ${at}`);
    if (!origins.has(originId)) throw new Error(`${at} has the origin ${originId}, which does not exist`);
    refuseCachedOptions(behavior, at);
    const pattern = requireString(behavior.PathPattern, `PathPattern of ${at}`);
    const arn = functionOf(behavior, at);
    if (arn !== undefined && !functions.has(arn)) functions.set(arn, newFunction(arn, plan, at, log));
    return {
      originId,
      methods: new Set(stringsOf(behavior.AllowedMethods ?? DEFAULT_METHODS, `AllowedMethods of ${at}`)),
      edgeFunction: arn === undefined ? undefined : functions.get(arn),
      addCors: readResponseHeadersPolicy(behavior.ResponseHeadersPolicyId, plan, at),
      cachePolicy: readCachePolicy(behavior.CachePolicyId, plan, at),
      originRequestPolicy: readOriginRequestPolicy(behavior.OriginRequestPolicyId, plan, at),
      matches: (path) => matchesWildcard(pattern, path),
    };
  });
}

function refuseCachedOptions({ CachedMethods: methods }: JsonObject, at: string): void {
  if (stringsOf(methods, `CachedMethods of ${at}`).includes('OPTIONS'))
    throw new Error(`${at} caches OPTIONS: only GET and HEAD are cached here`);
}

/** Returns the minimum cache time of each error status in seconds, for the statuses that the template has. */
export function readErrorTtls(resource: Resolved): ReadonlyMap<number, number> {
  const at = `the error responses of ${describeResource(resource)}`;
  const errors = asList(configOf(resource).CustomErrorResponses).map(objectOr);
  return new Map(
    errors.map(({ ErrorCode: code, ErrorCachingMinTTL: ttl }) => [
      numberOr(code, 0, `ErrorCode of ${at}`),
      numberOr(ttl, DEFAULT_ERROR_TTL_S, `ErrorCachingMinTTL of ${at}`),
    ]),
  );
}

function functionOf(behavior: JsonObject, at: string): string | undefined {
  const [association, ...others] = asList(behavior.FunctionAssociations).map(objectOr);
  if (association === undefined) return undefined;
  if (others.length === 0 && association.EventType === 'viewer-request')
    return requireString(association.FunctionARN, `FunctionARN of ${at}`);
  throw new Error(`${at} must have one function at most, for viewer-request`);
}

function newFunction(arn: string, plan: Plan, at: string, log: (line: string) => void): EdgeFunction {
  const found = plan.all('AWS::CloudFront::Function').find((candidate) => edgeFunctionArn(candidate) === arn);
  if (found === undefined) throw new Error(`${at} has the function ${arn}, which no template has`);
  const { FunctionCode: code, FunctionConfig: config } = found.properties;
  const runtime = objectOr(config).Runtime;
  if (runtime !== 'cloudfront-js-2.0') {
    throw new Error(
      `${describeResource(found)} has the runtime ${String(runtime)}; only cloudfront-js-2.0 runs here`,
    );
  }
  const text = requireString(code, `FunctionCode of ${describeResource(found)}`);
  return createEdgeFunction(text, describeResource(found), (line) => log(`[edge] ${line}`));
}
