/**
 * What tells that a channel has grown: a topic for everyone, and the queue of the hub's own push behind it.
 * @module
 */
import { Duration } from 'aws-cdk-lib';
import * as sns from 'aws-cdk-lib/aws-sns';
import { SqsSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import { Construct } from 'constructs';
import { hintEnv, jobEnv } from '../../lambda/env.ts';
import type { HubFunction } from '../functions/hub-function.ts';
import { PUSH_TIMEOUT } from '../functions/push.ts';
import { WorkQueue } from './work-queue.ts';

/** Deliveries before a message is set aside. */
const MAX_RECEIVES = 6;

/** A hint that is older is of no use: whoever was to be told has read the log by other means. */
const KEPT = Duration.days(1);

export class Hints extends Construct {
  readonly topic: sns.Topic;
  readonly push: WorkQueue;

  constructor(scope: Construct, id: string) {
    super(scope, id);
    this.topic = new sns.Topic(this, 'Topic', { enforceSSL: true });
    this.push = new WorkQueue(this, 'Push', {
      timeout: PUSH_TIMEOUT,
      kept: KEPT,
      maxReceives: MAX_RECEIVES,
      means: 'Sockets could not be told of new messages.',
      heading: 'Messages in Hints/Push/DeadLetters',
    });
    this.topic.addSubscription(new SqsSubscription(this.push.queue, { rawMessageDelivery: true }));
  }

  /** Lets a door say that a channel has grown. */
  grantHint(door: HubFunction): void {
    door.grant(['sns:Publish'], this.topic.topicArn, hintEnv.write({ HINTS_TOPIC_ARN: this.topic.topicArn }));
  }

  /** Lets a door leave work for the push. */
  grantJob(door: HubFunction): void {
    door.grant(
      ['sqs:SendMessage'],
      this.push.queue.queueArn,
      jobEnv.write({ PUSH_QUEUE_URL: this.push.queue.queueUrl }),
    );
  }
}
