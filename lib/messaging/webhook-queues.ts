/**
 * The queues of webhooks. `dispatch` has hints: a channel has grown. `deliver` has wakes: an endpoint has tasks that are due.
 * @module
 */
import { Duration } from 'aws-cdk-lib';
import { SqsSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import { Construct } from 'constructs';
import { deliverEnv, dispatchEnv, endpointWakeEnv } from '../../lambda/env.ts';
import type { HubFunction } from '../functions/hub-function.ts';
import type { Hints } from './hints.ts';
import { WorkQueue } from './work-queue.ts';

/** Time for the last page of the log (10 s, lambda/dispatch.ts), and for others before it. */
export const DISPATCH_TIMEOUT = Duration.seconds(20);

/** Time for one lease of an endpoint (25 s, lambda/webhook/delivery/serve-endpoint.ts), and as much to begin others in. */
export const DELIVER_TIMEOUT = Duration.seconds(50);

/**
 * The time after which a wake is received again whose process died. A wake may be the only place of its tasks, so it is as short as
 * an invocation allows, with ten seconds until the function is called. A copy that comes while a batch waits for a free function is
 * recognized (docs/adr/0018-lone-webhooks.md).
 */
const WAKE_HIDDEN = Duration.seconds(60);

/** The maximum of SQS, because a dropped message here is a delivery that is lost. */
const RETENTION = Duration.days(14);

/** About twenty minutes. A hint that fails for so long fails for a reason that does not pass. */
const MAX_DISPATCHES = 10;

/**
 * Ten hours of receives, each a minute after the one before. Wakes are postponed and received again, so many receives are normal.
 * They are replaced much earlier (OLD_AFTER_RECEIVES in lambda/aws/queues/wake-handler.ts).
 */
const MAX_WAKES = 600;

/** Both queues. The first one is subscribed to the topic of hints. */
export class WebhookQueues extends Construct {
  /** Has hints, for the dispatch function. */
  readonly dispatch: WorkQueue;
  /** Has wakes of endpoints, for the deliver function. */
  readonly deliver: WorkQueue;

  constructor(scope: Construct, id: string, { topic }: Hints) {
    super(scope, id);
    this.dispatch = new WorkQueue(this, 'Dispatch', {
      timeout: DISPATCH_TIMEOUT,
      retention: RETENTION,
      maxReceives: MAX_DISPATCHES,
      means: 'Messages could not be dispatched to webhook endpoints.',
      heading: 'Messages in WebhookQueues/Dispatch/DeadLetters',
    });
    topic.addSubscription(new SqsSubscription(this.dispatch.queue, { rawMessageDelivery: true }));
    this.deliver = new WorkQueue(this, 'Deliver', {
      timeout: DELIVER_TIMEOUT,
      hiddenFor: WAKE_HIDDEN,
      retention: RETENTION,
      maxReceives: MAX_WAKES,
      means: 'Deliveries to webhook endpoints have failed for good.',
      heading: 'Messages in WebhookQueues/Deliver/DeadLetters',
    });
  }

  /** Allows a handler to send wakes for endpoints. */
  grantWake(handler: HubFunction): void {
    const { queue } = this.deliver;
    handler.grant(
      ['sqs:SendMessage'],
      queue.queueArn,
      endpointWakeEnv.write({ DELIVERIES_QUEUE_URL: queue.queueUrl }),
    );
  }

  /** Allows a handler to send hints to dispatch. */
  grantDispatch(handler: HubFunction): void {
    const { queue } = this.dispatch;
    handler.grant(
      ['sqs:SendMessage'],
      queue.queueArn,
      dispatchEnv.write({ DISPATCH_QUEUE_URL: queue.queueUrl }),
    );
  }

  /** Allows a handler to postpone wakes, and to send dead letters. @param ownHosts hosts of the hub, which are never called */
  grantPostpone(handler: HubFunction, ownHosts: readonly string[]): void {
    const { queue, deadLetters } = this.deliver;
    handler.grant(
      ['sqs:ChangeMessageVisibility'],
      queue.queueArn,
      endpointWakeEnv.write({ DELIVERIES_QUEUE_URL: queue.queueUrl }),
    );
    handler.grant(
      ['sqs:SendMessage'],
      deadLetters.queueArn,
      deliverEnv.write({ DEAD_LETTERS_URL: deadLetters.queueUrl, OWN_HOSTS: ownHosts.join(',') }),
    );
  }
}
