/**
 * The cache of an edge location. It has copies of answers. It also collapses requests: while one request is at the origin, requests
 * with the same key wait for its answer. The local stack has one edge location. AWS has many, and may remove a copy at any time.
 * @see https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/RequestAndResponseBehaviorCustomOrigin.html#request-custom-traffic-spikes
 * @module
 */
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import { sendAnswer } from '../apigateway/http-event.ts';
import { type Copy, createCopies } from './edge-copies.ts';
import { edgeError } from './edge-error.ts';
import type { EdgeRequest } from './edge-event.ts';
import { type Answered, lifetimeOf } from './edge-lifetime.ts';
import type { CachePolicy } from './edge-policy.ts';
import { answer, type Exchange, type OriginReceiver, returnedHeaders, VIA } from './origin.ts';

/** The clock and the error settings of a cache. */
export interface EdgeCacheOptions {
  /** Returns the time in milliseconds. */
  readonly clock: () => number;
  /** Returns the minimum cache time of an error status, in seconds. */
  readonly errorTtl: (status: number) => number;
}

/** A request that is answered from the cache or by its origin. */
export interface Lookup {
  /** Returns the cache key of a request, and bounds the cache time of its answer. */
  readonly policy: CachePolicy;
  /** The request as the edge function has left it. */
  readonly request: EdgeRequest;
  /** The viewer that waits for the answer. */
  readonly exchange: Exchange;
  /** Sends the request to the origin. Without a receiver the answer goes straight to the viewer, and is not cached. */
  readonly send: (request: EdgeRequest, receiver?: OriginReceiver) => void;
}

/** The cache of one distribution. */
export interface EdgeCache {
  /** Answers the request. */
  serve(lookup: Lookup): void;
}

/** Highest number of bytes of all copies, and of one copy. A larger answer is not cached. */
const MAX_BYTES = 64 * 1_048_576;
const MAX_COPY_BYTES = 8 * 1_048_576;

const CACHED_METHODS = new Set(['GET', 'HEAD']);

/**
 * How a waiting request continues: with the answer of the first request; `alone`, with its own request to the origin; or `again`,
 * from the start, because the first request has ended without an answer.
 */
type FollowUp = Copy | 'alone' | 'again';

interface Cache extends EdgeCacheOptions {
  readonly copies: ReturnType<typeof createCopies>;
  readonly waiting: Map<string, ((settled: FollowUp) => void)[]>;
}

/** Returns an empty cache. */
export function createEdgeCache(options: EdgeCacheOptions): EdgeCache {
  const cache: Cache = { ...options, copies: createCopies(MAX_BYTES), waiting: new Map() };
  return { serve: (lookup) => serve(cache, lookup) };
}

function serve(cache: Cache, lookup: Lookup): void {
  const { policy, request, exchange, send } = lookup;
  const { method = 'GET' } = exchange.request;
  const key = policy.keyOf(request);
  const copy = CACHED_METHODS.has(method) ? cache.copies.get(key) : undefined;
  const isFresh = copy !== undefined && cache.clock() < copy.freshUntil;
  if (isFresh) sendCopy(exchange, copy, 'Hit', cache.clock());
  // A HEAD has the key of a GET, but the answer to a HEAD has no body for a GET.
  else if (method !== 'GET') send(request);
  else requestOnce(cache, lookup, key);
}

/** Sends the request to the origin, or waits for a request with the same key that is under way. */
function requestOnce(cache: Cache, lookup: Lookup, key: string): void {
  const others = cache.waiting.get(key);
  if (others !== undefined) return void others.push((settled) => answerWaiting(cache, lookup, key, settled));
  const waiting: ((settled: FollowUp) => void)[] = [];
  cache.waiting.set(key, waiting);
  askOrigin(cache, lookup, key, (settled) => {
    if (cache.waiting.get(key) !== waiting) return;
    cache.waiting.delete(key);
    for (const proceed of waiting) proceed(settled);
  });
}

function answerWaiting(cache: Cache, lookup: Lookup, key: string, settled: FollowUp): void {
  const { exchange } = lookup;
  if (exchange.response.destroyed) return;
  if (settled === 'again') serve(cache, lookup);
  else if (settled === 'alone') askOrigin(cache, lookup, key, () => {});
  else sendCopy(exchange, settled, 'Hit', cache.clock());
}

/** Sends the request to the origin, and caches the answer if it is cacheable. */
function askOrigin(cache: Cache, lookup: Lookup, key: string, settle: (settled: FollowUp) => void): void {
  const { request, exchange, send } = lookup;
  const copy = cache.copies.get(key);
  // If the viewer disconnects, its request to the origin ends, and the waiting requests start again.
  exchange.response.on('close', () => settle('again'));
  const sendStale = (stale: Copy, status: number) => {
    const errorMs = cache.errorTtl(status) * 1_000;
    if (errorMs > 0) cache.copies.set(key, { ...stale, freshUntil: cache.clock() + errorMs });
    sendCopy(exchange, stale, 'Hit', cache.clock());
    settle(stale);
  };
  const isStaleUsable = copy !== undefined && cache.clock() < copy.staleUntil;
  send(copy === undefined ? request : revalidating(request, copy), {
    answered(incoming) {
      const { statusCode: status = 502 } = incoming;
      if (status === 304 && copy?.headers.etag !== undefined) {
        incoming.resume();
        const refreshed = refresh(cache, lookup, copy, returnedHeaders(incoming.headers, exchange));
        cache.copies.set(key, refreshed.copy);
        sendCopy(exchange, refreshed.copy, 'RefreshHit', cache.clock());
        settle(refreshed.isShared ? refreshed.copy : 'alone');
      } else if (status >= 500 && isStaleUsable) {
        incoming.resume();
        sendStale(copy, status);
      } else {
        passThrough(cache, lookup, key, incoming, settle);
      }
    },
    failed(status, reason) {
      if (isStaleUsable) return sendStale(copy, status);
      const page = edgeError(status, reason, exchange.id);
      const made = copyOf(cache, lookup, page, page.body);
      if (exchange.response.headersSent) return void exchange.response.destroy();
      if (made.isCached) cache.copies.set(key, made.copy);
      sendCopy(exchange, made.copy, 'Error', cache.clock());
      settle(made.isCached ? made.copy : 'alone');
    },
  });
}

/** Returns the request with the ETag of the copy in place of the viewer's condition. */
function revalidating(request: EdgeRequest, { headers }: Copy): EdgeRequest {
  if (headers.etag === undefined) return request;
  return { ...request, headers: { ...request.headers, 'if-none-match': headers.etag } };
}

/** Streams an answer to the viewer. A complete answer is cached and given to the waiting requests, if its headers allow that. */
function passThrough(
  cache: Cache,
  lookup: Lookup,
  key: string,
  incoming: IncomingMessage,
  settle: (settled: FollowUp) => void,
): void {
  const { exchange } = lookup;
  const head = { status: incoming.statusCode ?? 502, headers: returnedHeaders(incoming.headers, exchange) };
  const made = copyOf(cache, lookup, head, Buffer.alloc(0));
  if (!made.isShared) settle('alone');
  if (made.isCached || made.isShared) {
    let chunks: Buffer[] | undefined = [];
    let size = 0;
    incoming.on('data', (chunk: Buffer) => {
      size += chunk.length;
      chunks?.push(chunk);
      if (size <= MAX_COPY_BYTES || chunks === undefined) return;
      chunks = undefined;
      settle('alone');
    });
    incoming.on('end', () => {
      if (chunks === undefined || !incoming.complete) return;
      const whole = copyOf(cache, lookup, head, Buffer.concat(chunks));
      if (whole.isCached) cache.copies.set(key, whole.copy);
      settle(whole.copy);
    });
  }
  answer(incoming, exchange);
}

function copyOf({ clock, errorTtl }: Cache, { policy }: Lookup, { status, headers }: Answered, body: Buffer) {
  const now = clock();
  const { ttl, staleIfError, isShared } = lifetimeOf({ status, headers }, policy, errorTtl(status), now);
  const freshUntil = now + (ttl ?? 0) * 1_000;
  const copy = {
    status,
    headers,
    body,
    storedAt: now,
    freshUntil,
    staleUntil: freshUntil + staleIfError * 1_000,
  };
  return { copy, isCached: ttl !== undefined, isShared };
}

/** Returns the copy with a new age, and with the headers of the 304. */
function refresh(
  cache: Cache,
  lookup: Lookup,
  { status, headers, body }: Copy,
  newHeaders: OutgoingHttpHeaders,
) {
  const { 'content-length': _, ...changed } = newHeaders;
  return copyOf(cache, lookup, { status, headers: { ...headers, ...changed } }, body);
}

function sendCopy(exchange: Exchange, copy: Copy, outcome: string, now: number): void {
  const { id, request, response, addCors } = exchange;
  const isSame = copy.status === 200 && hasTag(request, copy.headers.etag);
  const { 'content-length': _, ...rest } = copy.headers;
  const headers = addCors(request, {
    ...rest,
    age: String(Math.floor((now - copy.storedAt) / 1_000)),
    via: VIA,
    'x-cache': `${outcome} from cloudfront`,
    'x-amz-cf-id': id,
  });
  const body = isSame ? Buffer.alloc(0) : copy.body;
  sendAnswer(response, { status: isSame ? 304 : copy.status, headers, body });
}

function hasTag({ headers }: IncomingMessage, etag: unknown): boolean {
  const tags = (headers['if-none-match'] ?? '').split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  return typeof etag === 'string' && (tags.includes(etag.replace(/^W\//, '')) || tags.includes('*'));
}
