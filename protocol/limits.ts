/**
 * Every limit that callers can meet. It imports nothing, because the functions, the deployment and the tests all read
 * it.
 * @module
 */

/**
 * Bytes of one message. It is the WebSocket limit of API Gateway, so that every accepted message fits every transport.
 * https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html
 */
export const MAX_MESSAGE_BYTES = 128 * 1024;

/** Bytes of one publish request. It is stored as one DynamoDB item, whose limit is 400 KB. */
export const MAX_REQUEST_BYTES = 256 * 1024;

/** Messages in one publish request. An offset has room for 10^4 (offset.ts), so this limit may grow tenfold. */
export const MAX_MESSAGES_PER_REQUEST = 1_000;

/** Characters of a channel name, of one of its segments, and the number of segments. */
export const MAX_CHANNEL_LENGTH = 255;
export const MAX_SEGMENT_LENGTH = 64;
export const MAX_SEGMENTS = 8;

/**
 * Characters of a content type and of a Stream-Seq. Both are stored in the channel's item, and each started KB of it
 * costs another write unit per publish.
 */
export const MAX_CONTENT_TYPE_LENGTH = 255;
export const MAX_STREAM_SEQ_LENGTH = 255;

/**
 * Pointers of a Stream-Key, and its characters: it is stored in the channel's item, like the content type. Characters of the values
 * of one key: a snapshot has each key once.
 */
export const MAX_KEY_POINTERS = 4;
export const MAX_STREAM_KEY_LENGTH = 255;
export const MAX_KEY_LENGTH = 256;

/** Characters of a Producer-Id and of an Idempotency-Key. */
export const MAX_PRODUCER_ID_LENGTH = 100;
export const MAX_IDEMPOTENCY_KEY_LENGTH = 255;

/** Messages that a read may ask for by `last` or `limit`, and that `before` returns without a `limit`. */
export const MAX_MESSAGES = 1_000;
export const DEFAULT_MESSAGES = 100;

/** The shortest and the longest advice to a reader that polls, in seconds, and the advice for a channel without a message. */
export const MIN_POLL_AFTER_SECONDS = 1;
export const MAX_POLL_AFTER_SECONDS = 30;
export const EMPTY_POLL_AFTER_SECONDS = 5;

/**
 * Producers that one channel remembers. Their state is in the channel's item, so that it changes in the same write as
 * the claim. Each has about 200 bytes, and every publish pays for the whole item.
 */
export const MAX_PRODUCERS = 50;

/** Publishes of one producer that may run at the same time. The Durable Streams client sends five. */
export const PRODUCER_WINDOW = 8;

/** The time for which an Idempotency-Key is remembered, in milliseconds: a day. */
export const IDEMPOTENCY_KEPT_MS = 24 * 3_600_000;

/** Longest Stream-TTL, in seconds: 10 years. Without a Stream-TTL a channel never expires. */
export const MAX_TTL_SECONDS = 10 * 365 * 24 * 3_600;

/**
 * The time for which a claimed slot may stay empty, in milliseconds. Then a reader seals it. A publisher writes a few
 * milliseconds after its claim. Three seconds are longer than the retries of its SDK, and limit how long a crashed
 * publisher delays readers.
 */
export const GAP_GRACE_MS = 3_000;

/**
 * The longest time between a claim and the write of its entry, in milliseconds: six times the timeout of the publish
 * function, after which Lambda has ended it.
 */
export const LATEST_WRITE_MS = 60_000;

/** Channels that one stream of /events may follow. Their offsets are in one id, with 17 characters each. */
export const MAX_FOLLOWED_CHANNELS = 20;

/**
 * The time between two heartbeats on a stream, in milliseconds. CloudFront closes a connection to an origin that is
 * silent for 30 s.
 */
export const HEARTBEAT_MS = 15_000;

/**
 * The wait of an EventSource before it reconnects, in milliseconds: a random time between the two, drawn for each
 * stream. Streams that begin together end together, and their readers must not come back together.
 */
export const MIN_RECONNECT_MS = 1_000;
export const MAX_RECONNECT_MS = 3_000;

/** Retry-After of a 503, in seconds. Throttling of DynamoDB ends in about one second. */
export const RETRY_AFTER_SECONDS = 1;

/**
 * Retry-After of a caller that has all its connections or held requests, in seconds. A held request ends within 25 s.
 */
export const TOO_MANY_RETRY_AFTER_SECONDS = 5;

/** Difference between the clocks of the issuer and the hub that is tolerated, in seconds. */
export const TOKEN_LEEWAY_SECONDS = 30;

/**
 * Bytes of one frame to a socket, with its envelope. API Gateway bills messages in units of 32 KB.
 * https://aws.amazon.com/api-gateway/pricing/
 */
export const FRAME_BYTES = 32 * 1024;

/**
 * Bytes of the ephemeral messages of one request, with a comma between each two: one frame takes them. The envelope of the frame
 * has 58 bytes, a channel and a pattern of up to 255 each.
 */
export const MAX_EPHEMERAL_BYTES = 32_000;

/** Bytes of one post to a socket, and of one frame from a socket. A larger message is announced only. */
export const MAX_POST_BYTES = 128 * 1024;

/** Subscriptions of one connection. They are in the connection's item, and each change writes the whole item. */
export const MAX_SUBSCRIPTIONS = 100;

/** Messages that one connection may send per second, and at once after a silence. */
export const MAX_MESSAGES_PER_SECOND = 100;
export const MAX_MESSAGE_BURST = 500;

/** Characters of the `id` of a request on a socket. */
export const MAX_REQUEST_ID_LENGTH = 64;

/**
 * The life of a connection, in milliseconds: API Gateway ends it after two hours.
 * https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html
 */
export const CONNECTION_LIFE_MS = 2 * 3_600_000;

/** The lifetime of a ticket, in milliseconds. */
export const TICKET_LIFE_MS = 60_000;

/**
 * Characters of the `sub` of a token that opens a socket. It is part of a key of the subscribers table. OpenID
 * Connect allows no longer ones. https://openid.net/specs/openid-connect-core-1_0.html#IDToken
 */
export const MAX_PRINCIPAL_LENGTH = 255;

/**
 * Endpoints of one caller, and of the hub. A caller is the `sub` of its token. All callers without one count as one
 * caller.
 */
export const MAX_WEBHOOKS_PER_CALLER = 100;
export const MAX_WEBHOOKS = 1_000;

/** Bytes of one request that manages webhooks. Twenty patterns, fifty types and a URL fit several times. */
export const MAX_WEBHOOK_REQUEST_BYTES = 16 * 1024;

/** Limits of one endpoint: patterns, types, characters of a type, of its URL and of its description. */
export const MAX_WEBHOOK_CHANNELS = 20;
export const MAX_WEBHOOK_TYPES = 50;
export const MAX_TYPE_LENGTH = 128;
export const MAX_WEBHOOK_URL_LENGTH = 2_048;
export const MAX_DESCRIPTION_LENGTH = 256;

/** The highest rate that an endpoint may ask for, in deliveries per minute. */
export const MAX_WEBHOOK_RATE = 60_000;

/** Endpoints or deliveries in one answer: the default and the maximum. */
export const DEFAULT_PAGE = 50;
export const MAX_PAGE = 100;

/** Bytes of a webhook secret. https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md */
export const MIN_SECRET_BYTES = 24;
export const MAX_SECRET_BYTES = 64;

/** The time for which a replaced secret still signs, in milliseconds: a day. */
export const SECRET_OVERLAP_MS = 24 * 3_600_000;

/** The time limit of one attempt, in milliseconds, from the DNS look-up to the last byte of the answer. */
export const DELIVERY_TIMEOUT_MS = 15_000;

/** Bytes of an endpoint's answer that are read, and that are stored. */
export const MAX_ANSWER_BYTES = 128 * 1024;
export const KEPT_ANSWER_BYTES = 1_024;

/** Requests to one endpoint that run at the same time. */
export const DELIVERIES_IN_FLIGHT = 10;

/**
 * The longest and the usual time that the handler of a hook may take, in milliseconds. A publish may wait for 5 s for the store after
 * it, and its function has 10 s.
 */
export const MAX_HOOK_MS = 3_000;
export const USUAL_HOOK_MS = 1_000;

/** The time for which deliveries and their attempts are stored, in milliseconds: 30 days. */
export const DELIVERIES_KEPT_MS = 30 * 24 * 3_600_000;

/** Bytes of the data of a member of a channel, and characters of the id that a reader over HTTP chooses for itself. */
export const MAX_PRESENCE_DATA_BYTES = 1_024;
export const MAX_READER_LENGTH = 64;

/** The longest pause between two pings of a socket that is in a channel with presence, in milliseconds. */
export const PRESENCE_PING_MS = 25_000;

/**
 * The time after its last ping for which a socket is shown, in milliseconds. One lost ping does no harm, and neither does a browser that
 * lets the timers of a hidden page run once a minute.
 */
export const PRESENCE_KEPT_MS = 65_000;

/**
 * The time for which a reader over HTTP is shown after its request had to end, in milliseconds. An EventSource waits for up to three
 * seconds before it connects again.
 */
export const PRESENCE_RETURN_MS = 8_000;
