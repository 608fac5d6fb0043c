/**
 * The edge of a handler behind a queue. It gets batches of messages, and reports which of them must come again.
 * https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
 * @module
 */
import { fieldsOf } from '../../../protocol/fields.ts';
import type { LogDefect } from '../../hub/defects.ts';

type About = Readonly<Record<string, unknown>>;
type Attributes = Readonly<Record<string, unknown>>;

/** Parses and merges the messages of a queue. */
export interface QueueFormat<W> {
  /** Parses a body. `attributes` are those of SQS, such as the number of receives. @throws Error for a body that the hub did not write */
  readonly parse: (body: string, attributes: Attributes) => W;
  /** Returns a key. Messages of the same key are merged. */
  readonly keyOf: (work: W) => string;
  /** Returns facts for a log line, by which the message can be found. */
  readonly about: (work: W) => About;
  /** Merges two messages of the same key. */
  readonly merge: (one: W, other: W) => W;
}

/** The parts of a handler behind a queue. */
export interface QueueHandlerOptions<W> {
  /** Parses and merges messages. */
  readonly format: QueueFormat<W>;
  /** The longest time of work that was begun in time, in milliseconds. It must begin this long before the function's timeout. */
  readonly lastMs: number;
  /** Does the work. `until`: when it must begin nothing new, in milliseconds since 1970. */
  readonly work: (work: W, until: number) => Promise<void>;
  /** Reports work that failed, and bodies that cannot be parsed. */
  readonly logDefect: LogDefect;
}

/** The answer to Lambda: the messages that must come again. */
export interface BatchAnswer {
  /** The ids of messages that must come again. Lambda deletes the others. */
  readonly batchItemFailures: readonly { readonly itemIdentifier: string }[];
}

/** A message of a batch. */
export interface Message<W> {
  /** The id in SQS. */
  readonly id: string;
  /** Names this receipt of the message, to hide or delete it. */
  readonly receiptHandle: string;
  /** The attributes of SQS, such as the number of receipts. */
  readonly attributes: Attributes;
  /** The parsed body; undefined if it cannot be parsed. */
  readonly work: W | undefined;
}

/** Makes the Lambda handler. Messages of the same key are handled once. If that fails, all of them come again. */
export function queueHandler<W extends object>({ format, lastMs, work, logDefect }: QueueHandlerOptions<W>) {
  const { keyOf, merge, about } = format;
  return async (event: unknown, context: unknown): Promise<BatchAnswer> => {
    const until = untilOf(context, lastMs);
    const messages = parseRecords(event, format.parse, logDefect);
    const groups = Map.groupBy(messages, ({ id, work }) => (work === undefined ? id : keyOf(work)));
    const failed = [...groups.values()].map(async (group): Promise<readonly Message<W>[]> => {
      const [first, ...others] = group.flatMap((message) =>
        message.work === undefined ? [] : [message.work],
      );
      if (first === undefined) return group;
      const all = others.reduce(merge, first);
      try {
        await work(all, until);
        return [];
      } catch (error) {
        logDefect(error, about(all));
        return group;
      }
    });
    return failing((await Promise.all(failed)).flat().map(({ id }) => id));
  };
}

/**
 * Returns when an invocation must begin nothing new, in milliseconds since 1970.
 * @throws Error if the context is not Lambda's
 */
export function untilOf(context: unknown, lastMs: number): number {
  const { getRemainingTimeInMillis } = fieldsOf(context);
  if (typeof getRemainingTimeInMillis !== 'function') throw new Error('not the context of an invocation');
  return Date.now() + Number(Reflect.apply(getRemainingTimeInMillis, context, [])) - lastMs;
}

/** Returns the answer that makes Lambda deliver messages again. @param ids of the messages */
export const failing = (ids: readonly string[]): BatchAnswer => ({
  batchItemFailures: ids.map((itemIdentifier) => ({ itemIdentifier })),
});

/**
 * Returns the messages of a batch. A body that cannot be parsed is logged. Only that message fails, and ends in the dead-letter
 * queue. @throws Error if the event is no batch
 */
export function parseRecords<W>(
  event: unknown,
  parse: QueueFormat<W>['parse'],
  logDefect: LogDefect,
): Message<W>[] {
  const { Records } = fieldsOf(event);
  if (!Array.isArray(Records)) throw new Error('not a batch of messages');
  return Records.map(fieldsOf).map(({ messageId, receiptHandle, attributes, body }) => {
    const id = String(messageId);
    const message = { id, receiptHandle: String(receiptHandle), attributes: fieldsOf(attributes) };
    try {
      return { ...message, work: parse(String(body), message.attributes) };
    } catch (error) {
      logDefect(error, { message: id });
      return { ...message, work: undefined };
    }
  });
}
