/**
 * The events of a WebSocket connection, and the answers of functions.
 * @see https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-mapping-template-reference.html
 * @module
 */
import type { IncomingMessage } from 'node:http';
import { isObject, type JsonObject, parseJson } from '../template/json.ts';
import { commonLogTime, traceId } from './http-event.ts';
import { type GatewayConnection, newGatewayId } from './open-connections.ts';

/** The common part of all events of one connection. */
export interface ConnectionContext {
  /** The connection that the event is about. */
  readonly connection: GatewayConnection;
  /** Name of the stage. */
  readonly stage: string;
  /** The Host header of the handshake. */
  readonly domainName: string;
}

interface Many {
  readonly single: Record<string, string>;
  readonly multi: Record<string, string[]>;
}

/** Returns the event of `$connect`. It is the only one with all headers and with the query. */
export function connectEvent(source: ConnectionContext, requestId: string, request: IncomingMessage): Buffer {
  const headers = readHeaders(request);
  const query = readQuery(request.url ?? '/');
  return encode({
    headers: headers.single,
    multiValueHeaders: headers.multi,
    ...(query !== undefined && {
      queryStringParameters: query.single,
      multiValueQueryStringParameters: query.multi,
    }),
    requestContext: context(source, requestId, '$connect', 'CONNECT'),
    isBase64Encoded: false,
  });
}

/** Returns the event of one message of the client. */
export function messageEvent(
  source: ConnectionContext,
  requestId: string,
  routeKey: string,
  body: string,
): Buffer {
  return encode({
    requestContext: { ...context(source, requestId, routeKey, 'MESSAGE'), messageId: newGatewayId() },
    body,
    isBase64Encoded: false,
  });
}

/** Returns the event of `$disconnect`. As on AWS, it has some header names, most of them without a value. */
export function disconnectEvent(
  source: ConnectionContext,
  requestId: string,
  code: number,
  reason: string,
): Buffer {
  const headers = { Host: source.domainName, 'x-api-key': '', 'X-Forwarded-For': '', 'x-restapi': '' };
  const lists = Object.entries(headers).map(([name, value]) => [name, [value]] as const);
  return encode({
    headers,
    multiValueHeaders: Object.fromEntries(lists),
    requestContext: {
      ...context(source, requestId, '$disconnect', 'DISCONNECT'),
      disconnectStatusCode: code,
      disconnectReason: reason,
    },
    isBase64Encoded: false,
  });
}

const encode = (event: JsonObject) => Buffer.from(JSON.stringify(event));

function context(
  source: ConnectionContext,
  requestId: string,
  routeKey: string,
  eventType: string,
): JsonObject {
  const { connection, stage, domainName } = source;
  const now = new Date();
  return {
    routeKey,
    eventType,
    extendedRequestId: requestId,
    requestTime: commonLogTime(now),
    messageDirection: 'IN',
    stage,
    connectedAt: connection.connectedAt,
    requestTimeEpoch: now.getTime(),
    identity: connection.identity,
    requestId,
    domainName,
    connectionId: connection.id,
    apiId: connection.api.id,
  };
}

/** Reads the headers, with names as the client wrote them. `single` has the last value of a repeated name. */
function readHeaders(request: IncomingMessage): Many {
  const pairs: [string, string][] = [];
  const raw = request.rawHeaders;
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index] ?? '';
    if (!/^x-(forwarded-(for|port|proto)|amzn-trace-id)$/i.test(name))
      pairs.push([name, raw[index + 1] ?? '']);
  }
  const sender = request.socket.remoteAddress ?? '127.0.0.1';
  const before = request.headers['x-forwarded-for'];
  pairs.push(['X-Amzn-Trace-Id', traceId()]);
  pairs.push(['X-Forwarded-For', before === undefined ? sender : `${String(before)}, ${sender}`]);
  pairs.push(['X-Forwarded-Port', String(request.socket.localPort ?? '')]);
  pairs.push(['X-Forwarded-Proto', 'http']);
  return collect(pairs);
}

function readQuery(target: string): Many | undefined {
  const mark = target.indexOf('?');
  const pairs = mark < 0 ? [] : [...new URLSearchParams(target.slice(mark + 1))];
  return pairs.length === 0 ? undefined : collect(pairs);
}

function collect(pairs: readonly [string, string][]): Many {
  const multi = new Map<string, string[]>();
  for (const [name, value] of pairs) multi.set(name, [...(multi.get(name) ?? []), value]);
  return { single: Object.fromEntries(pairs), multi: Object.fromEntries(multi) };
}

/** The answer of a function. */
export interface SocketAnswer {
  /** 100 to 599; a `$connect` with another than 2xx is refused. */
  readonly status: number;
  /** Only Sec-WebSocket-Protocol has an effect. */
  readonly headers: JsonObject;
  /** Text for the client, if any. */
  readonly body: string | undefined;
}

const MIN_STATUS = 100;
const MAX_STATUS = 599;

/** Reads the result of a function. Returns undefined if it is no valid answer, which counts as an error of the function. */
export function readSocketAnswer(payload: Buffer): SocketAnswer | undefined {
  const value = parseJson(payload.toString('utf8'));
  if (!isObject(value)) return undefined;
  const status = Number(value.statusCode ?? undefined);
  if (!Number.isInteger(status) || status < MIN_STATUS || status > MAX_STATUS) return undefined;
  const body = value.body ?? undefined;
  // There are only text frames.
  if ((body !== undefined && typeof body !== 'string') || value.isBase64Encoded === true) return undefined;
  return { status, headers: isObject(value.headers) ? value.headers : {}, body };
}
