/**
 * Sends hints: to the topic, or if the topic is busy, to the hub's own queues.
 *
 * SNS takes 300 messages a second from an account in most Regions, and counts each message of a batch. SQS has no such quota.
 * So at the quota a hint goes straight to the queues, and is published to the topic later (docs/adr/0012).
 * https://docs.aws.amazon.com/general/latest/gr/sns.html
 * https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
 * @module
 */
import { Refusal } from '../../../protocol/errors.ts';
import type { SendHint } from '../../hub/log/log-ports.ts';
import { delayedHintsDue, HINT_DELAY_MS, isUnderWay } from '../../hub/push/delayed-hint.ts';
import { settleAll } from '../../hub/settle-all.ts';
import { call } from '../aws-client.ts';
import { queueCalls } from '../calls/queue-calls.ts';
import { type PublishInput, topicCalls } from '../calls/topic-calls.ts';
import { count } from '../telemetry/telemetry.ts';
import { hintBody } from './hint-messages.ts';
import { delayedHintMessage, groupOf, sendBatch } from './push-queue.ts';

/** The variables of `hintEnv`, `jobEnv` and `dispatchEnv` (lambda/env.ts). */
export interface HintSettings {
  /** The topic of hints. */
  readonly HINTS_TOPIC_ARN: string;
  /** The push queue. */
  readonly PUSH_QUEUE_URL: string;
  /** The dispatch queue. */
  readonly DISPATCH_QUEUE_URL: string;
}

/** How long a process does not call a busy topic, in milliseconds. A refused call delays the publisher, and delayed hints need quota. */
const BUSY_MS = 1_000;

/**
 * Returns a function that sends hints to the topic; if the topic is busy, to the push and dispatch queues now and to the topic
 * later.
 * @throws Refusal unavailable if a queue is busy too
 */
export function hintsInAws(settings: HintSettings): SendHint {
  const toTopic = hintsBySns(settings.HINTS_TOPIC_ARN);
  const toQueues = hintsBySqs(settings);
  return async (hint) => {
    try {
      await toTopic(hint);
      return;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
    }
    try {
      await toQueues(hint);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      throw new Refusal('unavailable', 'stored, but subscribers could not be told for sure; retry');
    }
    count('HintsDiverted', 1);
  };
}

/**
 * Returns a function that sends hints to the topic: the hub's queues and a team's own subscriptions get them. Makes one attempt, because the queues
 * can take the hint instead. @throws Refusal unavailable while the topic is busy
 */
export function hintsBySns(topicArn: string, clock: () => number = Date.now): SendHint {
  const client = topicCalls(1);
  let busyUntil = 0;
  return async (hint) => {
    if (clock() < busyUntil)
      throw new Refusal('unavailable', 'the topic was busy less than a second ago; retry');
    const { channel, streamKey } = hint;
    const publish: PublishInput = {
      TopicArn: topicArn,
      Message: hintBody(hint),
      // For filter policies: of a team's own subscriptions, and of the queue of the fold.
      MessageAttributes: {
        channel: { DataType: 'String', StringValue: channel },
        ...(streamKey === undefined ? {} : { keyed: { DataType: 'String', StringValue: 'true' } }),
      },
      MessageGroupId: groupOf(channel),
    };
    try {
      await call(() => client.publish(publish), 'the topic is busy; retry');
    } catch (error) {
      if (error instanceof Refusal) busyUntil = clock() + BUSY_MS;
      throw error;
    }
  };
}

/**
 * Returns a function that sends both queues the message that the topic would have sent, and a delayed hint for the topic, unless one of
 * the channel is under way.
 */
function hintsBySqs({ PUSH_QUEUE_URL, DISPATCH_QUEUE_URL }: HintSettings): SendHint {
  const client = queueCalls();
  const due = delayedHintsDue();
  return async (hint) => {
    const { channel } = hint;
    const now = Date.now();
    const message = { MessageBody: hintBody(hint), MessageGroupId: groupOf(channel) };
    const delayed = isUnderWay(due, channel, now)
      ? []
      : [delayedHintMessage({ ...hint, tries: 0 }, HINT_DELAY_MS)];
    const toDispatch = { QueueUrl: DISPATCH_QUEUE_URL, ...message };
    await settleAll([
      sendBatch(client, PUSH_QUEUE_URL, [message, ...delayed]),
      call(async () => void (await client.sendMessage(toDispatch)), 'the queue is busy; retry'),
    ]);
    if (delayed.length > 0) due.set(channel, now + HINT_DELAY_MS);
  };
}
