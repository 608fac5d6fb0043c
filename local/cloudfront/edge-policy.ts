/**
 * The policies of a behavior: the cache key, cache times, and the headers, cookies and queries that the origin gets.
 * @see https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/controlling-the-cache-key.html
 * @see https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/controlling-origin-requests.html
 * @module
 */
import type { OutgoingHttpHeaders } from 'node:http';
import { type JsonObject, numberOr, objectOr, requireString, stringsOf } from '../template/json.ts';
import type { Plan } from '../template/plan.ts';
import type { EdgeRequest } from './edge-event.ts';

/** A cache policy. Times are in seconds. */
export interface CachePolicy {
  /** Minimum, even for `no-store` if it is above 0. */
  readonly minTtl: number;
  /** The lifetime of an answer without Cache-Control and Expires. */
  readonly defaultTtl: number;
  /** Maximum, whatever the origin says. */
  readonly maxTtl: number;
  /** The headers of the cache key, in lower case. */
  readonly headers: readonly string[];
  /** Returns the cache key. The method is not part of it, so the answer to a GET can answer a HEAD. */
  keyOf(request: EdgeRequest): string;
}

/** The headers and cookies of a viewer that the origin gets. */
export interface OriginRequestPolicy {
  /** True for all cookies, false for none. */
  readonly forwardsCookies: boolean;
  /** Returns true if the header is forwarded. `name` is in lower case. */
  forwards(name: string): boolean;
}

/** @see https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-cache-policies.html */
const CACHING_DISABLED = '4135ea2d-6df8-44a3-9df3-4b5a84be39ad';
/** @see https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-origin-request-policies.html */
const ALL_VIEWER_EXCEPT_HOST_HEADER = 'b689b0a8-53d0-40ab-baf2-68738e2966ac';

function configOf(plan: Plan, type: string, id: string): JsonObject | undefined {
  const found = plan.all(type).find(({ name }) => name === id);
  if (found === undefined) return undefined;
  return objectOr(found.properties[`${type.split('::').at(-1)}Config`]);
}

/**
 * Reads a cache policy. Returns undefined for CachingDisabled: nothing is cached then, and no request waits for another.
 * @param at name of the behavior in errors
 * @throws Error for a policy that is not understood
 */
export function readCachePolicy(value: unknown, plan: Plan, at: string): CachePolicy | undefined {
  const id = requireString(value, `CachePolicyId of ${at}`);
  if (id === CACHING_DISABLED) return undefined;
  const config = configOf(plan, 'AWS::CloudFront::CachePolicy', id);
  if (config === undefined) throw new Error(`${at} has the unknown cache policy ${id}`);
  const inKey = objectOr(config.ParametersInCacheKeyAndForwardedToOrigin);
  const { CookieBehavior: cookies } = objectOr(inKey.CookiesConfig);
  if (cookies !== 'none')
    throw new Error(`the cache policy of ${at} has cookies in its key: it must have none`);
  if (inKey.EnableAcceptEncodingGzip === true || inKey.EnableAcceptEncodingBrotli === true)
    throw new Error(`the cache policy of ${at} compresses: nothing is compressed here`);
  const headers = headersInKey(objectOr(inKey.HeadersConfig), at);
  const isInKey = queriesOf(objectOr(inKey.QueryStringsConfig), at);
  return {
    minTtl: numberOr(config.MinTTL, 0, `MinTTL of ${at}`),
    defaultTtl: numberOr(config.DefaultTTL, 0, `DefaultTTL of ${at}`),
    maxTtl: numberOr(config.MaxTTL, 0, `MaxTTL of ${at}`),
    headers,
    keyOf: ({ uri, rawQuery = '', headers: sent }) =>
      JSON.stringify([
        uri,
        rawQuery.split('&').filter((pair) => pair !== '' && isInKey(pair.split('=', 1)[0] ?? '')),
        headers.map((name) => sent[name] ?? null),
      ]),
  };
}

function headersInKey({ HeaderBehavior: behavior, Headers: names }: JsonObject, at: string): string[] {
  if (behavior === 'none') return [];
  if (behavior === 'whitelist')
    return stringsOf(names, `Headers of the cache policy of ${at}`).map((name) => name.toLowerCase());
  throw new Error(`the cache policy of ${at} has the header behavior ${String(behavior)}`);
}

function queriesOf(
  { QueryStringBehavior: behavior, QueryStrings: values }: JsonObject,
  at: string,
): (name: string) => boolean {
  const names = new Set(stringsOf(values, `QueryStrings of the cache policy of ${at}`));
  if (behavior === 'none') return () => false;
  if (behavior === 'all') return () => true;
  if (behavior === 'whitelist') return (name) => names.has(name);
  if (behavior === 'allExcept') return (name) => !names.has(name);
  throw new Error(`the cache policy of ${at} has the query string behavior ${String(behavior)}`);
}

/**
 * Reads an origin request policy. It must forward all queries, all headers except some, and all cookies or none.
 * @param at name of the behavior in errors
 * @throws Error for other policies
 */
export function readOriginRequestPolicy(value: unknown, plan: Plan, at: string): OriginRequestPolicy {
  if (value === ALL_VIEWER_EXCEPT_HOST_HEADER)
    return { forwardsCookies: true, forwards: (name) => name !== 'host' };
  const config = configOf(plan, 'AWS::CloudFront::OriginRequestPolicy', String(value));
  if (config === undefined) throw new Error(`${at} has the unknown origin request policy ${String(value)}`);
  const { HeaderBehavior: headers, Headers: names } = objectOr(config.HeadersConfig);
  const { QueryStringBehavior: queries } = objectOr(config.QueryStringsConfig);
  const { CookieBehavior: cookies } = objectOr(config.CookiesConfig);
  if (headers !== 'allExcept' || queries !== 'all' || (cookies !== 'all' && cookies !== 'none')) {
    throw new Error(
      `the origin request policy of ${at} must forward all headers except some, all queries, and all cookies or none`,
    );
  }
  const withheld = new Set(
    stringsOf(names, `Headers of the origin request policy of ${at}`).map((name) => name.toLowerCase()),
  );
  return { forwardsCookies: cookies === 'all', forwards: (name) => !withheld.has(name) };
}

/** Returns the headers that the policies forward to the origin. */
export function forwardedHeaders(
  headers: OutgoingHttpHeaders,
  policy: OriginRequestPolicy,
  cache: CachePolicy | undefined,
): OutgoingHttpHeaders {
  const forwarded: OutgoingHttpHeaders = Object.create(null);
  for (const [name, value] of Object.entries(headers)) {
    const isForwarded = name === 'cookie' ? policy.forwardsCookies : policy.forwards(name);
    // CloudFront always forwards the headers of the cache key.
    if (isForwarded || cache?.headers.includes(name)) forwarded[name] = value;
  }
  return forwarded;
}
