/**
 * The control endpoints of queues: their messages, and the redrive of dead-letter queues.
 * @module
 */
import { randomUUID } from 'node:crypto';
import type { Resolved } from '../template/assembly.ts';
import {
  asList,
  isObject,
  type JsonObject,
  numberOr,
  objectOr,
  requireString,
  stringOr,
} from '../template/json.ts';
import { arnOf } from '../template/names.ts';
import type { Plan } from '../template/plan.ts';
import type { Messaging } from './messaging.ts';

/** The state of one queue. */
export interface QueueRecord {
  /** Construct path. */
  readonly queue: string;
  /** Physical name. */
  readonly name: string;
  /** Number of messages that a receive would return. */
  readonly visible: number;
  /** Number of received messages that are hidden. */
  readonly inFlight: number;
  /** Number of messages whose delay has not ended. */
  readonly delayed: number;
  /** Bodies of the first ten visible messages. */
  readonly bodies: readonly string[];
}

/** The result of a redrive. */
export interface Redriven {
  /** Construct path of the dead-letter queue. */
  readonly from: string;
  /** Construct path of the source queue. */
  readonly to: string;
  /** Number of messages. */
  readonly moved: number;
}

/** The control endpoints of queues. */
export interface Queues {
  /** Returns the state of all queues. */
  list(): Promise<QueueRecord[]>;
  /**
   * Moves the visible messages of a dead-letter queue to its source queue.
   * @throws Error with one sentence if the body does not name one dead-letter queue with one source
   */
  redrive(body: unknown): Promise<Redriven>;
}

const SHOWN_BODIES = 10;

/** Returns the endpoints for the queues of the plan. */
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

/** fauxqs checks delays and visibility timeouts only at a receive, so they are checked here. */
function record({ path, name }: Resolved, inspected: JsonObject): QueueRecord {
  const { ready, delayed, inflight } = objectOr(inspected.messages);
  const now = Date.now();
  const isDue = (time: unknown) => numberOr(time, 0, 'a time of fauxqs') <= now;
  const late = asList(delayed).map(objectOr);
  const taken = asList(inflight).map(objectOr);
  const visible = [
    ...asList(ready),
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
    throw new Error(`${from.path} has the dead letters of several queues, so their source is not known`);
  }
  return { from, to };
}

function sourcesOf(queues: readonly Resolved[], dead: Resolved): Resolved[] {
  const arn = arnOf(dead);
  return queues.filter(({ properties }) => objectOr(properties.RedrivePolicy).deadLetterTargetArn === arn);
}

/**
 * Moves all visible messages. As on AWS they get new ids. fauxqs has no StartMessageMoveTask.
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
    const messages = asList(answer.Messages).map(objectOr);
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
