/**
 * An errand: something to be done for an endpoint, now or later. What is due is done by the endpoint's one owner, in the
 * order in which it fell due; an errand is removed only when nothing of it is left to do.
 * @module
 */
import type { Position } from '../../../protocol/offset.ts';

interface Due {
  /** Tells it from all others of the endpoint. */
  readonly id: string;
  /** When it is to be done, in milliseconds since 1970. */
  readonly due: number;
}

/** Messages of a channel that were published, or are to be sent again. */
export interface RangeTask extends Due {
  readonly kind: 'range';
  readonly channel: string;
  readonly streamId: string;
  /** What is left of it: moves on as messages are dealt with. */
  readonly from: Position;
  /** The first that is not part of it. */
  readonly to: Position;
  /** What was published before is not part of it, in milliseconds. */
  readonly since: number;
  /** The replay that it is; empty for messages that are new. */
  readonly run: string;
}

/** The next attempt of a delivery that is waiting for it: of no effect if that is not due at this very moment. */
export interface RetryTask extends Due {
  readonly kind: 'retry';
  readonly delivery: string;
}

/** One attempt that somebody asked for: at once, whatever the state of the endpoint, and without a ladder. */
export interface OnceTask extends Due {
  readonly kind: 'once';
  readonly delivery: string;
}

/** A dead letter that is tried again, from the bottom of the ladder. */
export interface RedriveTask extends Due {
  readonly kind: 'redrive';
  readonly delivery: string;
}

/** A message of the hub's own: a test event, or the question whether the endpoint wants events. */
export interface OwnTask extends Due {
  readonly kind: 'test' | 'handshake';
}

/** Everything that failed or was skipped, of what was published since a moment. */
export interface RecoverTask extends Due {
  readonly kind: 'recover';
  readonly since: number;
  /** What changes after this moment is not part of it. */
  readonly until: number;
  /** The last delivery that was dealt with; empty at the beginning. */
  readonly after: string;
}

export type DeliveryTask = RangeTask | RetryTask | OnceTask | RedriveTask | OwnTask | RecoverTask;

/** True for what a person waits for: it goes before everything else. */
export const isAwaited = ({ kind }: DeliveryTask): boolean =>
  kind === 'once' || kind === 'test' || kind === 'handshake';
