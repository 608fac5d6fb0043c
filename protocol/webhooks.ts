/**
 * The header names of Standard Webhooks and of CloudEvents' handshake, and the hub's own channels, spelled once.
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

/** How the hub introduces itself to whom it calls. */
export const USER_AGENT = 'Tidings/0.1';

/** Channels below this name are the hub's own to publish on. */
const OWN = 'tidings/';

/** Where is told what happens to endpoints. */
export const WEBHOOK_NOTICES = 'tidings/webhooks';

export const isOwnChannel = (channel: string): boolean => channel.startsWith(OWN);
