/**
 * The closed vocabulary of refusals: PROTOCOL.md §9 lists the same codes, and a test holds the two together.
 * @module
 */

/** Code → HTTP status and meaning. The meaning says who should act. */
export const ERRORS = {
  bad_channel: { status: 400, meaning: 'the channel name breaks the rules of §2: correct the name' },
  bad_offset: {
    status: 400,
    meaning: 'the offset is not one the hub gave out: use Stream-Next-Offset, -1 or now',
  },
  bad_request: {
    status: 400,
    meaning: 'a header, query parameter or member is malformed: the message names it',
  },
  unknown_action: { status: 400, meaning: 'no such action on a socket: §12.1 lists them' },
  bad_content_type: { status: 400, meaning: 'the content type is missing or malformed: send one' },
  bad_json: { status: 400, meaning: 'the channel is JSON and the body is not: correct the body' },
  empty_body: { status: 400, meaning: 'there is nothing to append: send at least one message' },
  unauthorized: {
    status: 401,
    meaning: 'no token, or one that is expired, forged or for another hub: get a new one',
  },
  stale_producer: {
    status: 403,
    meaning: 'a newer epoch of this producer is at work: stop, or go on with a higher epoch',
  },
  forbidden: {
    status: 403,
    meaning: 'the token does not allow this here, whether or not the channel exists',
  },
  channel_not_found: { status: 404, meaning: 'the channel does not exist or has expired: create it' },
  route_not_found: { status: 404, meaning: 'no such path: §1 lists them' },
  method_not_allowed: { status: 405, meaning: 'the path exists, the method does not: see the Allow header' },
  channel_exists: {
    status: 409,
    meaning: 'the channel exists with another configuration: use it as it is, or another name',
  },
  content_type_mismatch: {
    status: 409,
    meaning: 'the content type is not the channel’s: send the channel’s',
  },
  channel_closed: { status: 409, meaning: 'the channel is closed for good: nothing can be appended' },
  sequence_regression: {
    status: 409,
    meaning: 'Stream-Seq is not above the last one accepted: another writer was first',
  },
  producer_gap: {
    status: 409,
    meaning: 'publishes of this producer are missing before this one: send them first',
  },
  too_many_producers: {
    status: 409,
    meaning: 'the channel remembers its limit of producers: use fewer Producer-Ids',
  },
  key_reused: { status: 409, meaning: 'the Idempotency-Key came with another request before: use a new key' },
  too_many_subscriptions: {
    status: 409,
    meaning: 'the connection has its limit of subscriptions: end some, or open another',
  },
  offset_gone: { status: 410, meaning: 'the history at this offset is gone: start again from -1 or now' },
  too_large: { status: 413, meaning: 'the request or a message is over the limits of §8: split it' },
  internal: { status: 500, meaning: 'a defect of the hub, logged there: retry, then report it' },
  not_supported: {
    status: 501,
    meaning: 'a part of the protocol that this version does not offer: do without',
  },
  unavailable: { status: 503, meaning: 'the store is throttled or lost a race: retry after Retry-After' },
} as const satisfies Record<string, { readonly status: number; readonly meaning: string }>;

export type ErrorCode = keyof typeof ERRORS;

/**
 * An answer of "no" that may reach the caller as it is. Whatever else is thrown reaches the caller as `internal`,
 * so internal text cannot leak by accident.
 */
export class Refusal extends Error {
  readonly code: ErrorCode;
  /** What a program may want to know beside the code, by header name. */
  readonly headers: Readonly<Record<string, string>>;

  /** @param message one lower-case sentence with the value received and the value allowed; the caller will read it */
  constructor(code: ErrorCode, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.name = 'Refusal';
    this.code = code;
    this.headers = headers;
  }

  get status(): number {
    return ERRORS[this.code].status;
  }

  toJSON(): { readonly error: { readonly code: ErrorCode; readonly message: string } } {
    return { error: { code: this.code, message: this.message } };
  }
}
