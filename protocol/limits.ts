/**
 * Every number that callers can run into. Imports nothing: what runs, what deploys and what tests all read it.
 * @module
 */

/**
 * One message, in bytes. The WebSocket limit of API Gateway, so that a message that was accepted fits every transport.
 * https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html
 */
export const MAX_MESSAGE_BYTES = 128 * 1024;

/** One publish request, in bytes. Stored as one DynamoDB item, whose own limit is 400 KB. */
export const MAX_REQUEST_BYTES = 256 * 1024;

/** Messages in one publish request. An offset has room for 10^4 (see offset.ts), so this may grow tenfold. */
export const MAX_MESSAGES_PER_REQUEST = 1_000;

/** Characters of a channel name, of one of its segments, and the number of segments. */
export const MAX_CHANNEL_LENGTH = 255;
export const MAX_SEGMENT_LENGTH = 64;
export const MAX_SEGMENTS = 8;

/** Characters of a content type and of a Stream-Seq: both are kept on the channel's item, and each started KB of it is another write unit for every publish. */
export const MAX_CONTENT_TYPE_LENGTH = 255;
export const MAX_STREAM_SEQ_LENGTH = 255;

/** Characters of a Producer-Id and of an Idempotency-Key. */
export const MAX_PRODUCER_ID_LENGTH = 100;
export const MAX_IDEMPOTENCY_KEY_LENGTH = 255;

/**
 * Producers that one channel remembers at a time. Their state is on the channel's item, so that it changes in the
 * same write as the claim; each is about 200 bytes, and every publish pays for the whole item.
 */
export const MAX_PRODUCERS = 50;

/** Publishes of one producer that may be under way at once; the Durable Streams client sends five. */
export const PRODUCER_WINDOW = 8;

/** How long an Idempotency-Key is remembered, in milliseconds: a day. */
export const IDEMPOTENCY_KEPT_MS = 24 * 3_600_000;

/** Longest Stream-TTL, in seconds: 10 years. Who means for ever leaves it out. */
export const MAX_TTL_SECONDS = 10 * 365 * 24 * 3_600;

/**
 * How long a claimed slot may stay empty, in milliseconds, before a reader seals it. A publisher writes right after
 * it claims (single milliseconds); three seconds outlast its SDK's retries, and bound how long a crashed publisher
 * can hold up readers.
 */
export const GAP_GRACE_MS = 3_000;

/**
 * How long after its claim an entry can still be written, at the utmost, in milliseconds: six times the timeout of the
 * function that writes it, after which Lambda has ended it.
 */
export const LATEST_WRITE_MS = 60_000;

/** Channels that one stream of /events may follow. Their offsets travel in one id of 17 characters each. */
export const MAX_FOLLOWED_CHANNELS = 20;

/** Between signs of life on a stream, in milliseconds; CloudFront cuts an origin that is silent for 30 s. */
export const HEARTBEAT_MS = 15_000;

/**
 * How long an EventSource waits before it comes again, in milliseconds: from the first to the second, at random for each
 * stream. Streams that began together end together, and their readers must not come back together.
 */
export const MIN_RECONNECT_MS = 1_000;
export const MAX_RECONNECT_MS = 3_000;

/** What a 503 tells the caller to wait, in seconds. DynamoDB's throttling clears in about one. */
export const RETRY_AFTER_SECONDS = 1;

/** What a caller is told to wait who has all that he may have at a time, in seconds: a held request ends within 25. */
export const TOO_MANY_RETRY_AFTER_SECONDS = 5;

/** Clock difference between the issuer of a token and the hub that is forgiven, in seconds. */
export const TOKEN_LEEWAY_SECONDS = 30;

/**
 * One frame to a socket, in bytes, envelope and all: API Gateway bills messages in units of 32 KB.
 * https://aws.amazon.com/api-gateway/pricing/
 */
export const FRAME_BYTES = 32 * 1024;

/** The most that can be sent to a socket at once, or come from one, in bytes; a message too large for it is announced. */
export const MAX_POST_BYTES = 128 * 1024;

/** Subscriptions of one connection. They are kept on its own item, which each change of them writes whole. */
export const MAX_SUBSCRIPTIONS = 100;

/** Messages that one connection may say in a second, and at once after it was silent. */
export const MAX_MESSAGES_PER_SECOND = 100;
export const MAX_MESSAGE_BURST = 500;

/** Characters of the `id` that a client gives a request on a socket, to know its answer by. */
export const MAX_REQUEST_ID_LENGTH = 64;

/**
 * API Gateway ends a connection after two hours whatever happens, in milliseconds.
 * https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html
 */
export const CONNECTION_LIFE_MS = 2 * 3_600_000;

/** How long a ticket may wait to be used, in milliseconds. */
export const TICKET_LIFE_MS = 60_000;

/**
 * Characters of the `sub` of a token that opens a socket: it is part of a key of the table of who listens. OpenID Connect
 * has no longer ones. https://openid.net/specs/openid-connect-core-1_0.html#IDToken
 */
export const MAX_PRINCIPAL_LENGTH = 255;

/** Endpoints of one caller (by `sub` of the token; all without one are one caller), and of the hub. */
export const MAX_WEBHOOKS_PER_CALLER = 100;
export const MAX_WEBHOOKS = 1_000;

/** One request to manage webhooks, in bytes: twenty patterns, fifty types and a URL fit several times. */
export const MAX_WEBHOOK_REQUEST_BYTES = 16 * 1024;

/** Patterns, types, and characters of a type, of a URL and of a description of an endpoint. */
export const MAX_WEBHOOK_CHANNELS = 20;
export const MAX_WEBHOOK_TYPES = 50;
export const MAX_TYPE_LENGTH = 128;
export const MAX_WEBHOOK_URL_LENGTH = 2_048;
export const MAX_DESCRIPTION_LENGTH = 256;

/** Deliveries a minute that an endpoint may ask to be slowed down to. */
export const MAX_WEBHOOK_RATE = 60_000;

/** Endpoints or deliveries in one answer: by default, and at the most. */
export const DEFAULT_PAGE = 50;
export const MAX_PAGE = 100;

/** Bytes of a webhook secret. https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md */
export const MIN_SECRET_BYTES = 24;
export const MAX_SECRET_BYTES = 64;

/** How long a secret that was replaced still signs, in milliseconds: a day. */
export const SECRET_OVERLAP_MS = 24 * 3_600_000;

/** One attempt on an endpoint, from the look-up of its name to the last byte of its answer, in milliseconds. */
export const DELIVERY_TIMEOUT_MS = 15_000;

/** Bytes of an answer that are read, and of it that are kept. */
export const MAX_ANSWER_BYTES = 128 * 1024;
export const KEPT_ANSWER_BYTES = 1_024;

/** Requests that are under way to one endpoint at a time. */
export const DELIVERIES_IN_FLIGHT = 10;

/** How long deliveries and their attempts are kept, in milliseconds: 30 days. */
export const DELIVERIES_KEPT_MS = 30 * 24 * 3_600_000;
