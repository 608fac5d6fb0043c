/**
 * The topic of hints ("this channel has grown"), and the queue of the push function, which subscribes to the topic.
 * @module
 */
import { Duration } from 'aws-cdk-lib';
import * as sns from 'aws-cdk-lib/aws-sns';
import { SqsSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import { Construct } from 'constructs';
import { hintEnv, jobEnv } from '../../lambda/env.ts';
import type { HubFunction } from '../functions/hub-function.ts';
import { WorkQueue } from './work-queue.ts';

/** Timeout of the push function: its last push pass takes up to 15 s (lambda/push.ts), and earlier passes need time before that. */
export const PUSH_TIMEOUT = Duration.seconds(25);

/** The number of receives after which a message becomes a dead letter. */
const MAX_RECEIVES = 6;

/** A hint older than that is useless: waiting readers poll in the meantime, and a socket lives two hours at most. */
const RETENTION = Duration.days(1);

/** The topic of hints, and the queue of the push function. */
export class Hints extends Construct {
  /** Carries one hint for each publish, or fewer while SNS throttles. */
  readonly topic: sns.Topic;
  /** Carries hints and jobs to the push function. */
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

  /** Allows a handler to send jobs to the push function. */
  grantJob(handler: HubFunction): void {
    handler.grant(
      ['sqs:SendMessage'],
      this.push.queue.queueArn,
      jobEnv.write({ PUSH_QUEUE_URL: this.push.queue.queueUrl }),
    );
  }
}
