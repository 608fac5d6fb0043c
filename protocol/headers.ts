/**
 * The header names that the hub uses: those of the Durable Streams protocol, and its own.
 * https://github.com/durable-streams/durable-streams/blob/main/PROTOCOL.md
 * @module
 */
export const STREAM_NEXT_OFFSET = 'Stream-Next-Offset';
export const STREAM_START_OFFSET = 'Stream-Start-Offset';
export const STREAM_START_OF_HISTORY = 'Stream-Start-Of-History';
/** Seconds after which a reader at the end of a channel should ask again (PROTOCOL.md §5). */
export const STREAM_POLL_AFTER = 'Stream-Poll-After';
export const STREAM_UP_TO_DATE = 'Stream-Up-To-Date';
export const STREAM_SEQ = 'Stream-Seq';
/** The key of a keyed channel (PROTOCOL.md §4.8). */
export const STREAM_KEY = 'Stream-Key';
export const STREAM_TTL = 'Stream-TTL';
export const STREAM_EXPIRES_AT = 'Stream-Expires-At';
export const STREAM_CLOSED = 'Stream-Closed';
export const STREAM_CURSOR = 'Stream-Cursor';
export const STREAM_SSE_DATA_ENCODING = 'Stream-SSE-Data-Encoding';
export const PRODUCER_ID = 'Producer-Id';
export const PRODUCER_EPOCH = 'Producer-Epoch';
export const PRODUCER_SEQ = 'Producer-Seq';
export const PRODUCER_EXPECTED_SEQ = 'Producer-Expected-Seq';
export const PRODUCER_RECEIVED_SEQ = 'Producer-Received-Seq';
export const IDEMPOTENCY_KEY = 'Idempotency-Key';
/** `true` on a publish: the messages go to those who are connected now, and are not stored (PROTOCOL.md §4.7). */
export const TIDINGS_EPHEMERAL = 'Tidings-Ephemeral';

/**
 * Carries the value of Authorization behind the edge, because CloudFront uses Authorization to sign its own requests to
 * the stream origin.
 */
export const EDGE_TOKEN = 'x-tidings-authorization';

/** Shows the API that a request has come by the front door, if the hub has a domain or a web ACL of its own. */
export const EDGE_DOOR = 'x-tidings-door';

/**
 * Parts of the protocol that this version does not support. They are refused, because ignoring them would change the
 * meaning of a request.
 */
export const UNSUPPORTED_HEADERS = ['Stream-Forked-From', 'Content-Encoding'] as const;
