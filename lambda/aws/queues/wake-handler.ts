/**
 * Handles the wakes of deliver's queue. A wake that must come again later is hidden in the queue until then. Lambda is told
 * that it failed, since Lambda would delete it otherwise.
 * https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
 * @module
 */

import type { LogDefect } from '../../hub/defects.ts';
import type { WakeMessage, WakeOutcome } from '../../webhook/delivery/ownership.ts';
import { call } from '../aws-client.ts';
import { queueCalls } from '../calls/queue-calls.ts';
import { type BatchAnswer, failing, type Message, parseRecords, untilOf } from './queue-handler.ts';
import { parseDeliverWork, type RenewWake, type WakeRequest } from './webhook-messages.ts';

/**
 * The longest time that a message can be hidden, in seconds: 12 hours from its receipt, less the time of an invocation. A
 * wake that must wait longer is hidden once more.
 * https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html
 */
const MAX_HIDDEN_SECONDS = 12 * 3_600 - 120;

/**
 * When a new wake replaces an old one, in milliseconds since it was sent, and in times received. The queue deletes a message
 * after 14 days, or moves it to the dead letters after too many receipts (MAX_WAKES in lib/messaging/webhook-queues.ts).
 */
const OLD_AFTER_MS = 24 * 3_600_000;
const OLD_AFTER_RECEIVES = 50;

/** The parts of deliver's handler. */
export interface WakeHandlerOptions {
  /** The URL of deliver's queue. */
  readonly queueUrl: string;
  /** The longest time of a delivery pass that began in time, in milliseconds. */
  readonly lastMs: number;
  /** Handles a wake. No delivery pass begins after `until` (milliseconds since 1970). */
  readonly serve: (work: WakeRequest, wake: WakeMessage, until: number) => Promise<WakeOutcome>;
  /** Sends a new wake in the place of an old one. */
  readonly renew: RenewWake;
  /** Logs an error that is not expected, with the endpoint. */
  readonly logDefect: LogDefect;
}

/** Returns the Lambda handler. */
export function wakeHandler(options: WakeHandlerOptions) {
  const client = queueCalls();
  const hide = async (receiptHandle: string, ms: number): Promise<void> => {
    const change = {
      QueueUrl: options.queueUrl,
      ReceiptHandle: receiptHandle,
      VisibilityTimeout: Math.min(MAX_HIDDEN_SECONDS, Math.max(0, Math.ceil(ms / 1_000))),
    };
    await call(() => client.changeMessageVisibility(change));
  };
  return async (event: unknown, context: unknown): Promise<BatchAnswer> => {
    const until = untilOf(context, options.lastMs);
    const messages = parseRecords(event, parseDeliverWork, options.logDefect);
    const remaining = await Promise.all(
      messages.map(async (message) => ((await handle(options, hide, message, until)) ? [message.id] : [])),
    );
    return failing(remaining.flat());
  };
}

/** Handles one message. Returns true if it must stay in the queue. */
async function handle(
  { serve, renew, logDefect }: WakeHandlerOptions,
  hide: (receiptHandle: string, ms: number) => Promise<void>,
  { id, receiptHandle, attributes, work }: Message<WakeRequest>,
  until: number,
): Promise<boolean> {
  if (work === undefined) return true;
  try {
    const outcome = await serve(
      work,
      { id: work.id ?? id, isOld: isOld(attributes), tasks: work.tasks },
      until,
    );
    if (outcome.kind === 'done') return false;
    if (outcome.kind === 'renew') await renew(work.endpoint, outcome.at - Date.now(), outcome.id);
    else await hide(receiptHandle, outcome.at - Date.now());
    return outcome.kind === 'later';
  } catch (error) {
    logDefect(error, { endpoint: work.endpoint });
    return true;
  }
}

function isOld({ SentTimestamp, ApproximateReceiveCount }: Readonly<Record<string, unknown>>): boolean {
  const age = Date.now() - Number(SentTimestamp);
  return age > OLD_AFTER_MS || Number(ApproximateReceiveCount) > OLD_AFTER_RECEIVES;
}
