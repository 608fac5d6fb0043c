/**
 * The function that publishes who is in a channel, and its queue of looks. Only a hub whose option `tidings:presence` names channels
 * has them, and only then other functions note who comes and goes.
 * @module
 */
import { Duration } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import { lookEnv, presenceEnv } from '../../lambda/env.ts';
import type { FunctionProps } from '../functions/function-props.ts';
import { HubFunction } from '../functions/hub-function.ts';
import { WorkQueue } from './work-queue.ts';

/** The last comparison takes up to 15 s (lambda/presence.ts). */
const TIMEOUT = Duration.seconds(25);

/**
 * The time after which a look is received again whose process died. It is short, because a lost socket must be found within 90 s. A
 * copy that comes while a batch waits for a free function finds nothing to do.
 */
const LOOK_HIDDEN = Duration.seconds(30);

/** Five minutes. A look that fails for so long fails for a reason that does not pass. */
const MAX_RECEIVES = 10;

const RETENTION = Duration.days(1);

/** Batches of ten channels that are settled at a time. Each takes some ten milliseconds. */
const MAX_CONCURRENCY = 20;

/** The functions that note who comes and goes, and the one that answers who is in a channel. */
export interface PresenceHandlers {
  readonly socket: HubFunction;
  readonly push: HubFunction;
  readonly hold: HubFunction;
  readonly stream: HubFunction;
  readonly read: HubFunction;
}

/** The presence function and its queue. */
export class Presence extends Construct {
  /** The function that runs lambda/presence.ts. */
  readonly handler: HubFunction;
  /** The queue of looks. */
  readonly looks: WorkQueue;

  constructor(scope: Construct, id: string, props: FunctionProps, others: PresenceHandlers) {
    super(scope, id);
    const { config, log, subscribers, hints, webhookQueues } = props;
    this.looks = new WorkQueue(this, 'Looks', {
      timeout: TIMEOUT,
      hiddenFor: LOOK_HIDDEN,
      retention: RETENTION,
      maxReceives: MAX_RECEIVES,
      means: 'It could not be published who is in a channel.',
      heading: 'Messages in Presence/Looks/DeadLetters',
    });
    this.handler = new HubFunction(this, 'Handler', {
      handler: 'presence',
      config,
      timeout: TIMEOUT,
      // While somebody is in a channel, each look sends the next one.
      callsItself: true,
    });
    log.grantNotices(this.handler);
    log.grantLatest(this.handler);
    subscribers.grantSettle(this.handler);
    hints.grantHint(this.handler);
    hints.grantJob(this.handler);
    webhookQueues.grantDispatch(this.handler);
    this.#grantLook(this.handler);
    this.looks.feed(this.handler, MAX_CONCURRENCY);
    this.#serve(others, subscribers, presenceEnv.write({ PRESENCE: JSON.stringify(config.presence) }));
  }

  /** Allows the other functions what presence needs. */
  #serve(
    { socket, push, hold, stream, read }: PresenceHandlers,
    subscribers: FunctionProps['subscribers'],
    patterns: Readonly<Record<string, string>>,
  ): void {
    for (const handler of [socket, push, hold, stream]) {
      handler.configure(patterns);
      this.#grantLook(handler);
    }
    for (const handler of [hold, stream]) subscribers.grantEnter(handler);
    read.configure(patterns);
    subscribers.grantRoll(read);
  }

  #grantLook(handler: HubFunction): void {
    const { queueArn, queueUrl } = this.looks.queue;
    handler.grant(['sqs:SendMessage'], queueArn, lookEnv.write({ PRESENCE_QUEUE_URL: queueUrl }));
  }
}
