/**
 * Chaos mode for queues: some messages are delivered twice or out of order, as a standard queue may do.
 * @module
 */
import { type Chaos, seeded } from './chaos.ts';

/** The treatment of one message that was received from its queue. */
export interface MessageChaos {
  /** Delay of the delivery in milliseconds, so that later messages overtake this one; 0 for none. */
  readonly holdMs: number;
  /** Delay of a second delivery after the first one, in milliseconds; undefined for no second delivery. */
  readonly againMs: number | undefined;
}

/** Messages for one invocation. */
export interface ScheduledBatch<Message> {
  /** In the order of the receive. */
  readonly messages: readonly Message[];
  /** Delay of the invocation in milliseconds. */
  readonly afterMs: number;
}

const MAX_MS = 300;

/** Returns a function that decides about the next message. The n-th decision depends only on the seed and on n. */
export function createQueueChaos(chaos: Chaos): () => MessageChaos {
  const random = seeded(chaos.seed);
  return () => {
    // Each message takes the same number of random numbers, so that no option changes the decisions of another.
    const held = random() < chaos.reorders;
    const holdMs = Math.ceil(random() * MAX_MS);
    const doubled = random() < chaos.duplicates;
    // Every second duplicate comes at the same time as the first delivery.
    const againMs = Math.max(0, (random() * 2 - 1) * MAX_MS);
    return { holdMs: held ? holdMs : 0, againMs: doubled ? againMs : undefined };
  };
}

/** Divides the messages of one receive: one batch has all messages without a delay, each other message has its own. */
export function scheduleBatches<Message>(
  messages: readonly Message[],
  nextChaos: () => MessageChaos,
): ScheduledBatch<Message>[] {
  const onTime: Message[] = [];
  const others: ScheduledBatch<Message>[] = [];
  for (const message of messages) {
    const { holdMs, againMs } = nextChaos();
    if (holdMs === 0) onTime.push(message);
    else others.push({ messages: [message], afterMs: holdMs });
    if (againMs !== undefined) others.push({ messages: [message], afterMs: holdMs + againMs });
  }
  return onTime.length === 0 ? others : [{ messages: onTime, afterMs: 0 }, ...others];
}
