/**
 * Parses headers and bodies of requests that change a channel. All input is untrusted. parse-read.ts parses requests that read.
 * @module
 */
import { isChannelName } from '../../protocol/channel-name.ts';
import { Refusal } from '../../protocol/errors.ts';
import {
  IDEMPOTENCY_KEY,
  PRODUCER_EPOCH,
  PRODUCER_ID,
  PRODUCER_SEQ,
  STREAM_CLOSED,
  STREAM_EXPIRES_AT,
  STREAM_KEY,
  STREAM_SEQ,
  STREAM_TTL,
  UNSUPPORTED_HEADERS,
} from '../../protocol/headers.ts';
import {
  MAX_CONTENT_TYPE_LENGTH,
  MAX_IDEMPOTENCY_KEY_LENGTH,
  MAX_PRODUCER_ID_LENGTH,
  MAX_STREAM_SEQ_LENGTH,
  MAX_TTL_SECONDS,
} from '../../protocol/limits.ts';
import { parseStreamKey } from '../hub/keyed/stream-key.ts';
import type { AppendRequest } from '../hub/log/append.ts';
import { DEFAULT_CONTENT_TYPE, isJson } from '../hub/log/channel.ts';
import type { Once } from '../hub/log/idempotency-key.ts';
import type { CreateRequest } from '../hub/log/lifecycle.ts';
import type { Producer } from '../hub/log/producer.ts';

/** `type/subtype` and parameters, printable ASCII only, because it is stored and sent back as a header. */
const CONTENT_TYPE = /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+(\s*;[\x20-\x7e]*)?$/;
/** ASCII, so that every store and language agrees on its order. */
const PRINTABLE = /^[\x20-\x7e]+$/;
const DECIMAL = /^(0|[1-9]\d*)$/;
/** https://www.rfc-editor.org/rfc/rfc3339#section-5.6 */
const RFC3339 = /^(\d{4})-(\d\d)-(\d\d)T\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/i;

/** A publish, and its Idempotency-Key if it has one. */
export interface PublishRequest {
  /** The messages, and the conditions under which they are appended. */
  readonly append: AppendRequest;
  /** The key, and a hash of the request. Undefined: no key was sent. */
  readonly once: Once | undefined;
}

/** Parses POST. @throws Refusal bad_request, bad_content_type, empty_body, not_supported */
export async function parseAppend(channel: string, raw: Request): Promise<PublishRequest> {
  refuseUnsupported(raw);
  const body = await raw.bytes();
  const close = isTrue(raw, STREAM_CLOSED);
  const producer = producerOf(raw);
  const append = {
    channel,
    contentType: appendedType(raw, body, close),
    seq: seqOf(raw),
    close,
    producer,
    body,
  };
  const key = textHeader(raw, IDEMPOTENCY_KEY, MAX_IDEMPOTENCY_KEY_LENGTH);
  if (key === undefined) return { append, once: undefined };
  if (producer) throw new Refusal('bad_request', `send ${IDEMPOTENCY_KEY} or ${PRODUCER_ID}, not both`);
  return { append, once: { key, fingerprint: await fingerprintOf(append) } };
}

/** A request that only closes needs no content type. If it has one, the hub ignores it (Durable Streams §5.2). */
function appendedType(raw: Request, body: Uint8Array, close: boolean): string | undefined {
  if (body.byteLength === 0 && close) return undefined;
  if (body.byteLength === 0) throw new Refusal('empty_body', 'the body is empty');
  const contentType = contentTypeOf(raw);
  if (contentType === undefined) throw new Refusal('bad_content_type', 'the Content-Type header is missing');
  return contentType;
}

const seqOf = (raw: Request): string | undefined => textHeader(raw, STREAM_SEQ, MAX_STREAM_SEQ_LENGTH);

function textHeader(raw: Request, name: string, longest: number): string | undefined {
  const value = raw.headers.get(name) ?? undefined;
  if (value === undefined || (PRINTABLE.test(value) && value.length <= longest)) return value;
  throw new Refusal(
    'bad_request',
    `${name} must be 1 to ${longest} printable ASCII characters, got ${value.length} characters`,
  );
}

/** Returns true for "true" in any case. Any other value counts as absent (Durable Streams §4.1). */
const isTrue = (raw: Request, name: string): boolean =>
  raw.headers.get(name)?.trim().toLowerCase() === 'true';

function producerOf(raw: Request): Producer | undefined {
  const names = [PRODUCER_ID, PRODUCER_EPOCH, PRODUCER_SEQ];
  const present = names.filter((name) => raw.headers.has(name));
  if (present.length === 0) return undefined;
  if (present.length < names.length) {
    throw new Refusal('bad_request', `${names.join(', ')} come together, got only ${present.join(', ')}`);
  }
  const id = textHeader(raw, PRODUCER_ID, MAX_PRODUCER_ID_LENGTH) ?? '';
  return { id, epoch: numberHeader(raw, PRODUCER_EPOCH), seq: numberHeader(raw, PRODUCER_SEQ) };
}

function numberHeader(raw: Request, name: string): number {
  const value = raw.headers.get(name) ?? '';
  if (DECIMAL.test(value) && Number.isSafeInteger(Number(value))) return Number(value);
  throw new Refusal(
    'bad_request',
    `${name} must be a whole number from 0 to ${Number.MAX_SAFE_INTEGER}, got "${value.slice(0, 32)}"`,
  );
}

/** Returns a hash of all that decides what is appended. Two requests with the same hash are the same request. */
export async function fingerprintOf({
  contentType = '',
  seq = '',
  close,
  body,
}: AppendRequest): Promise<string> {
  const settings = JSON.stringify([contentType, seq, close]);
  const hash = await crypto.subtle.digest('SHA-256', Buffer.concat([Buffer.from(settings), body]));
  return Buffer.from(hash).toString('base64url');
}

/** Parses PUT. @throws Refusal bad_request, bad_content_type, not_supported */
export async function parseCreate(channel: string, raw: Request): Promise<CreateRequest> {
  refuseUnsupported(raw);
  const ttl = raw.headers.get(STREAM_TTL) ?? undefined;
  const expiresAt = raw.headers.get(STREAM_EXPIRES_AT) ?? undefined;
  if (ttl !== undefined && expiresAt !== undefined) {
    throw new Refusal('bad_request', `send ${STREAM_TTL} or ${STREAM_EXPIRES_AT}, not both`);
  }
  if (ttl !== undefined && !(DECIMAL.test(ttl) && Number(ttl) <= MAX_TTL_SECONDS)) {
    throw new Refusal(
      'bad_request',
      `${STREAM_TTL} must be whole seconds up to ${MAX_TTL_SECONDS}, got "${ttl}"`,
    );
  }
  if (expiresAt !== undefined && !isTime(expiresAt)) {
    throw new Refusal('bad_request', `${STREAM_EXPIRES_AT} must be an RFC 3339 time, got "${expiresAt}"`);
  }
  const contentType = contentTypeOf(raw) ?? DEFAULT_CONTENT_TYPE;
  return {
    channel,
    contentType,
    streamKey: streamKeyOf(raw, contentType, ttl),
    ttlSeconds: ttl === undefined ? undefined : Number(ttl),
    expiresAt,
    close: isTrue(raw, STREAM_CLOSED),
    body: await raw.bytes(),
  };
}

function streamKeyOf(raw: Request, contentType: string, ttl: string | undefined): string | undefined {
  const header = raw.headers.get(STREAM_KEY) ?? undefined;
  if (header === undefined) return undefined;
  if (!isJson(contentType))
    throw new Refusal('bad_request', `${STREAM_KEY} is for application/json, got ${contentType}`);
  // What outlives the retention must end with its channel, and only a fixed end is known when it is stored.
  if (ttl !== undefined) throw new Refusal('bad_request', `${STREAM_KEY} does not go with ${STREAM_TTL}`);
  return parseStreamKey(header);
}

/** Returns true for an RFC 3339 time of a day that exists. Date.parse alone would read 30 February as 2 March. */
export function isTime(text: string): boolean {
  const [, year, month, day] = RFC3339.exec(text)?.map(Number) ?? [];
  if (year === undefined || month === undefined || day === undefined) return false;
  const date = new Date(Date.UTC(year, month - 1, day));
  return date.getUTCMonth() === month - 1 && Number.isFinite(Date.parse(text));
}

/** Checks the name of a channel. @throws Refusal bad_channel */
export function refuseBadName(name: string): void {
  if (isChannelName(name)) return;
  throw new Refusal(
    'bad_channel',
    'a channel name is 1 to 8 segments of 1 to 64 letters, digits, "_", ".", "~" or "-", joined by "/", 255 characters at most',
  );
}

function contentTypeOf(raw: Request): string | undefined {
  const contentType = raw.headers.get('content-type') ?? undefined;
  if (contentType === undefined) return undefined;
  if (contentType.length > MAX_CONTENT_TYPE_LENGTH || !CONTENT_TYPE.test(contentType)) {
    throw new Refusal(
      'bad_content_type',
      `a content type is type/subtype of at most ${MAX_CONTENT_TYPE_LENGTH} characters`,
    );
  }
  return contentType;
}

/** These headers change what a request means. A hub that ignored them would not close, or would append twice. */
function refuseUnsupported(raw: Request): void {
  const name = UNSUPPORTED_HEADERS.find((header) => raw.headers.has(header));
  if (name) throw new Refusal('not_supported', `${name} is not offered`);
}
