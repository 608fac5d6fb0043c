/**
 * What a standard queue may do to a message on its way to a function, and seldom does: deliver it twice, or late.
 * @module
 */
import { type Chaos, seeded } from './chaos.ts';

/** What befalls one message that was taken from its queue. */
export interface BatchChaos {
  /** Held back for so long, while later ones overtake; 0: not at all. */
  readonly holdMs: number;
  /** Delivered once more after so long; undefined: once. */
  readonly againMs: number | undefined;
}

/** Messages that go to the function together, and when. */
export interface ScheduledBatch<Message> {
  readonly messages: readonly Message[];
  readonly afterMs: number;
}

const MAX_MS = 300;

/** Fates from the seed: the n-th message has the same one in every run. */
export function createQueueChaos(chaos: Chaos): () => BatchChaos {
  const random = seeded(chaos.seed);
  return () => {
    // Always as many draws, so that no nextChaos depends on the parts that were asked for.
    const held = random() < chaos.reorders;
    const holdMs = Math.ceil(random() * MAX_MS);
    const doubled = random() < chaos.duplicates;
    // Every second duplicate comes at the same time as the first delivery.
    const againMs = Math.max(0, (random() * 2 - 1) * MAX_MS);
    return { holdMs: held ? holdMs : 0, againMs: doubled ? againMs : undefined };
  };
}

/** Parts what one receive gave into deliveries: the ones on time together, each other by itself. */
export function scheduleBatches<Message>(
  messages: readonly Message[],
  nextChaos: () => BatchChaos,
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
