/**
 * What people ask about queues: how full they are, what died, and to have it tried again.
 * @module
 */
import { randomUUID } from 'node:crypto';
import type { Resolved } from '../template/assembly.ts';
import {
  isObject,
  type JsonObject,
  listOf,
  numberOr,
  objectOr,
  requireString,
  stringOr,
} from '../template/json.ts';
import { arnOf } from '../template/names.ts';
import type { Plan } from '../template/plan.ts';
import type { Messaging } from './messaging.ts';

export interface QueueRecord {
  /** Construct path. */
  readonly queue: string;
  readonly name: string;
  readonly visible: number;
  readonly inFlight: number;
  readonly delayed: number;
  /** Of the first visible messages. */
  readonly bodies: readonly string[];
}

export interface Redriven {
  readonly from: string;
  readonly to: string;
  readonly moved: number;
}

export interface Queues {
  list(): Promise<QueueRecord[]>;
  /** Moves the visible messages of a dead-letter queue back; throws a sentence if it cannot. */
  redrive(body: unknown): Promise<Redriven>;
}

const SHOWN_BODIES = 10;

/** Looks into the queues of the plan. */
export function createQueues(plan: Plan, messaging: Messaging | undefined): Queues {
  const queues = plan.all('AWS::SQS::Queue');
  return {
    list: async () =>
      messaging === undefined
        ? []
        : Promise.all(queues.map(async (queue) => record(queue, await messaging.inspect(queue.name)))),
    async redrive(body) {
      const { from, to } = findRedrive(queues, body);
      const moved = messaging === undefined ? 0 : await moveAll(messaging, from.name, to.name);
      return { from: from.path, to: to.path, moved };
    },
  };
}

/** fauxqs looks at the clock only when somebody receives, so what is due is counted here. */
function record({ path, name }: Resolved, inspected: JsonObject): QueueRecord {
  const { ready, delayed, inflight } = objectOr(inspected.messages);
  const now = Date.now();
  const isDue = (time: unknown) => numberOr(time, 0, 'a time of fauxqs') <= now;
  const late = listOf(delayed).map(objectOr);
  const taken = listOf(inflight).map(objectOr);
  const visible = [
    ...listOf(ready),
    ...taken.filter(({ visibilityDeadline }) => isDue(visibilityDeadline)).map(({ message }) => message),
    ...late.filter(({ delayUntil }) => isDue(delayUntil)),
  ];
  return {
    queue: path,
    name,
    visible: visible.length,
    inFlight: taken.filter(({ visibilityDeadline }) => !isDue(visibilityDeadline)).length,
    delayed: late.filter(({ delayUntil }) => !isDue(delayUntil)).length,
    bodies: visible.slice(0, SHOWN_BODIES).map((message) => stringOr(objectOr(message).body, '')),
  };
}

function findRedrive(queues: readonly Resolved[], body: unknown): { from: Resolved; to: Resolved } {
  const unknown = isObject(body) ? Object.keys(body).find((field) => field !== 'queue') : undefined;
  if (unknown !== undefined) throw new Error(`a redrive has no field ${unknown}, only queue`);
  const part = requireString(objectOr(body).queue, '"queue"');
  const dead = queues.filter((queue) => sourcesOf(queues, queue).length > 0);
  const [from, ...others] = dead.filter(({ path }) => path.includes(part));
  if (from === undefined || others.length > 0) {
    const paths = dead.map(({ path }) => path).join(', ');
    throw new Error(
      `"queue" must be a part of the path of one dead-letter queue, got ${part}; there are ${paths || 'none'}`,
    );
  }
  const [to, ...more] = sourcesOf(queues, from);
  if (to === undefined || more.length > 0) {
    throw new Error(
      `${from.path} takes the dead letters of several queues: which one's they are is not known here`,
    );
  }
  return { from, to };
}

function sourcesOf(queues: readonly Resolved[], dead: Resolved): Resolved[] {
  const arn = arnOf(dead);
  return queues.filter(({ properties }) => objectOr(properties.RedrivePolicy).deadLetterTargetArn === arn);
}

/**
 * What arrives is a new message with a new id, as on AWS. fauxqs has no StartMessageMoveTask.
 * @see https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-configure-dead-letter-queue-redrive.html
 */
async function moveAll(messaging: Messaging, from: string, to: string): Promise<number> {
  for (let moved = 0; ; ) {
    const answer = await messaging.sqs('ReceiveMessage', from, {
      MaxNumberOfMessages: 10,
      WaitTimeSeconds: 0,
      MessageSystemAttributeNames: ['MessageGroupId'],
      MessageAttributeNames: ['All'],
    });
    const messages = listOf(answer.Messages).map(objectOr);
    if (messages.length === 0) return moved;
    for (const { Body, MessageAttributes, Attributes, ReceiptHandle } of messages) {
      const group = objectOr(Attributes).MessageGroupId;
      await messaging.sqs('SendMessage', to, {
        MessageBody: Body,
        MessageAttributes,
        ...(group !== undefined && { MessageGroupId: group, MessageDeduplicationId: randomUUID() }),
      });
      await messaging.sqs('DeleteMessage', from, { ReceiptHandle });
      moved += 1;
    }
  }
}
