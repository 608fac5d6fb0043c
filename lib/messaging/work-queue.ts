/**
 * A queue that a function works off: encrypted, with a queue of dead letters and an alarm for it.
 * @module
 */
import { Duration } from 'aws-cdk-lib';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as sqs from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import type { HubFunction } from '../functions/hub-function.ts';
import { runbookAlarm } from '../watch/alarm.ts';

/** The differences between the queues. */
export interface WorkQueueProps {
  /** The timeout of the function that works the queue off. */
  readonly timeout: Duration;
  /** The time after which a message whose process died is received again, at least the timeout. By default six times as long. */
  readonly hiddenFor?: Duration;
  /** The time for which a message waits before it is dropped. */
  readonly retention: Duration;
  /** Receives before a message becomes a dead letter. AWS advises at least five, because throttling uses some up. */
  readonly maxReceives: number;
  /** The size of batches, and how long they wait for more messages. By default at most ten, without a wait. */
  readonly batch?: { readonly size: number; readonly window: Duration };
  /** True for a FIFO queue, which delivers the messages of a group in their order. By default the order may change. */
  readonly isOrdered?: boolean;
  /** The meaning of a dead letter, in a sentence for the alarm. */
  readonly means: string;
  /** The heading of docs/runbook.md that says what to do. */
  readonly heading: string;
}

/**
 * A batch that waits for a free function must not be received twice. AWS advises six times the timeout of the function.
 * https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
 */
const VISIBILITY_TIMEOUTS = 6;

/** The maximum, so that an operator can look after a long weekend. */
const DEAD_LETTER_RETENTION = Duration.days(14);

/**
 * Messages for one invocation. 10 is the maximum without a batching window. A window is a whole number of seconds, for which
 * messages would wait.
 * https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-parameters.html
 */
const BATCH_SIZE = 10;

/** Encrypted in transit and at rest. The key of SQS costs nothing. */
const SAFE = { enforceSSL: true, encryption: sqs.QueueEncryption.SQS_MANAGED };

/**
 * Groups do not wait for each other, and a sender that cannot name its messages, such as EventBridge, is allowed, too.
 * https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/high-throughput-fifo.html
 */
const ORDERED = {
  fifo: true,
  contentBasedDeduplication: true,
  deduplicationScope: sqs.DeduplicationScope.MESSAGE_GROUP,
  fifoThroughputLimit: sqs.FifoThroughputLimit.PER_MESSAGE_GROUP_ID,
};

/** A queue, its dead letters, and the alarm for them. */
export class WorkQueue extends Construct {
  /** The queue itself. */
  readonly queue: sqs.Queue;
  /** Messages that failed too often, for 14 days. */
  readonly deadLetters: sqs.Queue;
  readonly #batch: WorkQueueProps['batch'];

  constructor(scope: Construct, id: string, props: WorkQueueProps) {
    super(scope, id);
    const { timeout, hiddenFor, retention, maxReceives, means, heading } = props;
    this.#batch = props.batch;
    const kind = { ...SAFE, ...(props.isOrdered ? ORDERED : {}) };
    this.deadLetters = new sqs.Queue(this, 'DeadLetters', {
      ...kind,
      retentionPeriod: DEAD_LETTER_RETENTION,
    });
    this.queue = new sqs.Queue(this, 'Queue', {
      ...kind,
      visibilityTimeout: hiddenFor ?? Duration.seconds(VISIBILITY_TIMEOUTS * timeout.toSeconds()),
      retentionPeriod: retention,
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

  /** Lets a handler work the queue off, in at most so many batches at a time. */
  feed(handler: HubFunction, maxConcurrency: number): void {
    // SqsEventSource grants more than Lambda needs.
    handler.grant(
      ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:GetQueueAttributes'],
      this.queue.queueArn,
      {},
    );
    const source = new lambda.EventSourceMapping(this, 'Source', {
      target: handler.function,
      eventSourceArn: this.queue.queueArn,
      batchSize: this.#batch?.size ?? BATCH_SIZE,
      ...(this.#batch ? { maxBatchingWindow: this.#batch.window } : {}),
      reportBatchItemFailures: true,
      maxConcurrency,
    });
    // Lambda refuses the mapping while the role may not read the queue yet.
    source.node.addDependency(handler.role);
  }
}
