/**
 * Handles the messages of the intake queue, a FIFO queue. The messages of a group are published in their order, and groups do not
 * wait for each other. After one that must come again, all later ones of its group come again, too.
 * https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
 * @module
 */
import { Refusal } from '../../../protocol/errors.ts';
import { fieldsOf } from '../../../protocol/fields.ts';
import type { LogDefect } from '../../hub/defects.ts';
import { call } from '../aws-client.ts';
import { queueCalls } from '../calls/queue-calls.ts';
import { type BatchAnswer, failing, type Message, parseRecords, untilOf } from './queue-handler.ts';

/** The parts of the handler of the intake. */
export interface IntakeOptions {
  /**
   * Publishes a message of the queue. `id`: the same for each receipt of the message.
   * @throws Refusal unavailable if it must come again; any other Refusal if it can never be published
   */
  readonly publish: (body: string, id: string) => Promise<void>;
  /** Sends a message to the dead letters, with the reason. */
  readonly refuse: (letter: DeadLetter) => Promise<void>;
  /** The longest time of one publish, in milliseconds. */
  readonly lastMs: number;
  /** Reports a defect, and a busy store. */
  readonly logDefect: LogDefect;
}

/** A message that cannot be published. */
export interface DeadLetter {
  /** The id of the message in SQS. */
  readonly id: string;
  /** Its group. */
  readonly group: string;
  /** Its text as it came, so that it can be sent to the queue again. */
  readonly body: string;
  /** Why it was refused. */
  readonly refusal: Refusal;
}

/** Makes the Lambda handler. */
export function intakeHandler(options: IntakeOptions) {
  return async (event: unknown, context: unknown): Promise<BatchAnswer> => {
    const until = untilOf(context, options.lastMs);
    const messages = parseRecords(event, (body) => ({ body }), options.logDefect);
    const groups = [...Map.groupBy(messages, groupOf).values()];
    const failed = await Promise.all(
      groups.map(async (group) => await publishInOrder(options, group, until)),
    );
    return failing(failed.flat().map(({ id }) => id));
  };
}

type Received = Message<{ readonly body: string }>;

const groupOf = ({ attributes }: Received): string => String(attributes.MessageGroupId);

/** Returns the messages that must come again: the first one that could not be handled, and all after it. */
async function publishInOrder(
  options: IntakeOptions,
  group: readonly Received[],
  until: number,
): Promise<readonly Received[]> {
  for (const [at, message] of group.entries()) {
    if (Date.now() >= until) return group.slice(at);
    try {
      await publishOrRefuse(options, message);
    } catch (error) {
      options.logDefect(error, { message: message.id });
      return group.slice(at);
    }
  }
  return [];
}

async function publishOrRefuse({ publish, refuse }: IntakeOptions, message: Received): Promise<void> {
  const { id, work } = message;
  const body = work?.body ?? '';
  try {
    await publish(body, id);
  } catch (error) {
    if (!(error instanceof Refusal) || error.code === 'unavailable') throw error;
    await refuse({ id, group: groupOf(message), body, refusal: error });
  }
}

/** Returns the function that sends a message to the dead letters. Its attribute `Reason` has the code and the sentence of the refusal. */
export function refusalsBySqs(queueUrl: string): IntakeOptions['refuse'] {
  const client = queueCalls();
  return async ({ id, group, body, refusal }) => {
    const StringValue = `${refusal.code}: ${refusal.message}`;
    const letter = {
      QueueUrl: queueUrl,
      MessageBody: body,
      MessageGroupId: group,
      MessageDeduplicationId: id,
      MessageAttributes: { Reason: { DataType: 'String', StringValue } as const },
    };
    await call(() => client.sendMessage(letter), 'the queue of dead letters is busy; retry');
  };
}

/** Returns the members of a message. @throws Refusal bad_json, bad_request for other members than `channel`, `messages` and `key` */
export function membersOf(body: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    throw new Refusal('bad_json', 'the message is not valid JSON');
  }
  const fields = fieldsOf(value);
  const foreign = Object.keys(fields).find((name) => !MEMBERS.includes(name));
  if (foreign === undefined && !Array.isArray(value)) return fields;
  throw new Refusal(
    'bad_request',
    `a message has the members ${MEMBERS.join(', ')}, got ${foreign ?? 'a list'}`,
  );
}

const MEMBERS = ['channel', 'messages', 'key'];
