/**
 * The closed list of error codes. PROTOCOL.md §9 lists the same codes, and a test compares the two.
 * @module
 */

/** Code → HTTP status. PROTOCOL.md §9 has the meanings, so that the bundle of the client does not carry their text. */
export const ERRORS = {
  bad_channel: { status: 400 },
  bad_offset: { status: 400 },
  bad_request: { status: 400 },
  unknown_action: { status: 400 },
  bad_content_type: { status: 400 },
  bad_webhook_url: { status: 400 },
  bad_json: { status: 400 },
  empty_body: { status: 400 },
  reserved_member: { status: 400 },
  bad_key: { status: 400 },
  unauthorized: { status: 401 },
  stale_producer: { status: 403 },
  forbidden: { status: 403 },
  refused: { status: 403 },
  address_not_allowed: { status: 403 },
  too_many_webhooks: { status: 403 },
  channel_not_found: { status: 404 },
  webhook_not_found: { status: 404 },
  delivery_not_found: { status: 404 },
  route_not_found: { status: 404 },
  method_not_allowed: { status: 405 },
  channel_exists: { status: 409 },
  content_type_mismatch: { status: 409 },
  channel_closed: { status: 409 },
  sequence_regression: { status: 409 },
  producer_gap: { status: 409 },
  too_many_producers: { status: 409 },
  key_reused: { status: 409 },
  too_many_subscriptions: { status: 409 },
  webhook_conflict: { status: 409 },
  offset_gone: { status: 410 },
  too_large: { status: 413 },
  too_many_requests: { status: 429 },
  internal: { status: 500 },
  not_supported: { status: 501 },
  unavailable: { status: 503 },
} as const satisfies Record<string, { readonly status: number }>;

/** One of the codes of PROTOCOL.md §9. */
export type ErrorCode = keyof typeof ERRORS;

/**
 * A refusal of a request. The caller receives its code and its message. Any other error reaches the caller as `internal`, without
 * its message, because that may contain internals.
 */
export class Refusal extends Error {
  /** One of the codes of PROTOCOL.md §9. */
  readonly code: ErrorCode;
  /** Headers of the answer, by name: information for programs. */
  readonly headers: Readonly<Record<string, string>>;

  /**
   * Makes a refusal.
   * @param message one lower-case sentence with the value received and the values allowed; the caller reads it
   * @param headers headers of the answer
   */
  constructor(code: ErrorCode, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.name = 'Refusal';
    this.code = code;
    this.headers = headers;
  }

  /** Returns the HTTP status of the code. */
  get status(): number {
    return ERRORS[this.code].status;
  }

  /** Returns the body of the answer. */
  toJSON(): { readonly error: { readonly code: ErrorCode; readonly message: string } } {
    return { error: { code: this.code, message: this.message } };
  }
}
