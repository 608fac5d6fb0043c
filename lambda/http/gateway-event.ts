/**
 * The edge of every HTTP door: API Gateway's payload 2.0, which function URLs share, to a web Request and back.
 *
 * Ours, because hono's own adapter is deprecated and answers some requests itself in plain text (GET with a body,
 * TRACE), where every refusal of the hub is JSON.
 * https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
 * @module
 */
import { Refusal } from '../../protocol/errors.ts';
import { isJson } from '../hub/log/channel.ts';

export interface HttpEvent {
  readonly rawPath: string;
  readonly rawQueryString: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
  readonly isBase64Encoded: boolean;
  readonly method: string;
  readonly domainName: string;
  /** When the gateway received the request, in milliseconds since 1970; undefined if the event does not have it. */
  readonly arrivedAt: number | undefined;
}

export interface HttpResult {
  readonly statusCode: number;
  readonly headers: Record<string, string>;
  readonly body: string;
  readonly isBase64Encoded: boolean;
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;

/** Narrows what Lambda hands over. Anything else is a wiring mistake, not a caller's. */
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
 * @throws TypeError for a header that no web request can have
 * @throws Refusal bad_channel for a path that would not arrive as it was sent, bad_request for text that did not
 */
export function toRequest(event: HttpEvent): Request {
  const scheme = event.headers['x-forwarded-proto'] === 'http' ? 'http' : 'https';
  // The front door says which host was asked; a caller without one who says it only changes links to himself.
  const host = event.headers['x-tidings-host'] ?? event.headers.host ?? event.domainName;
  const url = new URL(
    URL.canParse(`${scheme}://${host}`) ? `${scheme}://${host}` : `https://${event.domainName}`,
  );
  const path = plainPath(event.rawPath);
  url.pathname = path;
  // URLs fold "..", "." and empty host tricks away: what was authorized would not be what was asked for.
  if (url.pathname !== path) throw oddPath();
  url.search = event.rawQueryString;
  const bytes = bodyOf(event);
  const body = BODILESS.has(event.method) || bytes.byteLength === 0 ? null : bytes;
  const request = new Request(url, { method: event.method, headers: event.headers, body });
  // A Request invents a content type for some bodies; what the caller did not say must stay unsaid.
  if (event.headers['content-type'] === undefined) request.headers.delete('content-type');
  return request;
}

/** Printable ASCII, but nothing that URLs give a meaning or rewrite: no channel name needs any of it. */
const isPlain = (path: string): boolean => /^\/[!-~]*$/.test(path) && !/[\\%?#]/.test(path);

/** The path decoded: API Gateway has done so, a function URL hands it on as it was sent. */
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
 * The bytes that the caller sent. The gateway hands text types over as a string, in which whatever was not UTF-8 has
 * become U+FFFD, and to store that would be to corrupt a message silently. So that character is refused; JSON can
 * write it as \ufffd.
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

/** JSON is sent as text; everything else as base64, since no other type promises to be UTF-8. */
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
