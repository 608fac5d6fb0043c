/**
 * A delivery: one message for one endpoint, and the outcome of each attempt (PROTOCOL.md §13.4).
 * All times are milliseconds since 1970.
 * @module
 */
import type { Position } from '../../../protocol/offset.ts';

/**
 * The states of a delivery. `sending`: an attempt is under way, or its process died. `waiting`: for the next attempt.
 * `failed`: no further attempt follows. `skipped`: its endpoint was disabled. `expired`: the message left the log before it
 * was sent.
 */
export const DELIVERY_STATUSES = ['sending', 'waiting', 'delivered', 'failed', 'skipped', 'expired'] as const;
/** One of DELIVERY_STATUSES. */
export type DeliveryStatus = (typeof DELIVERY_STATUSES)[number];

/** The reason for which there was no answer. `interrupted`: the process died, and the request may have arrived. */
export const ERROR_CLASSES = [
  'blocked',
  'dns_error',
  'connection_refused',
  'connection_error',
  'tls_error',
  'timeout',
  'bad_response',
  'interrupted',
] as const;
/** One of ERROR_CLASSES. */
export type ErrorClass = (typeof ERROR_CLASSES)[number];

/** The content of a delivery: a message of a channel, a test event, or the question whether the endpoint wants events. */
export const DELIVERY_KINDS = ['message', 'test', 'handshake'] as const;
/** One of DELIVERY_KINDS. */
export type DeliveryKind = (typeof DELIVERY_KINDS)[number];

/** One attempt that has ended. It has a `status` or an `error`. */
export interface Attempt {
  /** Counts the attempts of a delivery from 1 on. */
  readonly number: number;
  /** The time at which it began. */
  readonly at: number;
  /** Its duration, in milliseconds. */
  readonly ms: number;
  /** The HTTP status, if there was an answer. */
  readonly status?: number;
  /** The reason for which there was no answer. */
  readonly error?: ErrorClass;
  /** The first bytes of the answer, as text. */
  readonly answer?: string;
}

/** Names a message in the log. The message itself stays there. */
export interface MessageRef {
  /** The channel, or `tidings/test` for a message of the hub's own. */
  readonly channel: string;
  /** The life of the channel. */
  readonly streamId: string;
  /** The position of the message itself, not the one after it. */
  readonly position: Position;
  /** The time of the publish. */
  readonly time: number;
}

/** A delivery as it is stored. */
export interface Delivery extends MessageRef {
  /** The `webhook-id`: the same for every attempt and every endpoint. Sorts by the time of publishing. */
  readonly id: string;
  /** The content. */
  readonly kind: DeliveryKind;
  /** The present state. */
  readonly status: DeliveryStatus;
  /** The attempts that have ended; of many, only the last ones. */
  readonly attempts: readonly Attempt[];
  /** The number of attempts that were begun. */
  readonly begun: number;
  /** The time at which the attempt under way was begun; undefined if there is none. */
  readonly sendingSince: number | undefined;
  /** Failures since the retry schedule last began. */
  readonly failures: number;
  /** The time at which the next attempt is due; undefined if it is not waiting. */
  readonly due: number | undefined;
  /** The id of the last replay, recovery or single attempt that it was part of; empty for none. */
  readonly run: string;
  /** The state that returns if the single attempt under way fails; undefined for an attempt of the retry schedule. */
  readonly before: { readonly status: DeliveryStatus; readonly due: number | undefined } | undefined;
  /** The time of the last write. */
  readonly changedAt: number;
  /** The offset at which an `expired` range ends. */
  readonly to?: string;
  /** The time at which it leaves the log of deliveries. */
  readonly expiresAt: number;
  /** Counts its changes from 1 on, so that two concurrent changes cannot both be made. */
  readonly version: number;
  /** The owner that made the last change. It tells a change whose answer was lost from another owner's change. */
  readonly writer: string;
}
