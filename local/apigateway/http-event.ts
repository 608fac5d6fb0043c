/**
 * Converts HTTP requests to events, and results of functions to HTTP answers: payload format 2.0, for HTTP APIs and function
 * URLs.
 * @see https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
 * @module
 */
import { randomBytes } from 'node:crypto';
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { isObject, type JsonObject, parseJson } from '../template/json.ts';

/** The parts of the event that differ between an HTTP API and a function URL. */
export interface EventFrame {
  /** Account of the API. */
  readonly accountId: string;
  /** Id of the API or of the function URL. */
  readonly apiId: string;
  /** `$default` for a function URL. */
  readonly routeKey: string;
  /** Also in the headers of the answer, for an HTTP API. */
  readonly requestId: string;
  /** Decoded for an HTTP API, as it was sent for a function URL. */
  readonly rawPath: string;
  /** Undefined if the route has no variables. */
  readonly pathParameters?: Readonly<Record<string, string>> | undefined;
}

/** Headers that the gateway does not forward, or writes itself. */
const NOT_FORWARDED = new Set([
  'connection',
  'cookie', // becomes `cookies`
  'expect',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'x-forwarded-for',
  'x-forwarded-port',
  'x-forwarded-proto',
]);

/** Content types whose bodies are text in the event. All others are base64. */
const TEXT = /^(text\/|application\/(json|javascript|xml|x-www-form-urlencoded)\s*(;|$))/i;

/** Returns the event as JSON text. */
export function buildEvent(request: IncomingMessage, body: Buffer, frame: EventFrame): Buffer {
  const target = request.url ?? '/';
  const mark = target.indexOf('?');
  const rawQueryString = mark < 0 ? '' : target.slice(mark + 1);
  const { headers, cookies } = readHeaders(request, body);
  const now = new Date();
  const sourceIp = request.socket.remoteAddress ?? '127.0.0.1';
  const query = readQuery(rawQueryString);
  const isText = TEXT.test(headers['content-type'] ?? '');
  const domainName = headers.host ?? '';
  const event = {
    version: '2.0',
    routeKey: frame.routeKey,
    rawPath: frame.rawPath,
    rawQueryString,
    ...(cookies.length > 0 && { cookies }),
    headers,
    ...(query !== undefined && { queryStringParameters: query }),
    requestContext: {
      accountId: frame.accountId,
      apiId: frame.apiId,
      domainName,
      domainPrefix: domainName.split('.')[0],
      http: {
        method: request.method,
        path: frame.rawPath,
        protocol: `HTTP/${request.httpVersion}`,
        sourceIp,
        userAgent: headers['user-agent'] ?? '',
      },
      requestId: frame.requestId,
      routeKey: frame.routeKey,
      stage: '$default',
      time: commonLogTime(now),
      timeEpoch: now.getTime(),
    },
    ...(frame.pathParameters !== undefined && { pathParameters: frame.pathParameters }),
    ...(body.length > 0 && { body: body.toString(isText ? 'utf8' : 'base64') }),
    isBase64Encoded: body.length > 0 && !isText,
  };
  return Buffer.from(JSON.stringify(event));
}

function readHeaders(
  request: IncomingMessage,
  body: Buffer,
): { headers: Record<string, string>; cookies: string[] } {
  const headers: Record<string, string> = Object.create(null);
  const cookies: string[] = [];
  const raw = request.rawHeaders;
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = (raw[index] ?? '').toLowerCase();
    const value = raw[index + 1] ?? '';
    if (name === 'cookie') cookies.push(...value.split(';').map((cookie) => cookie.trim()));
    if (NOT_FORWARDED.has(name)) continue;
    const before = headers[name];
    headers[name] = before === undefined ? value : `${before},${value}`;
  }
  const sender = request.socket.remoteAddress ?? '127.0.0.1';
  const forwarded = request.headers['x-forwarded-for'];
  headers['x-forwarded-for'] = forwarded === undefined ? sender : `${String(forwarded)}, ${sender}`;
  headers['x-forwarded-port'] = String(request.socket.localPort ?? '');
  headers['x-forwarded-proto'] = 'http';
  headers['x-amzn-trace-id'] ??= traceId();
  if (body.length > 0) headers['content-length'] = String(body.length);
  return { headers, cookies };
}

/** Joins the values of a repeated name by commas. Returns undefined without a query. */
function readQuery(rawQueryString: string): Record<string, string> | undefined {
  if (rawQueryString === '') return undefined;
  const query: Record<string, string> = Object.create(null);
  for (const [name, value] of new URLSearchParams(rawQueryString)) {
    const before = query[name];
    query[name] = before === undefined ? value : `${before},${value}`;
  }
  return query;
}

/** Returns a new trace id in the form of X-Ray. */
export function traceId(): string {
  const seconds = Math.floor(Date.now() / 1_000).toString(16);
  return `Root=1-${seconds}-${randomBytes(12).toString('hex')}`;
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** Returns a time such as `22/Nov/2026:08:30:00 +0000`. */
export function commonLogTime(time: Date): string {
  const [date = '', clock = ''] = time.toISOString().split('T');
  const [year, , day] = date.split('-');
  return `${day}/${MONTHS[time.getUTCMonth()]}/${year}:${clock.slice(0, 8)} +0000`;
}

/** A whole HTTP answer. */
export interface HttpAnswer {
  /** 100 to 599. */
  readonly status: number;
  /** Names are in lower case. */
  readonly headers: OutgoingHttpHeaders;
  /** Empty if there is none. */
  readonly body: Buffer;
}

/** Headers of the connection to the client, which the function does not know. */
const NOT_RETURNED = new Set(['connection', 'content-length', 'keep-alive', 'transfer-encoding', 'upgrade']);

const MIN_STATUS = 100;
const MAX_STATUS = 599;

/** Reads the result of a function. Returns undefined if it is no valid answer. */
export function readAnswer(payload: Buffer): HttpAnswer | undefined {
  const value = parseJson(payload.toString('utf8'));
  if (value === undefined) return undefined;
  if (!isObject(value) || value.statusCode === undefined) {
    // A result without a status code is itself the body.
    return { status: 200, headers: { 'content-type': 'application/json' }, body: payload };
  }
  const head = readHead(value);
  const { body, isBase64Encoded } = value;
  if (head === undefined || (body !== undefined && body !== null && typeof body !== 'string'))
    return undefined;
  const bytes = Buffer.from(
    typeof body === 'string' ? body : '',
    isBase64Encoded === true ? 'base64' : 'utf8',
  );
  if (bytes.length > 0) head.headers['content-type'] ??= 'text/plain;charset=UTF-8';
  return { ...head, body: bytes };
}

/** Reads status, headers and cookies of an answer, or of the prelude of a stream. Returns undefined for an invalid status. */
export function readHead(value: JsonObject): { status: number; headers: OutgoingHttpHeaders } | undefined {
  const status = Number(value.statusCode);
  if (!Number.isInteger(status) || status < MIN_STATUS || status > MAX_STATUS) return undefined;
  const headers: OutgoingHttpHeaders = {};
  for (const [name, header] of Object.entries(isObject(value.headers) ? value.headers : {})) {
    const lower = name.toLowerCase();
    if (!NOT_RETURNED.has(lower) && header !== null && header !== undefined) headers[lower] = String(header);
  }
  const { cookies } = value;
  if (Array.isArray(cookies) && cookies.length > 0)
    headers['set-cookie'] = cookies.map((cookie) => String(cookie));
  return { status, headers };
}

/** Statuses without a body and without a length. */
const BODILESS = new Set([204, 304]);

/** Sends an answer, or 500 if it has an invalid header. */
export function sendAnswer(response: ServerResponse, { status, headers, body }: HttpAnswer): void {
  const length =
    BODILESS.has(status) || response.req.method === 'HEAD' ? {} : { 'content-length': body.length };
  try {
    response.writeHead(status, { ...headers, ...length });
  } catch {
    // For example a line break in a header of the function.
    response.writeHead(500, { 'content-type': 'application/json' });
    response.end('{"message":"Internal Server Error"}');
    return;
  }
  response.end(body);
}

/** Sends an error of the gateway as JSON. HTTP APIs write `message`, function URLs `Message`. */
export function sendMessage(
  response: ServerResponse,
  status: number,
  body: JsonObject,
  headers: OutgoingHttpHeaders = {},
) {
  const bytes = Buffer.from(JSON.stringify(body));
  sendAnswer(response, { status, headers: { 'content-type': 'application/json', ...headers }, body: bytes });
}
