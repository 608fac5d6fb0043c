/**
 * The edge of every HTTP handler: turns API Gateway's payload 2.0, which function URLs also use, into a web Request, and an
 * answer into the result.
 *
 * Not hono's own adapter: that is deprecated, and answers some requests itself in plain text (GET with a body, TRACE). Every
 * refusal of the hub is JSON.
 * https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
 * @module
 */
import { Refusal } from '../../protocol/errors.ts';
import { isJson } from '../hub/log/channel.ts';

/** The members of the event that the hub reads. */
export interface HttpEvent {
  /** The path. API Gateway has decoded it, a function URL has not. */
  readonly rawPath: string;
  /** The query as it was sent, without `?`. */
  readonly rawQueryString: string;
  /** The headers, with names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** The body as text or base64; undefined if there is none. */
  readonly body: string | undefined;
  /** True if the body is base64. */
  readonly isBase64Encoded: boolean;
  /** The method in upper case. */
  readonly method: string;
  /** The domain of the gateway or function URL. */
  readonly domainName: string;
  /** The time at which the gateway received the request, in milliseconds since 1970; undefined if the event does not have it. */
  readonly arrivedAt: number | undefined;
}

/** The result in payload 2.0. */
export interface HttpResult {
  /** The status. */
  readonly statusCode: number;
  /** The headers. */
  readonly headers: Record<string, string>;
  /** The body as text or base64. */
  readonly body: string;
  /** True if the body is base64. */
  readonly isBase64Encoded: boolean;
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;

/** Narrows the event of Lambda. @throws Error for another event: that is a mistake in the template, not of the caller */
export function parseEvent(event: unknown): HttpEvent {
  const context = isRecord(event) ? event.requestContext : undefined;
  const http = isRecord(context) ? context.http : undefined;
  if (!isRecord(event) || !isRecord(context) || !isRecord(http) || !isRecord(event.headers)) {
    throw new Error('not an HTTP event of payload 2.0');
  }
  const { body } = event;
  return {
    rawPath: String(event.rawPath),
    rawQueryString: String(event.rawQueryString ?? ''),
    headers: Object.fromEntries(Object.entries(event.headers).map(([name, value]) => [name, String(value)])),
    body: typeof body === 'string' ? body : undefined,
    isBase64Encoded: event.isBase64Encoded === true,
    method: String(http.method),
    domainName: String(context.domainName),
    arrivedAt: typeof context.timeEpoch === 'number' ? context.timeEpoch : undefined,
  };
}

const BODILESS = new Set(['GET', 'HEAD']);

/**
 * Returns the event as a web Request.
 * @throws TypeError for a header that no web request can have
 * @throws Refusal bad_channel for a path that a URL would change; bad_request for a text body that was not UTF-8
 */
export function toRequest(event: HttpEvent): Request {
  const scheme = event.headers['x-forwarded-proto'] === 'http' ? 'http' : 'https';
  // CloudFront names the requested host in this header. A caller that sends it only changes the links in its own answers.
  const host = event.headers['x-tidings-host'] ?? event.headers.host ?? event.domainName;
  const url = new URL(
    URL.canParse(`${scheme}://${host}`) ? `${scheme}://${host}` : `https://${event.domainName}`,
  );
  const path = plainPath(event.rawPath);
  url.pathname = path;
  // A URL removes "." and "..". Then the path that is authorized would differ from the path of the request.
  if (url.pathname !== path) throw oddPath();
  url.search = event.rawQueryString;
  const bytes = bodyOf(event);
  const body = BODILESS.has(event.method) || bytes.byteLength === 0 ? null : bytes;
  const request = new Request(url, { method: event.method, headers: event.headers, body });
  // A Request adds a content type to some bodies. A missing content type must stay missing.
  if (event.headers['content-type'] === undefined) request.headers.delete('content-type');
  return request;
}

/** Returns true for printable ASCII without the characters that URLs interpret or rewrite. No channel name has those. */
const isPlain = (path: string): boolean => /^\/[!-~]*$/.test(path) && !/[\\%?#]/.test(path);

/** Returns the decoded path. API Gateway decodes it before; a function URL passes it on as it was sent. */
function plainPath(rawPath: string): string {
  let path = rawPath;
  try {
    path = decodeURIComponent(rawPath);
  } catch {
    throw oddPath();
  }
  if (!isPlain(path)) throw oddPath();
  return path;
}

function oddPath(): Refusal {
  return new Refusal(
    'bad_channel',
    'a path is made of the letters, digits, "_", ".", "~", "-" and "/" of channel names',
  );
}

/**
 * Returns the bytes that the caller sent. The gateway passes text types on as a string, in which bytes that are not UTF-8 have
 * become U+FFFD. Storing that would corrupt a message silently, so the character is refused. JSON can write it as \ufffd.
 */
function bodyOf(event: HttpEvent): Buffer {
  if (event.isBase64Encoded) return Buffer.from(event.body ?? '', 'base64');
  if (event.body?.includes('\ufffd')) {
    throw new Refusal(
      'bad_request',
      'a body of JSON, text or XML must be UTF-8 without U+FFFD; send other bytes as another type',
    );
  }
  return Buffer.from(event.body ?? '');
}

/** Returns an answer as the result of Lambda. JSON is sent as text. Other types are sent as base64, since they may not be UTF-8. */
export async function toResult(response: Response): Promise<HttpResult> {
  const bytes = Buffer.from(await response.arrayBuffer());
  const isText = isJson(response.headers.get('content-type') ?? '') || bytes.byteLength === 0;
  return {
    statusCode: response.status,
    headers: Object.fromEntries(response.headers),
    body: bytes.toString(isText ? 'utf8' : 'base64'),
    isBase64Encoded: !isText,
  };
}
