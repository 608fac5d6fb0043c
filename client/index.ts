/**
 * A client for browsers and Node. It reads a channel by the best transport that works, and loses and repeats nothing
 * when the transport changes (PROTOCOL.md §11).
 * @module
 */
import { connectOver, type Hub } from './connect.ts';
import { realHost } from './host.ts';
import type { ConnectOptions } from './options.ts';

export type {
  EphemeralOptions,
  HistoryOptions,
  Hub,
  Publish,
  PublishOptions,
  SubscribeOptions,
  Subscription,
} from './connect.ts';
export type { Batch } from './cursor.ts';
export { TidingsError } from './errors.ts';
export type { ConnectOptions } from './options.ts';
export type { Presence, PresenceMember, PresenceOptions } from './presence/presence.ts';
export type { Token } from './token.ts';
export type { ConnectionState, Transport } from './transports/failover.ts';
export type { Ephemeral } from './transports/frames.ts';

/**
 * Returns a client of one hub. It connects with the first subscription.
 * @throws TypeError for an option that cannot be used
 */
export const connect = (options: ConnectOptions): Hub => connectOver(realHost(), options);
