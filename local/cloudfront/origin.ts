/**
 * Requests of the edge to an origin. Nothing is buffered in either direction. When one side disconnects, the request to the
 * other side ends.
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
import { type HttpAnswer, sendAnswer } from '../apigateway/http-event.ts';
import { LOCAL_REGION } from '../template/intrinsics.ts';
import type { AddCors } from './edge-cors.ts';
import { sendEdgeError } from './edge-error.ts';
import type { EdgeRequest } from './edge-event.ts';
import { type CachePolicy, forwardedHeaders, type OriginRequestPolicy } from './edge-policy.ts';

/** One origin of a distribution. */
export interface Origin {
  /** Its id in the template. */
  readonly id: string;
  /** Host and port. On AWS the connection has TLS. */
  readonly host: string;
  /** True for a WebSocket API. */
  readonly takesSockets: boolean;
  /** Maximum time until the answer, and between two packets of it, in milliseconds. */
  readonly readTimeoutMs: number;
  /** Access key that signs the requests, for an origin with access control. */
  readonly accessKeyId: string | undefined;
  /** Headers of every request to it, with names in lower case. They replace those of the viewer. */
  readonly headers: Readonly<Record<string, string>>;
}

/** A request of a viewer, and the policies of its behavior. */
export interface Exchange {
  /** Id of the request. */
  readonly id: string;
  /** As the viewer sent it. */
  readonly request: IncomingMessage;
  /** The answer to the viewer. */
  readonly response: ServerResponse;
  /** Adds the CORS headers of the behavior. */
  readonly addCors: AddCors;
  /** The policy of the behavior. */
  readonly originRequestPolicy: OriginRequestPolicy;
  /** The policy of the behavior; undefined if caching is disabled. */
  readonly cachePolicy: CachePolicy | undefined;
  /** Takes each line about an error or a refusal. */
  readonly log: (line: string) => void;
}

/** Headers that the edge does not forward, or writes itself. */
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

/** The value of Via in requests to origins and in answers. */
export const VIA = '1.1 local.cloudfront.net (CloudFront)';

/** Takes the result of a request to an origin. Neither function is called after the viewer has disconnected. */
export interface OriginReceiver {
  /** Takes the answer of the origin as it begins. */
  answered(incoming: IncomingMessage): void;
  /** Is called if the origin does not answer or breaks the connection. */
  failed(status: 502 | 504, reason: string): void;
}

const toViewer = (exchange: Exchange): OriginReceiver => ({
  answered: (incoming) => answer(incoming, exchange),
  failed: (status, reason) => sendEdgeError(exchange.response, status, reason, exchange.id),
});

/** Sends the request to the origin, and the answer to the receiver. By default that is the viewer. */
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
 * Returns true if the Authorization of the viewer would be forwarded to an origin with access control. In public reports the
 * signature of CloudFront is then missing or wrong. AWS does not document it.
 */
export const breaksSignature = (origin: Origin, edge: EdgeRequest, exchange: Exchange): boolean =>
  origin.accessKeyId !== undefined && toForward(edge, exchange).authorization !== undefined;

const toForward = (edge: EdgeRequest, { originRequestPolicy, cachePolicy }: Exchange): OutgoingHttpHeaders =>
  forwardedHeaders(edge.headers, originRequestPolicy, cachePolicy);

/** Returns path and query of a request to an origin. */
export const targetOf = ({ uri, rawQuery }: EdgeRequest): string =>
  rawQuery === undefined ? uri : `${uri}?${rawQuery}`;

/** Returns a request to the origin. The caller sends its body and ends it. */
export function ask(
  origin: Origin,
  agent: Agent,
  edge: EdgeRequest,
  exchange: Exchange,
  {
    more = {},
    receiver = toViewer(exchange),
  }: { more?: OutgoingHttpHeaders; receiver?: OriginReceiver } = {},
): ClientRequest {
  const { request, response } = exchange;
  const [hostname, port] = origin.host.split(':');
  const outgoing = httpRequest({
    agent,
    hostname,
    port,
    method: request.method,
    path: targetOf(edge),
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
    // Not an error if the viewer has its answer: the origin may close early, for example after a body that is too large.
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
  // The rest of the body is dropped. Otherwise the connection of the viewer would stay blocked.
  outgoing.on('close', () => {
    request.unpipe(outgoing);
    request.resume();
  });
}

/** Returns true if the request has a body. A chunked body may be empty. */
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
  // https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/add-origin-custom-headers.html
  for (const [name, value] of Object.entries(origin.headers)) headers[name] = value;
  headers.host = origin.host;
  headers.via = VIA;
  headers['x-amz-cf-id'] = id;
  if (request.headers['transfer-encoding'] !== undefined) headers['transfer-encoding'] = 'chunked';
  if (origin.accessKeyId !== undefined) headers.authorization = signature(origin.accessKeyId);
  return headers;
}

/** Returns a header in the form of a signature. Only the access key is checked here, and it is secret. */
function signature(accessKeyId: string): string {
  const day = new Date().toISOString().slice(0, 10).replaceAll('-', '');
  const scope = `${accessKeyId}/${day}/${LOCAL_REGION}/lambda/aws4_request`;
  return `AWS4-HMAC-SHA256 Credential=${scope}, SignedHeaders=host;x-amz-cf-id, Signature=${'0'.repeat(64)}`;
}

/** Sends the answer of an origin to the viewer, as it arrives. */
export function answer(incoming: IncomingMessage, exchange: Exchange): void {
  const { id, response, log } = exchange;
  // Destroyed, not ended: the viewer must see that the answer is not complete.
  incoming.on('close', () => {
    if (!incoming.complete) response.destroy();
  });
  try {
    response.writeHead(incoming.statusCode ?? 502, viewerHeaders(incoming.headers, exchange));
  } catch (error) {
    log(`[edge] ${String(error)}`);
    incoming.resume();
    sendEdgeError(response, 502, 'The origin sent invalid headers.', id);
    return;
  }
  // The headers of a stream must not wait for its first event. Otherwise they are sent together with the body.
  if (incoming.headers['content-length'] === undefined) response.flushHeaders();
  incoming.pipe(response);
}

/** Sends an answer of the origin to which no request was sent. */
export function answerWith({ status, headers, body }: HttpAnswer, exchange: Exchange): void {
  sendAnswer(exchange.response, { status, headers: viewerHeaders(headers, exchange), body });
}

/** Returns the headers of an answer that is not cached, as the viewer gets them. */
function viewerHeaders(headers: OutgoingHttpHeaders, exchange: Exchange): OutgoingHttpHeaders {
  const { id, request, addCors } = exchange;
  const own = { via: VIA, 'x-cache': 'Miss from cloudfront', 'x-amz-cf-id': id };
  return addCors(request, { ...returnedHeaders(headers, exchange), ...own });
}

/** Returns those headers of an answer of an origin that the viewer gets. */
export function returnedHeaders(
  answered: OutgoingHttpHeaders,
  { originRequestPolicy, cachePolicy }: Exchange,
): OutgoingHttpHeaders {
  const { forwardsCookies, forwards } = originRequestPolicy;
  const headers: OutgoingHttpHeaders = Object.create(null);
  for (const [name, value] of Object.entries(answered)) {
    if (!NOT_RETURNED.has(name) && (name !== 'set-cookie' || forwardsCookies)) headers[name] = value;
  }
  // https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/RequestAndResponseBehaviorCustomOrigin.html#ResponseCustomRemovedHeaders
  const vary = String(answered.vary ?? '')
    .split(',')
    .map((name) => name.trim());
  const returned = vary.filter((name) => {
    const lower = name.toLowerCase();
    return lower !== '' && (forwards(lower) || cachePolicy?.headers.includes(lower));
  });
  if (returned.length > 0) headers.vary = returned.join(', ');
  else delete headers.vary;
  return headers;
}
