/**
 * What Lambda takes from a queue, and what a queue of the hub is: encrypted in transit, and with an end for what fails.
 * @module
 */
import { Duration } from 'aws-cdk-lib';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as sqs from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import type { HubFunction } from '../functions/hub-function.ts';
import { runbookAlarm } from '../watch/alarm.ts';

export interface WorkQueueProps {
  /** Of the function that takes from the queue. */
  readonly timeout: Duration;
  /** How long a message waits to be taken, before it is dropped. */
  readonly kept: Duration;
  /** Deliveries before a message is set aside: at least five as AWS advises, since throttling alone can use up some. */
  readonly maxReceives: number;
  /** What it means that something was set aside, in a sentence for the alarm. */
  readonly means: string;
  /** The heading of docs/runbook.md that says what to do then. */
  readonly heading: string;
}

/**
 * A batch that waits for room must not be delivered twice: six times the timeout of the function, as AWS advises.
 * https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
 */
const VISIBILITY_TIMEOUTS = 6;

/** Long enough for somebody to come back from a long weekend and look. */
const DEAD_LETTERS_KEPT = Duration.days(14);

/** Messages that one invocation takes: the most without waiting for more. */
const BATCH_SIZE = 10;

/** Nothing in plain text, neither on its way nor at rest; the key is SQS's own, which costs nothing. */
const SAFE = { enforceSSL: true, encryption: sqs.QueueEncryption.SQS_MANAGED };

/** A queue, its dead letters, and the alarm that rings when there are any. */
export class WorkQueue extends Construct {
  readonly queue: sqs.Queue;
  readonly deadLetters: sqs.Queue;

  constructor(scope: Construct, id: string, props: WorkQueueProps) {
    super(scope, id);
    const { timeout, kept, maxReceives, means, heading } = props;
    this.deadLetters = new sqs.Queue(this, 'DeadLetters', {
      ...SAFE,
      retentionPeriod: DEAD_LETTERS_KEPT,
    });
    this.queue = new sqs.Queue(this, 'Queue', {
      ...SAFE,
      visibilityTimeout: Duration.seconds(VISIBILITY_TIMEOUTS * timeout.toSeconds()),
      retentionPeriod: kept,
      deadLetterQueue: { queue: this.deadLetters, maxReceiveCount: maxReceives },
    });
    runbookAlarm(this, 'HasDeadLetters', {
      metric: this.deadLetters.metricApproximateNumberOfMessagesVisible({
        period: Duration.minutes(1),
        statistic: 'Maximum',
      }),
      above: 0,
      periods: 1,
      means,
      heading,
    });
  }

  /** Has a door take what is in the queue, in so many batches at a time. */
  feed(door: HubFunction, maxConcurrency: number): void {
    // Not SqsEventSource: that grants more than Lambda needs.
    door.grant(
      ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:GetQueueAttributes'],
      this.queue.queueArn,
      {},
    );
    const source = new lambda.EventSourceMapping(this, 'Source', {
      target: door.function,
      eventSourceArn: this.queue.queueArn,
      batchSize: BATCH_SIZE,
      reportBatchItemFailures: true,
      maxConcurrency,
    });
    // The mapping is refused by AWS while the role may not read the queue yet.
    source.node.addDependency(door.role);
  }
}
