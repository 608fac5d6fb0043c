/**
 * The queues of webhooks: one to dispatch, that channels have grown; one to deliver, that endpoints are to be served.
 * @module
 */
import { Duration } from 'aws-cdk-lib';
import { SqsSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import { Construct } from 'constructs';
import { deliverEnv, dispatchEnv, endpointWakeEnv } from '../../lambda/env.ts';
import type { HubFunction } from '../functions/hub-function.ts';
import type { Hints } from './hints.ts';
import { WorkQueue } from './work-queue.ts';

/** Room for a page of the log with an errand for each endpoint (10 s, LAST_PAGE_MS in lambda/dispatch.ts), and to begin some. */
export const DISPATCH_TIMEOUT = Duration.seconds(20);

/** Room for a turn (25 s, LEASE_MS in lambda/webhook/delivery/serve-endpoint.ts), and as much to begin others in. */
export const DELIVER_TIMEOUT = Duration.seconds(60);

/** The most that there is: what waits here is a message that somebody was promised. */
const KEPT = Duration.days(14);

/** A hint that fails so often, over some twenty minutes, fails for a reason. */
const MAX_DISPATCHES = 10;

/**
 * Wakes are put off and come again, so they are received often with nothing wrong: they are replaced at half of this
 * (OLD_AFTER_RECEIVES in lambda/aws/queues/wake-handler.ts).
 */
const MAX_WAKES = 100;

export class WebhookQueues extends Construct {
  readonly dispatch: WorkQueue;
  readonly deliver: WorkQueue;

  constructor(scope: Construct, id: string, { topic }: Hints) {
    super(scope, id);
    this.dispatch = new WorkQueue(this, 'Dispatch', {
      timeout: DISPATCH_TIMEOUT,
      kept: KEPT,
      maxReceives: MAX_DISPATCHES,
      means: 'Messages could not be handed to webhook endpoints.',
      heading: 'Messages in WebhookQueues/Dispatch/DeadLetters',
    });
    topic.addSubscription(new SqsSubscription(this.dispatch.queue, { rawMessageDelivery: true }));
    this.deliver = new WorkQueue(this, 'Deliver', {
      timeout: DELIVER_TIMEOUT,
      kept: KEPT,
      maxReceives: MAX_WAKES,
      means: 'Deliveries to webhook endpoints have failed for good.',
      heading: 'Messages in WebhookQueues/Deliver/DeadLetters',
    });
  }

  /** Lets a door have an endpoint served. */
  grantWake(door: HubFunction): void {
    const { queue } = this.deliver;
    door.grant(
      ['sqs:SendMessage'],
      queue.queueArn,
      endpointWakeEnv.write({ DELIVERIES_QUEUE_URL: queue.queueUrl }),
    );
  }

  /** Lets a door leave work for dispatch. */
  grantDispatch(door: HubFunction): void {
    const { queue } = this.dispatch;
    door.grant(
      ['sqs:SendMessage'],
      queue.queueArn,
      dispatchEnv.write({ DISPATCH_QUEUE_URL: queue.queueUrl }),
    );
  }

  /** Lets a door put wakes off, and set deliveries aside that failed. @param ownHosts of the hub, which it never dials */
  grantPutOff(door: HubFunction, ownHosts: readonly string[]): void {
    const { queue, deadLetters } = this.deliver;
    door.grant(
      ['sqs:ChangeMessageVisibility'],
      queue.queueArn,
      endpointWakeEnv.write({ DELIVERIES_QUEUE_URL: queue.queueUrl }),
    );
    door.grant(
      ['sqs:SendMessage'],
      deadLetters.queueArn,
      deliverEnv.write({ DEAD_LETTERS_URL: deadLetters.queueUrl, OWN_HOSTS: ownHosts.join(',') }),
    );
  }
}
