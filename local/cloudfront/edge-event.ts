/**
 * The event that a CloudFront Function gets, and what it may return: the request, changed, or a response.
 * @see https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/functions-event-structure.html
 * @module
 */
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import type { HttpAnswer } from '../apigateway/http-event.ts';
import { isObject, type JsonObject, listOf, objectOr, stringOr } from '../template/json.ts';

/** A request on its way to an origin. */
export interface EdgeRequest {
  readonly uri: string;
  /** As it was sent, unless a function changed it; undefined where there is not even a question mark. */
  readonly rawQuery: string | undefined;
  readonly headers: OutgoingHttpHeaders;
}

export type EdgeDecision =
  | { readonly kind: 'request'; readonly request: EdgeRequest }
  | { readonly kind: 'response'; readonly answer: HttpAnswer }
  | { readonly kind: 'invalid'; readonly message: string };

/** A function sees these and may not change them. */
const READ_ONLY = ['content-length', 'host', 'transfer-encoding', 'via'];

type Values = Record<string, { value: string; multiValue?: { value: string }[] }>;

/** Path and query of a request, as they were sent. */
export function splitTarget(request: IncomingMessage): { uri: string; rawQuery: string | undefined } {
  const target = request.url ?? '/';
  const mark = target.indexOf('?');
  if (mark < 0) return { uri: target, rawQuery: undefined };
  return { uri: target.slice(0, mark), rawQuery: target.slice(mark + 1) };
}

/** The event of the type viewer-request. */
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

/** Names and values as they were sent: CloudFront decodes neither. */
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

/** Reads what the handler returned for `event`. */
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
    const all = multiValue === undefined ? [{ value }] : listOf(multiValue);
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
