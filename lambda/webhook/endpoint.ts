/**
 * An endpoint: a subscriber's URL and what is to be sent there (PROTOCOL.md §13.1).
 * @module
 */
import { patternsOf } from '../../protocol/channel-name.ts';

/** The bodies that an endpoint may have sent to it (PROTOCOL.md §13.3). */
export const FORMATS = ['standard', 'cloudevents'] as const;
export type Format = (typeof FORMATS)[number];

/** `pending`: it has not agreed to get events yet, and gets none. */
export const ENDPOINT_STATUSES = ['enabled', 'disabled', 'pending'] as const;
export type EndpointStatus = (typeof ENDPOINT_STATUSES)[number];

/** Why an endpoint is disabled: somebody asked, it failed for too long, or it answered 410. */
export const DISABLED_REASONS = ['asked', 'failing', 'gone'] as const;
export type DisabledReason = (typeof DISABLED_REASONS)[number];

export interface Endpoint {
  readonly id: string;
  readonly url: string;
  /** Patterns of the channels whose messages are sent. */
  readonly channels: readonly string[];
  /** Types of message that are sent, `order.*` for all that begin so; none for all. */
  readonly types: readonly string[];
  readonly format: Format;
  readonly description: string;
  /** Deliveries a minute at the most; undefined for as many as there are. */
  readonly rate: number | undefined;
  readonly status: EndpointStatus;
  readonly reason: DisabledReason | undefined;
  /** True if it must agree before it gets events (CloudEvents' abuse protection). */
  readonly handshake: boolean;
  /** Who created it: `sub` of the token. */
  readonly principal: string | undefined;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  /** When it last began to be sent to: whatever failed before is not held against it. */
  readonly enabledAt: number;
  /** Its secrets, encrypted. */
  readonly sealed: string;
  /** Counts its changes from 1 on, so that two at the same time are not one. */
  readonly version: number;
}

/** What signs an endpoint's deliveries: each `whsec_` and base64. */
export interface Secrets {
  readonly current: string;
  /** The one before, which signs as well until then (milliseconds since 1970). */
  readonly previous: { readonly secret: string; readonly until: number } | undefined;
}

/** True if it gets the channel by one of its patterns. */
export const listensTo = ({ channels }: Endpoint, channel: string): boolean =>
  patternsOf(channel).some((pattern) => channels.includes(pattern));

/** Of its URL, to tell people by; empty for what no door has written. */
export const hostOf = ({ url }: Endpoint): string => URL.parse(url)?.host ?? '';

/** The secrets to sign with at a moment, the current one first. */
export function secretsAt({ current, previous }: Secrets, now: number): readonly string[] {
  return previous && previous.until > now ? [current, previous.secret] : [current];
}
