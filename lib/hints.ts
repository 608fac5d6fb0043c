/**
 * What tells that a channel has grown: a topic for everyone, and the queue of the hub's own push behind it.
 * @module
 */
import { Duration } from 'aws-cdk-lib';
import * as sns from 'aws-cdk-lib/aws-sns';
import { SqsSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import * as sqs from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { hintEnv, jobEnv } from '../lambda/env.ts';
import type { HubFunction } from './hub-function.ts';
import { PUSH_TIMEOUT } from './push.ts';

/**
 * Six times the timeout of the function, as AWS advises: less, and a batch that waits for room is delivered twice.
 * https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
 */
const VISIBILITY = Duration.seconds(6 * PUSH_TIMEOUT.toSeconds());

/** Deliveries before a message is set aside, at least five as AWS advises: throttling alone can use up some. */
const MAX_RECEIVES = 6;

/** A hint that is older is of no use: whoever was to be told has read the log by other means. */
const KEPT = Duration.days(1);
/** Long enough for somebody to come back from a long weekend and look. */
const DEAD_LETTERS_KEPT = Duration.days(14);

export class Hints extends Construct {
  readonly topic: sns.Topic;
  readonly queue: sqs.Queue;
  readonly deadLetters: sqs.Queue;

  constructor(scope: Construct, id: string) {
    super(scope, id);
    this.topic = new sns.Topic(this, 'Topic', { enforceSSL: true });
    this.deadLetters = new sqs.Queue(this, 'DeadLetters', {
      enforceSSL: true,
      retentionPeriod: DEAD_LETTERS_KEPT,
    });
    this.queue = new sqs.Queue(this, 'Queue', {
      enforceSSL: true,
      visibilityTimeout: VISIBILITY,
      retentionPeriod: KEPT,
      deadLetterQueue: { queue: this.deadLetters, maxReceiveCount: MAX_RECEIVES },
    });
    this.topic.addSubscription(new SqsSubscription(this.queue, { rawMessageDelivery: true }));
  }

  /** Lets a door say that a channel has grown. */
  grantHint(door: HubFunction): void {
    door.grant(['sns:Publish'], this.topic.topicArn, hintEnv.write({ HINTS_TOPIC_ARN: this.topic.topicArn }));
  }

  /** Lets a door leave work for the push. */
  grantJob(door: HubFunction): void {
    door.grant(
      ['sqs:SendMessage'],
      this.queue.queueArn,
      jobEnv.write({ PUSH_QUEUE_URL: this.queue.queueUrl }),
    );
  }
}
