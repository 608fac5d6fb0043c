/**
 * The edge of deliver: wakes from the queue. One that is to come again later is hidden in the queue until then, and
 * counts as failed for Lambda, which would delete it otherwise.
 * https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
 * @module
 */
import { ChangeMessageVisibilityCommand, SQSClient } from '@aws-sdk/client-sqs';
import type { Next, WakeMessage } from '../../webhook/delivery/serve-endpoint.ts';
import { call, clientSettings } from '../aws-client.ts';
import {
  type BatchAnswer,
  failing,
  type LogDefect,
  type Message,
  parseMessages,
  untilOf,
} from './queue-handler.ts';
import { type DeliverWork, parseDeliverWork } from './webhook-messages.ts';

/**
 * Longest that a message may be hidden, in seconds: 12 hours from when it was received, less the time that an invocation
 * may take. Whoever waits longer is put off once more.
 * https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html
 */
const MAX_HIDDEN_SECONDS = 12 * 3_600 - 120;

/**
 * A wake is replaced by a new one long before the queue forgets it (14 days after it was sent), or takes it for one that
 * nobody can handle (MAX_WAKES in lib/messaging/webhook-queues.ts): in milliseconds, and times received.
 */
const OLD_AFTER_MS = 24 * 3_600_000;
const OLD_AFTER_RECEIVES = 50;

export interface WakeHandlerOptions {
  readonly queueUrl: string;
  /** How long a turn may take that was begun in time, in milliseconds. */
  readonly lastMs: number;
  readonly serve: (work: DeliverWork, wake: WakeMessage, until: number) => Promise<Next>;
  /** Has a new wake sent in the place of one that is old. */
  readonly renew: (endpoint: string, delayMs: number) => Promise<void>;
  readonly logDefect: LogDefect;
}

/** The Lambda handler. */
export function wakeHandler(door: WakeHandlerOptions) {
  const client = new SQSClient(clientSettings);
  const hide = async (receiptHandle: string, ms: number): Promise<void> => {
    const change = new ChangeMessageVisibilityCommand({
      QueueUrl: door.queueUrl,
      ReceiptHandle: receiptHandle,
      VisibilityTimeout: Math.min(MAX_HIDDEN_SECONDS, Math.max(0, Math.ceil(ms / 1_000))),
    });
    await call(() => client.send(change));
  };
  return async (event: unknown, context: unknown): Promise<BatchAnswer> => {
    const until = untilOf(context, door.lastMs);
    const messages = parseMessages(event, parseDeliverWork, door.logDefect);
    const kept = await Promise.all(
      messages.map(async (message) => ((await handle(door, hide, message, until)) ? [message.id] : [])),
    );
    return failing(kept.flat());
  };
}

/** True if the message is to stay in the queue. */
async function handle(
  { serve, renew, logDefect }: WakeHandlerOptions,
  hide: (receiptHandle: string, ms: number) => Promise<void>,
  { id, receiptHandle, attributes, work }: Message<DeliverWork>,
  until: number,
): Promise<boolean> {
  if (work === undefined) return true;
  try {
    const next = await serve(work, { id, isOld: isOld(attributes) }, until);
    if (next.kind === 'done') return false;
    if (next.kind === 'renew') await renew(work.endpoint, next.at - Date.now());
    else await hide(receiptHandle, next.at - Date.now());
    return next.kind === 'later';
  } catch (error) {
    logDefect(error, { endpoint: work.endpoint });
    return true;
  }
}

function isOld({ SentTimestamp, ApproximateReceiveCount }: Readonly<Record<string, unknown>>): boolean {
  const age = Date.now() - Number(SentTimestamp);
  return age > OLD_AFTER_MS || Number(ApproximateReceiveCount) > OLD_AFTER_RECEIVES;
}
