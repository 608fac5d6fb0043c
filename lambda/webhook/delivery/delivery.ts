/**
 * A delivery: one message on its way to one endpoint, and what became of each attempt (PROTOCOL.md §13.4).
 * @module
 */
import type { Position } from '../../../protocol/offset.ts';

/**
 * `sending`: an attempt is under way, or its process died. `waiting`: for the next attempt. `failed`: all were in vain,
 * or there was no point in more. `skipped`: its endpoint was disabled. `expired`: it left the log before it was sent.
 */
export const DELIVERY_STATUSES = ['sending', 'waiting', 'delivered', 'failed', 'skipped', 'expired'] as const;
export type DeliveryStatus = (typeof DELIVERY_STATUSES)[number];

/** Why there was no answer. `interrupted`: the process died, and nobody knows whether it arrived. */
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
export type ErrorClass = (typeof ERROR_CLASSES)[number];

/** What is delivered: a message of a channel, or what somebody asked the hub to send. */
export const DELIVERY_KINDS = ['message', 'test', 'handshake'] as const;
export type DeliveryKind = (typeof DELIVERY_KINDS)[number];

export interface Attempt {
  /** Counts the attempts of a delivery from 1 on. */
  readonly number: number;
  /** When it began, in milliseconds since 1970. */
  readonly at: number;
  readonly ms: number;
  /** The HTTP status, if there was an answer. */
  readonly status?: number;
  readonly error?: ErrorClass;
  /** The first bytes of the answer, as text. */
  readonly answer?: string;
}

/** Which message: enough to find it in the log, which keeps it. */
export interface MessageRef {
  readonly channel: string;
  readonly streamId: string;
  /** Of the message itself. */
  readonly position: Position;
  /** When it was published, in milliseconds since 1970. */
  readonly time: number;
}

export interface Delivery extends MessageRef {
  /** The `webhook-id`: the same for every attempt and every endpoint. Sorts by the time of publishing. */
  readonly id: string;
  readonly kind: DeliveryKind;
  readonly status: DeliveryStatus;
  /** Attempts that have ended, the last ones of many. */
  readonly attempts: readonly Attempt[];
  /** Attempts that were begun. */
  readonly begun: number;
  /** When the one under way was begun; undefined if there is none. */
  readonly sendingSince: number | undefined;
  /** Failures since it last began the ladder. */
  readonly rung: number;
  /** When the next attempt is due, if it is waiting. */
  readonly due: number | undefined;
  /** The replay, recovery or single attempt that it was part of last; empty for none. */
  readonly run: string;
  /** What it is again if the single attempt under way fails; undefined on the ladder. */
  readonly before: { readonly status: DeliveryStatus; readonly due: number | undefined } | undefined;
  /** When it was last written. */
  readonly changedAt: number;
  /** Where an `expired` range ends. */
  readonly to?: string;
  /** When it leaves the log of deliveries, in milliseconds. */
  readonly expiresAt: number;
  /** Counts its changes from 1 on: two that know nothing of each other cannot both be made. */
  readonly version: number;
  /** Who made the last change: tells one's own lost answer from a stranger's change. */
  readonly writer: string;
}
