/**
 * How the hub says that a channel has grown: on the topic, and where that is busy, in the hub's own queues.
 *
 * SNS takes 300 messages a second in most Regions, for all that the account publishes, and batches count by their messages.
 * SQS has no such quota. So at the quota the queues are told directly, and the topic later (docs/adr/0012).
 * https://docs.aws.amazon.com/general/latest/gr/sns.html
 * https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
 * @module
 */
import { PublishCommand, SNSClient } from '@aws-sdk/client-sns';
import { SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { Refusal } from '../../protocol/errors.ts';
import { all } from '../hub/deliver.ts';
import type { SendHint } from '../hub/ports.ts';
import { isUnderWay, RELAY_MS, relaysDue } from '../hub/relay.ts';
import { call, clientSettings } from './client.ts';
import { bodyOf, groupOf, relayMessage, sendBatch } from './queue.ts';
import { count } from './telemetry.ts';

export interface HintSettings {
  readonly HINTS_TOPIC_ARN: string;
  readonly PUSH_QUEUE_URL: string;
  readonly DISPATCH_QUEUE_URL: string;
}

/** How long a process leaves a topic alone that was busy, in milliseconds: to ask costs the publisher, and relays need room. */
const BUSY_MS = 1_000;

/** Hints to everyone, or else to the hub's own push and dispatch now and to everyone later. */
export function hintsInAws(settings: HintSettings): SendHint {
  const tell = hintsBySns(settings.HINTS_TOPIC_ARN);
  const leave = hintsBySqs(settings);
  return async (hint) => {
    try {
      await tell(hint);
      return;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
    }
    try {
      await leave(hint);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      throw new Refusal('unavailable', 'stored, but subscribers could not be told for sure; retry');
    }
    count('HintsDiverted', 1);
  };
}

/**
 * Hints to the hub's own queues, and to whatever a team subscribes to the topic itself. Makes one attempt, since the queues
 * are at hand. @throws Refusal unavailable while the topic is busy
 */
export function hintsBySns(topicArn: string, clock: () => number = Date.now): SendHint {
  const client = new SNSClient({ ...clientSettings, maxAttempts: 1 });
  let busyUntil = 0;
  return async (hint) => {
    if (clock() < busyUntil) throw new Refusal('unavailable', 'the topic was busy a moment ago; retry');
    const { channel } = hint;
    const publish = new PublishCommand({
      TopicArn: topicArn,
      Message: hintBody(hint),
      // For filter policies of others.
      MessageAttributes: { channel: { DataType: 'String', StringValue: channel } },
      MessageGroupId: groupOf(channel),
    });
    try {
      await call(() => client.send(publish), 'the topic is busy; retry');
    } catch (error) {
      if (error instanceof Refusal) busyUntil = clock() + BUSY_MS;
      throw error;
    }
  };
}

/** The message that the topic would have put into both queues; and a relay, unless one of the channel is on its way. */
function hintsBySqs({ PUSH_QUEUE_URL, DISPATCH_QUEUE_URL }: HintSettings): SendHint {
  const client = new SQSClient(clientSettings);
  const due = relaysDue();
  return async (hint) => {
    const { channel } = hint;
    const now = Date.now();
    const message = { MessageBody: hintBody(hint), MessageGroupId: groupOf(channel) };
    const relays = isUnderWay(due, channel, now) ? [] : [relayMessage({ ...hint, tries: 0 }, RELAY_MS)];
    const toDispatch = new SendMessageCommand({ QueueUrl: DISPATCH_QUEUE_URL, ...message });
    await all([
      sendBatch(client, PUSH_QUEUE_URL, [message, ...relays]),
      call(async () => void (await client.send(toDispatch)), 'the queue is busy; retry'),
    ]);
    if (relays.length > 0) due.set(channel, now + RELAY_MS);
  };
}

const hintBody = ({ channel, offset, isClosing }: Parameters<SendHint>[0]): string =>
  bodyOf({ channel, offset, ...(isClosing ? { closed: true } : {}) });
