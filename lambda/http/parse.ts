/**
 * From headers and query to what the domain asks for. Everything in here is untrusted.
 * @module
 */
import { Refusal } from '../../protocol/errors.ts';
import { STREAM_EXPIRES_AT, STREAM_SEQ, STREAM_TTL, UNSUPPORTED_HEADERS } from '../../protocol/headers.ts';
import { MAX_CONTENT_TYPE_LENGTH, MAX_STREAM_SEQ_LENGTH, MAX_TTL_SECONDS } from '../../protocol/limits.ts';
import { parseOffset } from '../../protocol/offset.ts';
import type { AppendRequest } from '../hub/append.ts';
import { DEFAULT_CONTENT_TYPE } from '../hub/channel.ts';
import type { CreateRequest } from '../hub/lifecycle.ts';
import type { From } from '../hub/read.ts';

/** `type/subtype` and parameters, printable ASCII only: it is stored, and sent back as a header. */
const CONTENT_TYPE = /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+(\s*;[\x20-\x7e]*)?$/;
/** ASCII, so that every store and language agrees on its order. */
const STREAM_SEQ_VALUE = new RegExp(`^[\\x20-\\x7e]{1,${MAX_STREAM_SEQ_LENGTH}}$`);
const DECIMAL = /^(0|[1-9]\d*)$/;
/** https://www.rfc-editor.org/rfc/rfc3339#section-5.6 */
const RFC3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/i;

export async function parseAppend(channel: string, raw: Request): Promise<AppendRequest> {
  refuseUnsupported(raw);
  const body = await raw.bytes();
  if (body.byteLength === 0) throw new Refusal('empty_body', 'the body is empty');
  const contentType = contentTypeOf(raw);
  if (contentType === undefined) throw new Refusal('bad_content_type', 'the Content-Type header is missing');
  const seq = raw.headers.get(STREAM_SEQ) ?? undefined;
  if (seq !== undefined && !STREAM_SEQ_VALUE.test(seq)) {
    throw new Refusal(
      'bad_request',
      `${STREAM_SEQ} must be 1 to ${MAX_STREAM_SEQ_LENGTH} printable ASCII characters, got ${seq.length} characters`,
    );
  }
  return { channel, contentType, seq, body };
}

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
  if (expiresAt !== undefined && !(RFC3339.test(expiresAt) && Number.isFinite(Date.parse(expiresAt)))) {
    throw new Refusal('bad_request', `${STREAM_EXPIRES_AT} must be an RFC 3339 time, got "${expiresAt}"`);
  }
  return {
    channel,
    contentType: contentTypeOf(raw) ?? DEFAULT_CONTENT_TYPE,
    ttlSeconds: ttl === undefined ? undefined : Number(ttl),
    expiresAt,
    body: await raw.bytes(),
  };
}

/** Where a GET starts: from the beginning if it does not say. */
export function parseFrom(raw: Request): From {
  const query = new URL(raw.url).searchParams;
  const live = query.get('live');
  if (live !== null)
    throw new Refusal('not_supported', `live reads are not offered, got live=${live.slice(0, 32)}`);
  const offsets = query.getAll('offset');
  if (offsets.length > 1) throw new Refusal('bad_offset', `send one offset, got ${offsets.length}`);
  const [offset] = offsets;
  if (offset === undefined || offset === '-1') return 'beginning';
  if (offset === 'now') return 'now';
  const position = parseOffset(offset);
  if (!position)
    throw new Refusal('bad_offset', 'an offset is 16 digits as given by Stream-Next-Offset, -1 or now');
  return position;
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

/** To ignore these would be to lose what they mean: a close that does not close, a retry that appends twice. */
function refuseUnsupported(raw: Request): void {
  const name = UNSUPPORTED_HEADERS.find((header) => raw.headers.has(header));
  if (name) throw new Refusal('not_supported', `${name} is not offered`);
}
