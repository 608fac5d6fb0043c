/**
 * The queue of the fold function. It gets the hints of keyed channels only, so other channels cost nothing more.
 * @module
 */
import { Duration } from 'aws-cdk-lib';
import { SubscriptionFilter } from 'aws-cdk-lib/aws-sns';
import { SqsSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import { Construct } from 'constructs';
import { foldEnv } from '../../lambda/env.ts';
import type { HubFunction } from '../functions/hub-function.ts';
import type { Hints } from './hints.ts';
import { WorkQueue } from './work-queue.ts';

/** Time for one step of a fold (30 s, lambda/fold.ts), and for others before it. */
export const FOLD_TIMEOUT = Duration.seconds(60);

/**
 * The time for which a batch waits for more hints. What a channel publishes in it is folded once, so a channel that changes all the
 * time costs three folds a minute. It is far shorter than the shortest retention, and readers do not wait for a fold.
 */
const WINDOW = Duration.seconds(20);

/** Hints of one batch. Lambda also ends a batch at 6 MB, and a hint has up to 64 KB. */
const BATCH_SIZE = 1_000;

/** The maximum of SQS: a channel that is not folded loses its newest messages with the retention. */
const RETENTION = Duration.days(14);

/** Receives over about an hour. A fold that fails for so long fails for a reason that does not pass. */
const MAX_RECEIVES = 10;

/** The queue of folds, which is subscribed to the hints of keyed channels. */
export class Folds extends Construct {
  /** Has hints, and snapshots to remove. */
  readonly fold: WorkQueue;

  constructor(scope: Construct, id: string, { topic }: Hints) {
    super(scope, id);
    this.fold = new WorkQueue(this, 'Fold', {
      timeout: FOLD_TIMEOUT,
      retention: RETENTION,
      maxReceives: MAX_RECEIVES,
      batch: { size: BATCH_SIZE, window: WINDOW },
      means: 'The newest messages of keyed channels could not be stored.',
      heading: 'Messages in Folds/Fold/DeadLetters',
    });
    topic.addSubscription(
      new SqsSubscription(this.fold.queue, {
        rawMessageDelivery: true,
        filterPolicy: { keyed: SubscriptionFilter.existsFilter() },
      }),
    );
  }

  /** Allows a handler to send tasks to the fold function. */
  grantFold(handler: HubFunction): void {
    const { queue } = this.fold;
    handler.grant(['sqs:SendMessage'], queue.queueArn, foldEnv.write({ FOLD_QUEUE_URL: queue.queueUrl }));
  }
}
