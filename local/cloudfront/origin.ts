/**
 * The way from the edge to an origin and back: nothing is buffered in either direction, and whoever leaves first takes
 * the other with it.
 * @see https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/RequestAndResponseBehaviorCustomOrigin.html
 * @module
 */
import {
  type Agent,
  type ClientRequest,
  request as httpRequest,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type ServerResponse,
} from 'node:http';
import { REGION } from '../template/intrinsics.ts';
import type { AddCors } from './edge-cors.ts';
import { sendEdgeError } from './edge-error.ts';
import type { EdgeRequest } from './edge-event.ts';
import { type CachePolicy, forwardedHeaders, type OriginRequestPolicy } from './edge-policy.ts';

export interface Origin {
  readonly id: string;
  /** Host and port. On AWS the origin is reached by TLS; here there is none on either side. */
  readonly host: string;
  /** True for a WebSocket API. */
  readonly takesSockets: boolean;
  /** Longest silence: before the answer, and between two packets of it. */
  readonly readTimeoutMs: number;
  /** The key that requests are signed with, for an origin with access control. */
  readonly accessKeyId: string | undefined;
}

export interface Exchange {
  readonly id: string;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly addCors: AddCors;
  readonly originRequestPolicy: OriginRequestPolicy;
  readonly cachePolicy: CachePolicy | undefined;
  readonly log: (line: string) => void;
}

/** Headers that end at the edge, and those that it writes itself. */
const NOT_FORWARDED = new Set([
  'connection',
  'expect',
  'host',
  'keep-alive',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'via',
  'x-amz-cf-id',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-real-ip',
]);

const NOT_RETURNED = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'trailer',
  'transfer-encoding',
]);

export const VIA = '1.1 local.cloudfront.net (CloudFront)';

/** Receives the result of a request to an origin. Neither function is called after the viewer has disconnected. */
export interface Receiver {
  answered(incoming: IncomingMessage): void;
  failed(status: 502 | 504, reason: string): void;
}

const toViewer = (exchange: Exchange): Receiver => ({
  answered: (incoming) => answer(incoming, exchange),
  failed: (status, reason) => sendEdgeError(exchange.response, status, reason, exchange.id),
});

/** Forwards the request to the origin, and the answer to the receiver (default: the viewer). */
export function forward(
  origin: Origin,
  agent: Agent,
  edge: EdgeRequest,
  exchange: Exchange,
  receiver = toViewer(exchange),
): void {
  send(exchange.request, ask(origin, agent, edge, exchange, { receiver }));
}

/**
 * Returns true if the viewer's Authorization would reach an origin that CloudFront signs requests for. In public reports the
 * signature is then missing or wrong. AWS does not document it.
 */
export const breaksSignature = (origin: Origin, edge: EdgeRequest, exchange: Exchange): boolean =>
  origin.accessKeyId !== undefined && toForward(edge, exchange).authorization !== undefined;

const toForward = (edge: EdgeRequest, { originRequestPolicy, cachePolicy }: Exchange): OutgoingHttpHeaders =>
  forwardedHeaders(edge.headers, originRequestPolicy, cachePolicy);

/** A request to the origin; it is not sent yet. */
export function ask(
  origin: Origin,
  agent: Agent,
  edge: EdgeRequest,
  exchange: Exchange,
  { more = {}, receiver = toViewer(exchange) }: { more?: OutgoingHttpHeaders; receiver?: Receiver } = {},
): ClientRequest {
  const { request, response } = exchange;
  const [hostname, port] = origin.host.split(':');
  const outgoing = httpRequest({
    agent,
    hostname,
    port,
    method: request.method,
    path: edge.rawQuery === undefined ? edge.uri : `${edge.uri}?${edge.rawQuery}`,
    headers: { ...headersFor(origin, edge, exchange), ...more },
    setHost: false,
    timeout: origin.readTimeoutMs,
  });
  outgoing.on('response', (incoming) => receiver.answered(incoming));
  outgoing.on('timeout', () => {
    if (!response.destroyed) receiver.failed(504, 'The origin did not answer in time.');
    outgoing.destroy();
  });
  outgoing.on('error', (error) => {
    // A viewer that has gone, or got its answer, is told nothing: the origin may end early, as with a body too large.
    if (response.destroyed || response.writableEnded) return;
    exchange.log(`[edge] origin ${origin.id}: ${error.message}`);
    receiver.failed(502, 'The origin closed the connection.');
  });
  response.on('close', () => outgoing.destroy());
  return outgoing;
}

function send(request: IncomingMessage, outgoing: ClientRequest): void {
  if (!hasBody(request)) return void outgoing.end();
  request.pipe(outgoing);
  // What nobody reads any more is dropped: else the viewer's connection would stay blocked.
  outgoing.on('close', () => {
    request.unpipe(outgoing);
    request.resume();
  });
}

/** True if the request comes with a body, be it empty. */
export function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

function headersFor(origin: Origin, edge: EdgeRequest, exchange: Exchange): OutgoingHttpHeaders {
  const { id, request } = exchange;
  const headers: OutgoingHttpHeaders = Object.create(null);
  for (const [name, value] of Object.entries(toForward(edge, exchange))) {
    if (!NOT_FORWARDED.has(name)) headers[name] = value;
  }
  const sender = request.socket.remoteAddress ?? '127.0.0.1';
  const before = request.headers['x-forwarded-for'];
  headers['x-forwarded-for'] = before === undefined ? sender : `${String(before)}, ${sender}`;
  headers.host = origin.host;
  headers.via = VIA;
  headers['x-amz-cf-id'] = id;
  if (request.headers['transfer-encoding'] !== undefined) headers['transfer-encoding'] = 'chunked';
  if (origin.accessKeyId !== undefined) headers.authorization = signature(origin.accessKeyId);
  return headers;
}

/** The form of a signature: who signed is all that is asked here, and nobody else knows the key. */
function signature(accessKeyId: string): string {
  const day = new Date().toISOString().slice(0, 10).replaceAll('-', '');
  const scope = `${accessKeyId}/${day}/${REGION}/lambda/aws4_request`;
  return `AWS4-HMAC-SHA256 Credential=${scope}, SignedHeaders=host;x-amz-cf-id, Signature=${'0'.repeat(64)}`;
}

/** Sends the answer of an origin to the viewer as it comes. */
export function answer(incoming: IncomingMessage, exchange: Exchange): void {
  const { id, request, response, addCors, log } = exchange;
  // Cut, not ended: the viewer must be able to tell a broken answer from a whole one.
  incoming.on('close', () => {
    if (!incoming.complete) response.destroy();
  });
  const own = { via: VIA, 'x-cache': 'Miss from cloudfront', 'x-amz-cf-id': id };
  try {
    const headers = addCors(request, { ...returnedHeaders(incoming, exchange), ...own });
    response.writeHead(incoming.statusCode ?? 502, headers);
  } catch (error) {
    log(`[edge] ${String(error)}`);
    incoming.resume();
    sendEdgeError(response, 502, 'The origin sent headers that cannot be sent on.', id);
    return;
  }
  // A stream that has not written yet is open already: its headers must not wait for its first event.
  response.flushHeaders();
  incoming.pipe(response);
}

/** Returns the headers of an answer that CloudFront forwards to the viewer. */
export function returnedHeaders(
  incoming: IncomingMessage,
  { originRequestPolicy, cachePolicy }: Exchange,
): OutgoingHttpHeaders {
  const { forwardsCookies, forwards } = originRequestPolicy;
  const headers: OutgoingHttpHeaders = Object.create(null);
  for (const [name, value] of Object.entries(incoming.headers)) {
    if (!NOT_RETURNED.has(name) && (name !== 'set-cookie' || forwardsCookies)) headers[name] = value;
  }
  // https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/RequestAndResponseBehaviorCustomOrigin.html#ResponseCustomRemovedHeaders
  const vary = (incoming.headers.vary ?? '').split(',').map((name) => name.trim());
  const told = vary.filter((name) => {
    const lower = name.toLowerCase();
    return lower !== '' && (forwards(lower) || cachePolicy?.headers.includes(lower));
  });
  if (told.length > 0) headers.vary = told.join(', ');
  else delete headers.vary;
  return headers;
}
