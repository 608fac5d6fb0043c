/**
 * How long CloudFront caches an answer, and whether waiting requests may share it.
 * @see https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/Expiration.html
 * @see https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/HTTPStatusCodes.html
 * @module
 */
import type { OutgoingHttpHeaders } from 'node:http';
import type { CachePolicy } from './edge-policy.ts';

/** The lifetime of an answer. Times are in seconds. */
export interface Lifetime {
  /** Time for which the answer is fresh. Undefined if it is not cached; 0 if each use is revalidated with the origin. */
  readonly ttl: number | undefined;
  /** Additional time for which the answer is used if the origin fails. */
  readonly staleIfError: number;
  /** True if requests with the same key that wait for the answer get it. */
  readonly isShared: boolean;
}

/** The head of an answer of an origin. */
export interface Answered {
  /** HTTP status. */
  readonly status: number;
  /** Names are in lower case. */
  readonly headers: OutgoingHttpHeaders;
}

/** Errors that are always cached, and those that are cached if they have a max-age. */
const CACHED_ERRORS = new Set([404, 414, 500, 501, 502, 503, 504]);
const ERRORS_WITH_MAX_AGE = new Set([400, 403, 405, 412, 415]);

/** Partial answers and 304s, which cannot be cached. */
const NOT_WHOLE = new Set([206, 304]);

/**
 * Returns the lifetime of an answer. If the documentation is unclear, this takes the worse case for an application that must not
 * show old data. `stale-while-revalidate` is not supported.
 * @param errorTtl minimum cache time of the status, in seconds
 * @param now time in milliseconds
 */
export function lifetimeOf(
  { status, headers }: Answered,
  policy: CachePolicy,
  errorTtl: number,
  now: number,
): Lifetime {
  const directives = directivesOf(headers['cache-control']);
  const explicit = directives.get('s-maxage') ?? directives.get('max-age');
  const maxAge = explicit === undefined ? undefined : Number(explicit);
  const isForOne = directives.has('no-store') || directives.has('private');
  // https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/RequestAndResponseBehaviorCustomOrigin.html#request-custom-traffic-spikes
  const prevents = isForOne || directives.has('no-cache') || maxAge === 0;
  // The documentation does not say that a 304 answers only its own request. So this takes the worse case.
  const isShared = status !== 206 && (policy.minTtl > 0 || !prevents);
  const rest = { staleIfError: staleIfError(directives, policy), isShared };
  if (status >= 400) {
    const isCached = CACHED_ERRORS.has(status) || (ERRORS_WITH_MAX_AGE.has(status) && maxAge !== undefined);
    const ttl = Math.max(errorTtl, maxAge ?? 0);
    const error = { ...rest, staleIfError: 0 };
    return isCached && ttl > 0 ? { ...error, ttl, isShared: true } : { ...error, ttl: undefined };
  }
  if (NOT_WHOLE.has(status) || (isForOne && policy.minTtl === 0)) return { ...rest, ttl: undefined };
  const expires = Date.parse(String(headers.expires ?? ''));
  const seconds = maxAge ?? (Number.isNaN(expires) ? policy.defaultTtl : (expires - now) / 1_000);
  const wanted = prevents ? 0 : seconds;
  return { ...rest, ttl: Math.max(policy.minTtl, Math.min(wanted, policy.maxTtl)) };
}

/** Returns `stale-if-error` in seconds. Without the directive CloudFront sets no limit. */
function staleIfError(directives: ReadonlyMap<string, string>, { maxTtl }: CachePolicy): number {
  const seconds = directives.get('stale-if-error');
  return seconds === undefined ? Number.POSITIVE_INFINITY : Math.min(Number(seconds), maxTtl);
}

function directivesOf(value: unknown): ReadonlyMap<string, string> {
  const directives = String(value ?? '')
    .split(',')
    .map((directive) => directive.trim().toLowerCase().split('='));
  return new Map(directives.map(([name = '', text = '']) => [name, text.replaceAll('"', '')]));
}
