/**
 * The names of the webhook protocol: headers of Standard Webhooks and of the CloudEvents handshake, and the hub's own channels.
 * https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 * https://github.com/cloudevents/spec/blob/main/cloudevents/http-webhook.md
 * @module
 */
export const WEBHOOK_ID = 'webhook-id';
export const WEBHOOK_TIMESTAMP = 'webhook-timestamp';
export const WEBHOOK_SIGNATURE = 'webhook-signature';
export const REQUEST_ORIGIN = 'webhook-request-origin';
export const ALLOWED_ORIGIN = 'webhook-allowed-origin';
export const ALLOWED_RATE = 'webhook-allowed-rate';
export const SECRET_PREFIX = 'whsec_';

/** The User-Agent of the hub's requests to endpoints. */
export const USER_AGENT = 'Tidings/0.1';

/** The prefix of the channels on which only the hub publishes. */
const OWN = 'tidings/';

/** The channel that reports what happens to endpoints. */
export const WEBHOOK_NOTICES = 'tidings/webhooks';

/** Returns true for a channel on which only the hub publishes. */
export const isOwnChannel = (channel: string): boolean => channel.startsWith(OWN);
