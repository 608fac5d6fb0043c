/**
 * A task: something that an endpoint's owner does for it, now or later. The owner does due tasks in the order in which they
 * fell due, and removes a task only when nothing of it is left. All times are milliseconds since 1970.
 * @module
 */
import type { Position } from '../../../protocol/offset.ts';

interface Due {
  /** Identifies the task among all tasks of the endpoint that are due at the same moment. */
  readonly id: string;
  /** When the task is to be done. */
  readonly due: number;
}

/** Messages of a channel that were published, or that a replay sends again. */
export interface RangeTask extends Due {
  /** Marks the task as a range. */
  readonly kind: 'range';
  /** The channel of the messages. */
  readonly channel: string;
  /** The life of the channel. Nothing of an earlier life is sent. */
  readonly streamId: string;
  /** The position at which the rest begins. Moves on as messages are dealt with. */
  readonly from: Position;
  /** The first position that is not part of it. */
  readonly to: Position;
  /** Messages that were published earlier are not part of it. */
  readonly since: number;
  /** The id of the replay; empty for new messages. */
  readonly run: string;
}

/** The next attempt of a waiting delivery. It has no effect if the delivery is not due at exactly this moment. */
export interface RetryTask extends Due {
  /** Marks the task as a scheduled attempt. */
  readonly kind: 'retry';
  /** The id of the delivery. */
  readonly delivery: string;
}

/** One attempt that a caller asked for: at once, in every state of the endpoint, and outside the retry schedule. */
export interface OnceTask extends Due {
  /** Marks the task as a single attempt. */
  readonly kind: 'once';
  /** The id of the delivery. */
  readonly delivery: string;
}

/** A dead letter that is tried again from the beginning of the retry schedule. */
export interface RedriveTask extends Due {
  /** Marks the task as a redrive. */
  readonly kind: 'redrive';
  /** The id of the delivery. */
  readonly delivery: string;
}

/** A message of the hub's own: a test event, or the question whether the endpoint wants events. */
export interface OwnTask extends Due {
  /** `test` sends a test event, `handshake` asks the question. */
  readonly kind: 'test' | 'handshake';
}

/** All deliveries that failed or were skipped, of messages that were published at or after a moment. */
export interface RecoverTask extends Due {
  /** Marks the task as a recovery. */
  readonly kind: 'recover';
  /** The earliest publication. */
  readonly since: number;
  /** The latest publication. */
  readonly until: number;
  /** The id of the last delivery that was dealt with; empty at the beginning. */
  readonly after: string;
}

/** A task of an endpoint. */
export type DeliveryTask = RangeTask | RetryTask | OnceTask | RedriveTask | OwnTask | RecoverTask;

/** Returns true for a task that a person waits for. Such tasks go first. */
export const isAwaited = ({ kind }: DeliveryTask): boolean =>
  kind === 'once' || kind === 'test' || kind === 'handshake';
