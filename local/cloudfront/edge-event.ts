/**
 * The event of a CloudFront Function, and its result: a changed request or a response.
 * @see https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/functions-event-structure.html
 * @module
 */
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import type { HttpAnswer } from '../apigateway/http-event.ts';
import { asList, isObject, type JsonObject, objectOr, stringOr } from '../template/json.ts';

/** A request to an origin. */
export interface EdgeRequest {
  /** Path. */
  readonly uri: string;
  /** Query as it was sent, unless the function has changed it. Undefined without a question mark. */
  readonly rawQuery: string | undefined;
  /** Names are in lower case. */
  readonly headers: OutgoingHttpHeaders;
}

/** The result of a function. CloudFront answers 503 if it is invalid. */
export type EdgeDecision =
  | { readonly kind: 'request'; readonly request: EdgeRequest }
  | { readonly kind: 'response'; readonly answer: HttpAnswer }
  | { readonly kind: 'invalid'; readonly message: string };

/** Headers that a function may read and not change. */
const READ_ONLY = ['content-length', 'host', 'transfer-encoding', 'via'];

type Values = Record<string, { value: string; multiValue?: { value: string }[] }>;

/** Returns path and query of a request, as they were sent. */
export function splitTarget(request: IncomingMessage): { uri: string; rawQuery: string | undefined } {
  const target = request.url ?? '/';
  const mark = target.indexOf('?');
  if (mark < 0) return { uri: target, rawQuery: undefined };
  return { uri: target.slice(0, mark), rawQuery: target.slice(mark + 1) };
}

/** Returns the event of the type viewer-request. `context` has the ids of distribution and request. */
export function buildEdgeEvent(request: IncomingMessage, context: JsonObject): JsonObject {
  const { uri, rawQuery } = splitTarget(request);
  const headers: [string, string][] = [];
  const cookies: [string, string][] = [];
  const raw = request.rawHeaders;
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = (raw[index] ?? '').toLowerCase();
    const value = raw[index + 1] ?? '';
    if (name === 'cookie') cookies.push(...pairsOf(value, /;\s*/));
    else headers.push([name, value]);
  }
  return {
    version: '1.0',
    context: { ...context, eventType: 'viewer-request' },
    viewer: { ip: request.socket.remoteAddress ?? '127.0.0.1' },
    request: {
      method: request.method,
      uri,
      querystring: valuesOf(pairsOf(rawQuery ?? '', '&')),
      headers: valuesOf(headers),
      cookies: valuesOf(cookies),
    },
  };
}

/** Returns names and values as they were sent. CloudFront does not decode them. */
function pairsOf(text: string, separator: string | RegExp): [string, string][] {
  return text
    .split(separator)
    .filter((pair) => pair !== '')
    .map((pair) => {
      const [name = '', ...value] = pair.split('=');
      return [name, value.join('=')];
    });
}

function valuesOf(pairs: readonly [string, string][]): Values {
  const values: Values = Object.create(null);
  for (const [name, value] of pairs) {
    const before = values[name];
    if (before === undefined) values[name] = { value };
    else {
      before.multiValue ??= [{ value: before.value }];
      before.multiValue.push({ value });
    }
  }
  return values;
}

/**
 * Reads the result of the function for `event`.
 * @param rawQuery that the request keeps if the function has not changed the query
 */
export function readDecision(value: unknown, event: JsonObject, rawQuery: string | undefined): EdgeDecision {
  const invalid = (message: string): EdgeDecision => ({ kind: 'invalid', message });
  if (!isObject(value)) return invalid('it returned neither a request nor a response');
  if (value.statusCode !== undefined) return readResponse(value) ?? invalid('it returned no valid response');
  const sent = objectOr(event.request);
  const { uri } = value;
  if (typeof uri !== 'string' || !uri.startsWith('/')) return invalid('the uri must begin with a slash');
  if (value.method !== sent.method) return invalid('it changed the method');
  const changed = READ_ONLY.find(
    (name) => !isSame(objectOr(value.headers)[name], objectOr(sent.headers)[name]),
  );
  if (changed !== undefined) return invalid(`it changed the header ${changed}`);
  const headers = headersOf(value.headers);
  const cookies = flatten(value.cookies).map((pair) => pair.join('='));
  if (cookies.length > 0) headers.cookie = cookies.join('; ');
  const query = isSame(value.querystring, sent.querystring)
    ? rawQuery
    : flatten(value.querystring)
        .map((pair) => pair.join('='))
        .join('&');
  return { kind: 'request', request: { uri, rawQuery: query, headers } };
}

const isSame = (left: unknown, right: unknown) => JSON.stringify(left) === JSON.stringify(right);

function flatten(values: unknown): [string, string][] {
  return Object.entries(objectOr(values)).flatMap(([name, entry]) => {
    const { value, multiValue } = objectOr(entry);
    const all = multiValue === undefined ? [{ value }] : asList(multiValue);
    return all.map((item): [string, string] => [name, stringOr(objectOr(item).value, '')]);
  });
}

function headersOf(values: unknown): OutgoingHttpHeaders {
  const headers: Record<string, string | string[]> = Object.create(null);
  for (const [name, value] of flatten(values)) {
    const before = headers[name];
    headers[name] = before === undefined ? value : [before, value].flat();
  }
  return headers;
}

const MIN_STATUS = 100;
const MAX_STATUS = 599;

function readResponse(value: JsonObject): EdgeDecision | undefined {
  const { statusCode: status, body } = value;
  if (typeof status !== 'number' || status < MIN_STATUS || status > MAX_STATUS) return undefined;
  const { data, encoding } = isObject(body) ? body : { data: body ?? '', encoding: 'text' };
  if (typeof data !== 'string' || (encoding !== 'text' && encoding !== 'base64')) return undefined;
  const bytes = Buffer.from(data, encoding === 'base64' ? 'base64' : 'utf8');
  return { kind: 'response', answer: { status, headers: headersOf(value.headers), body: bytes } };
}
