/**
 * A due delivery: one delivery that a task asks for in this delivery pass.
 * @module
 */

import { DELIVERIES_KEPT_MS } from '../../../protocol/limits.ts';
import { formatOffset } from '../../../protocol/offset.ts';
import type { Delivery, MessageRef } from './delivery.ts';
import type { OwnTask } from './delivery-task.ts';
import type { MessageContent } from './webhook-body.ts';

/** The content that is sent: a message, or the question whether the endpoint wants any. `expired`: the message left the log. */
export type Payload =
  | { readonly kind: 'message'; readonly content: MessageContent }
  | { readonly kind: 'handshake' }
  | { readonly kind: 'expired' };

/** A delivery that a task asks for now, and how to send it. */
export interface DueDelivery {
  /** The delivery as it is created if the store has none yet. */
  readonly fresh: Delivery;
  /** The delivery as it was read from the store; undefined if it was not read. */
  readonly seen: Delivery | undefined;
  /** Reads what is to be sent. @throws Refusal unavailable */
  readonly loadPayload: () => Promise<Payload>;
  /** Returns true if a stored delivery is to be sent now. A delivery that is `sending` always is. */
  readonly isToSend: (stored: Delivery) => boolean;
  /** The id of the run that it becomes part of; empty for none. */
  readonly run: string;
  /** True for a single attempt, in every state of the endpoint and outside the retry schedule. */
  readonly isOnce: boolean;
}

/**
 * Returns the `webhook-id`. It is made of the message alone, so that every attempt, replay and endpoint has the same one.
 * Ids sort by the time of publication.
 */
export function idOf({ time, streamId, position }: Omit<MessageRef, 'channel'>): string {
  return `msg_${timeKey(time)}_${streamId.replaceAll('-', '')}_${formatOffset(position)}`;
}

/** Returns a time as text that sorts. Milliseconds since 1970 have thirteen digits until 2286. */
export const timeKey = (time: number): string => String(time).padStart(13, '0');

/** Returns the delivery id of a test or a handshake. The caller receives it before the delivery is stored. */
export const ownDeliveryId = ({ kind, id, due }: OwnTask): string =>
  `msg_${timeKey(due)}_${kind}_${id.replaceAll(/[^A-Za-z0-9]/g, '')}`;

/** Returns a delivery of which nothing was sent or stored yet. */
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
    failures: 0,
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
