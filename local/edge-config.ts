/**
 * What a distribution of the template asks for: its origins, and which request belongs to which behavior.
 * @module
 */
import { type AddCors, readResponseHeadersPolicy } from './edge-cors.ts';
import { createEdgeFunction, type EdgeFunction } from './edge-function.ts';
import { matchesWildcard } from './iam-match.ts';
import { type JsonObject, listOf, numberOr, objectOr, requireString, stringsOf } from './json.ts';
import { edgeFunctionArn } from './names.ts';
import type { Origin } from './origin.ts';
import type { Plan, Resolved } from './plan.ts';
import { place } from './resources.ts';

export interface Behavior {
  readonly originId: string;
  readonly methods: ReadonlySet<string>;
  readonly route: EdgeFunction | undefined;
  readonly addCors: AddCors;
  matches(path: string): boolean;
}

/** @see https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/DownloadDistValuesOrigin.html */
const DEFAULT_READ_TIMEOUT_S = 30;
/** @see https://docs.aws.amazon.com/cloudfront/latest/APIReference/API_AllowedMethods.html */
const DEFAULT_METHODS = ['GET', 'HEAD'];

/** @see https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-origin-request-policies.html */
const ALL_VIEWER_EXCEPT_HOST_HEADER = 'b689b0a8-53d0-40ab-baf2-68738e2966ac';
/** @see https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-cache-policies.html */
const CACHING_DISABLED = '4135ea2d-6df8-44a3-9df3-4b5a84be39ad';

const configOf = (resource: Resolved) => objectOr(resource.properties.DistributionConfig);

/** The origins by their ids. */
export function readOrigins(
  resource: Resolved,
  plan: Plan,
  accessKeyId: string,
  socketHosts: ReadonlySet<string>,
): ReadonlyMap<string, Origin> {
  const origins = listOf(configOf(resource).Origins).map((entry) => {
    const origin = objectOr(entry);
    const at = `an origin of ${place(resource)}`;
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
    };
  });
  return new Map(origins.map((origin) => [origin.id, origin]));
}

/** What is retried on AWS and not here would be executed twice there, and that only there. */
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

/** The functions of a distribution, by their ARN: each exists once, however many behaviors share it. */
export type EdgeFunctions = Map<string, EdgeFunction>;

/** The behaviors in the order in which they are asked. Adds the functions that they need. */
export function readBehaviors(
  resource: Resolved,
  plan: Plan,
  origins: ReadonlyMap<string, Origin>,
  functions: EdgeFunctions,
  log: (line: string) => void,
): Behavior[] {
  const config = configOf(resource);
  const fallback = { ...objectOr(config.DefaultCacheBehavior), PathPattern: '*' };
  return [...listOf(config.CacheBehaviors), fallback].map((entry) => {
    const behavior = objectOr(entry);
    const at = `the behavior ${String(behavior.PathPattern)} of ${place(resource)}`;
    const originId = requireString(behavior.TargetOriginId, `TargetOriginId of ${at}`);
    if (!origins.has(originId)) throw new Error(`${at} has the origin ${originId}, which does not exist`);
    refuseOtherPolicies(behavior, plan, at);
    const pattern = requireString(behavior.PathPattern, `PathPattern of ${at}`);
    const arn = functionOf(behavior, at);
    if (arn !== undefined && !functions.has(arn)) functions.set(arn, newFunction(arn, plan, at, log));
    return {
      originId,
      methods: new Set(stringsOf(behavior.AllowedMethods ?? DEFAULT_METHODS, `AllowedMethods of ${at}`)),
      route: arn === undefined ? undefined : functions.get(arn),
      addCors: readResponseHeadersPolicy(behavior.ResponseHeadersPolicyId, plan, at),
      matches: (path) => matchesWildcard(pattern, path),
    };
  });
}

function refuseOtherPolicies(behavior: JsonObject, plan: Plan, at: string): void {
  if (behavior.OriginRequestPolicyId !== ALL_VIEWER_EXCEPT_HOST_HEADER) {
    throw new Error(`${at} must have the origin request policy AllViewerExceptHostHeader`);
  }
  const own = plan.all('AWS::CloudFront::CachePolicy').map(({ name }) => name);
  const id = requireString(behavior.CachePolicyId, `CachePolicyId of ${at}`);
  if (id !== CACHING_DISABLED && !own.includes(id))
    throw new Error(`${at} has the unknown cache policy ${id}`);
}

function functionOf(behavior: JsonObject, at: string): string | undefined {
  const [association, ...others] = listOf(behavior.FunctionAssociations).map(objectOr);
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
    throw new Error(`${place(found)} has the runtime ${String(runtime)}; only cloudfront-js-2.0 runs here`);
  }
  const text = requireString(code, `FunctionCode of ${place(found)}`);
  return createEdgeFunction(text, place(found), (line) => log(`[edge] ${line}`));
}
