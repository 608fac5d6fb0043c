/**
 * The topic of hints ("this channel has grown"), and the queue of the push that is subscribed to it.
 * @module
 */
import { Duration } from 'aws-cdk-lib';
import * as sns from 'aws-cdk-lib/aws-sns';
import { SqsSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import { Construct } from 'constructs';
import { hintEnv, jobEnv } from '../../lambda/env.ts';
import type { HubFunction } from '../functions/hub-function.ts';
import { WorkQueue } from './work-queue.ts';

/** Time for the last push pass (15 s, lambda/push.ts), and for others before it. */
export const PUSH_TIMEOUT = Duration.seconds(25);

/** Receives before a message becomes a dead letter. */
const MAX_RECEIVES = 6;

/** An older hint is of no use: readers poll in the meantime, and sockets end after two hours. */
const RETENTION = Duration.days(1);

/** The topic, and the queue of the push. */
export class Hints extends Construct {
  /** Has a hint for each publish, or fewer while SNS is at its quota. */
  readonly topic: sns.Topic;
  /** Has hints and jobs for the push. */
  readonly push: WorkQueue;

  constructor(scope: Construct, id: string) {
    super(scope, id);
    this.topic = new sns.Topic(this, 'Topic', { enforceSSL: true });
    this.push = new WorkQueue(this, 'Push', {
      timeout: PUSH_TIMEOUT,
      retention: RETENTION,
      maxReceives: MAX_RECEIVES,
      means: 'New messages could not be pushed to sockets.',
      heading: 'Messages in Hints/Push/DeadLetters',
    });
    this.topic.addSubscription(new SqsSubscription(this.push.queue, { rawMessageDelivery: true }));
  }

  /** Allows a handler to publish hints. */
  grantHint(handler: HubFunction): void {
    handler.grant(
      ['sns:Publish'],
      this.topic.topicArn,
      hintEnv.write({ HINTS_TOPIC_ARN: this.topic.topicArn }),
    );
  }

  /** Allows a handler to send jobs to the push. */
  grantJob(handler: HubFunction): void {
    handler.grant(
      ['sqs:SendMessage'],
      this.push.queue.queueArn,
      jobEnv.write({ PUSH_QUEUE_URL: this.push.queue.queueUrl }),
    );
  }
}
