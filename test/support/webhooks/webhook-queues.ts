/**
 * The queues of webhooks in virtual time: they delay, double and reorder messages, and deliver failed ones again.
 * @module
 */
import { Refusal } from '../../../protocol/errors.ts';
import type { VirtualTime } from '../domain/virtual-time.ts';

const never = new AbortController().signal;

/**
 * Visibility timeouts of the queues, in milliseconds: a message whose process failed comes again after them. The template has the
 * same (test/infra/documents/numbers.test.ts).
 */
export const AGAIN_MS = { dispatch: 120_000, deliver: 60_000 };

/** The death of a process. */
export class Crash extends Error {}

/** The queues, and how many messages they have. */
export interface WebhookQueues {
  /** Messages in each queue, hidden ones included. */
  readonly counts: { dispatch: number; deliver: number };
  /**
   * Sends a message that arrives after `afterMs` milliseconds. The handler returns in how many milliseconds it must come
   * again; undefined if it is done. Copies are one message, as on AWS: done or hidden once, they all are.
   */
  readonly enqueue: (
    queue: 'dispatch' | 'deliver',
    afterMs: number,
    handle: (receives: number) => Promise<number | undefined>,
  ) => void;
}

/** Returns empty queues. */
export function webhookQueues(options: {
  readonly time: VirtualTime;
  readonly random: () => number;
  readonly latencyMs: number;
  /** The part of the messages that arrive twice, 0 to 1. */
  readonly duplicates: number;
  readonly onDefect: (error: unknown) => void;
}): WebhookQueues {
  const { time, random, latencyMs, duplicates, onDefect } = options;
  const counts = { dispatch: 0, deliver: 0 };
  const enqueue: WebhookQueues['enqueue'] = (queue, afterMs, handle) => {
    counts[queue]++;
    const message = { deleted: false };
    const deliver = async (receives: number): Promise<void> => {
      if (message.deleted) return;
      let wait: number | undefined;
      try {
        wait = await handle(receives);
      } catch (error) {
        if (!(error instanceof Crash || error instanceof Refusal)) onDefect(error);
        wait = AGAIN_MS[queue];
      }
      if (wait === undefined) {
        if (!message.deleted) counts[queue]--;
        message.deleted = true;
        return;
      }
      if (message.deleted) return;
      await time.sleep(wait, never);
      await deliver(receives + 1);
    };
    void (async () => {
      await time.sleep(afterMs + random() * latencyMs * 4, never);
      if (random() < duplicates) void time.sleep(random() * latencyMs * 4, never).then(() => deliver(1));
      await deliver(1);
    })();
  };
  return { counts, enqueue };
}
