/**
 * The edge of a door behind a queue: batches of messages, each done or to come again.
 * https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
 * @module
 */
import { fieldsOf } from '../../protocol/fields.ts';
import { isBefore } from '../../protocol/offset.ts';
import { parseWork, type Work } from './queue.ts';

export interface QueueDoor {
  readonly work: (work: Work, until: number) => Promise<void>;
  readonly logDefect: (error: unknown, about: Readonly<Record<string, unknown>>) => void;
}

export interface BatchAnswer {
  readonly batchItemFailures: readonly { readonly itemIdentifier: string }[];
}

interface Message {
  readonly id: string;
  readonly work: Work | undefined;
}

/**
 * How long the last that was begun in time may still take, in milliseconds: a round of posts and its commit. What is
 * left of an invocation beyond that is time to begin in.
 */
const LAST_ROUND_MS = 20_000;

/** The Lambda handler. Messages that ask for the same are done once; those of what failed come again. */
export function queueHandler({ work, logDefect }: QueueDoor) {
  return async (event: unknown, context: unknown): Promise<BatchAnswer> => {
    const until = Date.now() + remainingMs(context) - LAST_ROUND_MS;
    const groups = Map.groupBy(messagesOf(event, logDefect), keyOf);
    const failed = [...groups.values()].map(async (messages): Promise<readonly Message[]> => {
      const merged = messages.map((message) => message.work).reduce(later);
      if (!merged) return messages;
      try {
        await work(merged, until);
        return [];
      } catch (error) {
        logDefect(error, { channel: merged.channel });
        return messages;
      }
    });
    const failures = (await Promise.all(failed)).flat();
    return { batchItemFailures: failures.map(({ id }) => ({ itemIdentifier: id })) };
  };
}

function remainingMs(context: unknown): number {
  const { getRemainingTimeInMillis } = fieldsOf(context);
  if (typeof getRemainingTimeInMillis !== 'function') throw new Error('not the context of an invocation');
  return Number(Reflect.apply(getRemainingTimeInMillis, context, []));
}

/** A message that cannot be read fails by itself, ends in the dead-letter queue, and holds up no other. */
function messagesOf(event: unknown, logDefect: QueueDoor['logDefect']): Message[] {
  const { Records } = fieldsOf(event);
  if (!Array.isArray(Records)) throw new Error('not a batch of messages');
  return Records.map(fieldsOf).map(({ messageId, body }) => {
    const id = String(messageId);
    try {
      return { id, work: parseWork(String(body)) };
    } catch (error) {
      logDefect(error, { message: id });
      return { id, work: undefined };
    }
  });
}

function keyOf({ id, work }: Message): string {
  if (!work) return id;
  return work.kind === 'hint' ? work.channel : `${work.channel} ${work.pattern} ${work.shard}`;
}

/** Two hints of a channel are as one to the later offset. */
function later(one: Work | undefined, other: Work | undefined): Work | undefined {
  if (one?.kind !== 'hint' || other?.kind !== 'hint') return other;
  const offset = isBefore(one.offset, other.offset) ? other.offset : one.offset;
  return { ...other, offset, isClosing: one.isClosing || other.isClosing };
}
