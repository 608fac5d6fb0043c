/**
 * The meaning of each code, and who must act. PROTOCOL.md §9 says the same, and a test compares the two.
 * @module
 */
import type { ErrorCode } from './errors.ts';

/** Code → meaning. */
export const MEANINGS: Readonly<Record<ErrorCode, string>> = {
  bad_channel: 'the channel name breaks the rules of §2: correct the name',
  bad_offset: 'the offset is not one the hub gave out: use Stream-Next-Offset, -1 or now',
  bad_request: 'a header, query parameter or member is malformed: the message names it',
  unknown_action: 'no such action on a socket: §12.1 lists them',
  bad_content_type: 'the content type is missing or malformed: send one',
  bad_webhook_url: 'the URL is no https URL, or has a user name or an unusual port: correct it',
  bad_json: 'the body is not the JSON that is needed here: correct the body',
  empty_body: 'there is nothing to append: send at least one message',
  reserved_member: 'the hub itself sets a member that the message has, or the message is no object: §4.6',
  unauthorized: 'no token, or one that is expired, forged or for another hub: get a new one',
  stale_producer: 'a newer epoch of this producer is at work: stop, or go on with a higher epoch',
  forbidden:
    'the token, or the origin of the page, does not allow this here, whether or not the channel exists',
  address_not_allowed:
    'the URL is of an address that the hub does not call: use a public one, not the hub’s own',
  too_many_webhooks: 'the hub or the caller has its limit of endpoints: remove some',
  channel_not_found: 'the channel does not exist or has expired: create it',
  webhook_not_found: 'no such endpoint, or not one of yours',
  delivery_not_found: 'the endpoint has no such delivery, or not any more: they are kept for 30 days',
  route_not_found: 'no such path: §1 lists them',
  method_not_allowed: 'the path exists, the method does not: see the Allow header',
  channel_exists: 'the channel exists with another configuration: use it as it is, or another name',
  content_type_mismatch:
    'the content type is not the channel’s, or makes no channel (§2): send the channel’s, or create the channel first',
  channel_closed: 'the channel is closed for good: nothing can be appended',
  sequence_regression: 'Stream-Seq is not above the last one accepted: another writer was first',
  producer_gap: 'publishes of this producer are missing before this one: send them first',
  too_many_producers: 'the channel remembers its limit of producers: use fewer Producer-Ids',
  key_reused: 'the Idempotency-Key came with another request before: use a new key',
  too_many_subscriptions: 'the connection has its limit of subscriptions: end some, or open another',
  webhook_conflict: 'the endpoint is not in a state for this, or was changed meanwhile: read it again',
  offset_gone: 'the history at this offset is gone: start again from -1 or now',
  too_large: 'the request or a message is over the limits of §8: split it',
  too_many_requests:
    'the caller has all the connections or held requests, or says all the messages, that §8 allows: end some, or wait',
  internal: 'a defect of the hub, logged there: retry, then report it',
  not_supported: 'a part of the protocol that this version does not offer: do without',
  unavailable: 'the store is throttled or lost a race: retry after Retry-After',
};
