/**
 * A task: one delivery that an errand wants to be dealt with in this turn.
 * @module
 */

import { DELIVERIES_KEPT_MS } from '../../../protocol/limits.ts';
import { formatOffset } from '../../../protocol/offset.ts';
import type { Delivery, MessageRef } from './delivery.ts';
import type { OwnTask } from './delivery-task.ts';
import type { Content } from './webhook-body.ts';

/** What there is to send: a message, the question whether the endpoint wants any, or nothing, since it has left the log. */
export type Load =
  | { readonly kind: 'message'; readonly content: Content }
  | { readonly kind: 'handshake' }
  | { readonly kind: 'expired' };

export interface DueDelivery {
  /** What it is if nobody has dealt with it yet. */
  readonly fresh: Delivery;
  /** What it was when it was looked up; undefined if it was not. */
  readonly seen: Delivery | undefined;
  readonly load: () => Promise<Load>;
  /** True if what is there is to be sent, as opposed to left as it is. A delivery that is `sending` always is. */
  readonly isMeant: (there: Delivery) => boolean;
  /** The run that it becomes part of. */
  readonly run: string;
  /** Once: a single attempt, whatever the state of the endpoint, without a ladder. */
  readonly isOnce: boolean;
}

/** The `webhook-id`: of the message alone, so that every attempt, replay and endpoint says the same. Sorts by time. */
export function idOf({ time, streamId, position }: Omit<MessageRef, 'channel'>): string {
  return `msg_${timeKey(time)}_${streamId.replaceAll('-', '')}_${formatOffset(position)}`;
}

/** Milliseconds since 1970 have thirteen digits until 2286. */
export const timeKey = (time: number): string => String(time).padStart(13, '0');

/** The id of the delivery that an errand of the hub's own becomes: whoever asks is told before there is one. */
export const ownDeliveryId = ({ kind, id, due }: OwnTask): string =>
  `msg_${timeKey(due)}_${kind}_${id.replaceAll(/[^A-Za-z0-9]/g, '')}`;

/** A delivery that nobody has dealt with. */
export function freshDelivery(
  of: MessageRef & Pick<Delivery, 'id' | 'kind'>,
  now: number,
  more: Partial<Delivery> = {},
): Delivery {
  return {
    ...of,
    status: 'waiting',
    attempts: [],
    begun: 0,
    sendingSince: undefined,
    rung: 0,
    due: undefined,
    run: '',
    before: undefined,
    changedAt: now,
    expiresAt: now + DELIVERIES_KEPT_MS,
    version: 0,
    writer: '',
    ...more,
  };
}
