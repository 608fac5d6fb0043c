/**
 * An endpoint: the URL of a subscriber, and what the hub sends there (PROTOCOL.md §13.1).
 * @module
 */
import { patternsOf } from '../../protocol/channel-name.ts';

/** The formats of a webhook's body (PROTOCOL.md §13.3). */
export const FORMATS = ['standard', 'cloudevents'] as const;
/** One of FORMATS. */
export type Format = (typeof FORMATS)[number];

/** The states of an endpoint. `pending`: it has not agreed to receive events yet, and receives none. */
export const ENDPOINT_STATUSES = ['enabled', 'disabled', 'pending'] as const;
/** One of ENDPOINT_STATUSES. */
export type EndpointStatus = (typeof ENDPOINT_STATUSES)[number];

/** The reasons for which an endpoint is disabled: its owner asked for it, it failed for too long, or it answered 410. */
export const DISABLED_REASONS = ['asked', 'failing', 'gone'] as const;
/** One of DISABLED_REASONS. */
export type DisabledReason = (typeof DISABLED_REASONS)[number];

/** An endpoint as it is stored. Times are milliseconds since 1970. */
export interface Endpoint {
  /** `ep_` and 32 hexadecimal digits. */
  readonly id: string;
  /** The URL in canonical spelling. */
  readonly url: string;
  /** Patterns of the channels whose messages are sent. */
  readonly channels: readonly string[];
  /**
   * Types of the messages that are sent. `order.*` stands for all that begin with `order.`; an empty list for all types.
   */
  readonly types: readonly string[];
  /** The format of the bodies. */
  readonly format: Format;
  /** Text for people, at most 256 characters. */
  readonly description: string;
  /** Deliveries a minute at most; undefined for no limit. */
  readonly rate: number | undefined;
  /** The present state. */
  readonly status: EndpointStatus;
  /** The reason for which it is disabled; undefined if it is not. */
  readonly reason: DisabledReason | undefined;
  /** True if it must agree before it receives events (the abuse protection of CloudEvents). */
  readonly handshake: boolean;
  /** `sub` of the token that created it; undefined for a caller without one. */
  readonly principal: string | undefined;
  /** The time of its creation. */
  readonly createdAt: number;
  /** The time at which it was enabled last. Earlier failures do not count against it. */
  readonly enabledAt: number;
  /** Its secrets, encrypted by the SecretSealer. */
  readonly sealed: string;
  /** Counts its changes from 1 on, so that two changes at the same time cannot both be made. */
  readonly version: number;
}

/** The secrets that sign the deliveries of an endpoint. Each is `whsec_` and base64. */
export interface Secrets {
  /** The secret since the last rotation. */
  readonly current: string;
  /** The secret before the last rotation, which also signs until `until` (milliseconds since 1970). */
  readonly previous: { readonly secret: string; readonly until: number } | undefined;
}

/** Returns true if the channel matches one of the endpoint's patterns. */
export const listensTo = ({ channels }: Endpoint, channel: string): boolean =>
  patternsOf(channel).some((pattern) => channels.includes(pattern));

/** Returns the host of the URL for notices; empty if the URL is malformed. */
export const hostOf = ({ url }: Endpoint): string => URL.parse(url)?.host ?? '';

/** Returns the secrets that sign at a moment, the current one first. */
export function secretsAt({ current, previous }: Secrets, now: number): readonly string[] {
  return previous && previous.until > now ? [current, previous.secret] : [current];
}
