/**
 * The edge of a door behind a queue: batches of messages, each done or to come again.
 * https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
 * @module
 */
import { fieldsOf } from '../../../protocol/fields.ts';
import type { LogDefect } from '../../hub/defects.ts';

type About = Readonly<Record<string, unknown>>;

/** What a queue carries, and which of its messages are as one. */
export interface Carried<W> {
  /** @throws Error for a body that nobody of the hub wrote */
  readonly parse: (body: string) => W;
  /** Messages of the same key ask for the same. */
  readonly keyOf: (work: W) => string;
  /** What to look for in the log by. */
  readonly about: (work: W) => About;
  /** What two of them ask for together. */
  readonly merge: (one: W, other: W) => W;
}

export interface QueueHandlerOptions<W> {
  readonly carries: Carried<W>;
  /** How long the last that was begun in time may still take, in milliseconds: what is left beyond that is time to begin in. */
  readonly lastMs: number;
  readonly work: (work: W, until: number) => Promise<void>;
  readonly logDefect: LogDefect;
}

export interface BatchAnswer {
  readonly batchItemFailures: readonly { readonly itemIdentifier: string }[];
}

/** A message of a batch. `work` is undefined for one that cannot be read. */
export interface Message<W> {
  readonly id: string;
  readonly receiptHandle: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly work: W | undefined;
}

/** The Lambda handler. Messages that ask for the same are done once; those of what failed come again. */
export function queueHandler<W extends object>({ carries, lastMs, work, logDefect }: QueueHandlerOptions<W>) {
  const { keyOf, merge, about } = carries;
  return async (event: unknown, context: unknown): Promise<BatchAnswer> => {
    const until = untilOf(context, lastMs);
    const messages = parseRecords(event, carries.parse, logDefect);
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

/** When nothing new should be begun any more, by the clock. */
export function untilOf(context: unknown, lastMs: number): number {
  const { getRemainingTimeInMillis } = fieldsOf(context);
  if (typeof getRemainingTimeInMillis !== 'function') throw new Error('not the context of an invocation');
  return Date.now() + Number(Reflect.apply(getRemainingTimeInMillis, context, [])) - lastMs;
}

export const failing = (ids: readonly string[]): BatchAnswer => ({
  batchItemFailures: ids.map((itemIdentifier) => ({ itemIdentifier })),
});

/** A message that cannot be read fails by itself, ends in the dead-letter queue, and holds up no other. */
export function parseRecords<W>(
  event: unknown,
  parse: (body: string) => W,
  logDefect: LogDefect,
): Message<W>[] {
  const { Records } = fieldsOf(event);
  if (!Array.isArray(Records)) throw new Error('not a batch of messages');
  return Records.map(fieldsOf).map(({ messageId, receiptHandle, attributes, body }) => {
    const id = String(messageId);
    const message = { id, receiptHandle: String(receiptHandle), attributes: fieldsOf(attributes) };
    try {
      return { ...message, work: parse(String(body)) };
    } catch (error) {
      logDefect(error, { message: id });
      return { ...message, work: undefined };
    }
  });
}
