/**
 * The intake: a queue whose messages are published, and the function that publishes them (docs/adr/0025). Only a hub with the option
 * `tidings:intake` has it.
 * @module
 */
import { CfnOutput, Duration } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import { intakeEnv, stampEnv } from '../../lambda/env.ts';
import { askHooks } from '../functions/ask-hooks.ts';
import type { FunctionProps } from '../functions/function-props.ts';
import { HubFunction } from '../functions/hub-function.ts';
import { WorkQueue } from './work-queue.ts';

/** The last publish takes up to 10 s (lambda/intake.ts), and earlier ones of the batch need time before that. */
const TIMEOUT = Duration.seconds(15);

/** The time after which a message is received again whose process died or whose table was busy. Its group waits for it. */
const HIDDEN = Duration.seconds(20);

/** Half an hour. With fewer, messages of a channel would lose their order after a short outage of a table. */
const MAX_RECEIVES = 100;

/** The maximum of SQS, because a dropped message here is an event that is lost. */
const RETENTION = Duration.days(14);

/** Batches at a time, each of other channels. */
const CONCURRENCY = 20;

/** The queue and its function. */
export class Intake extends Construct {
  /** The function that runs lambda/intake.ts. */
  readonly handler: HubFunction;
  /** The queue. */
  readonly work: WorkQueue;

  constructor(scope: Construct, id: string, props: FunctionProps) {
    super(scope, id);
    const { config, log, hints, webhookQueues } = props;
    this.work = new WorkQueue(this, 'Messages', {
      timeout: TIMEOUT,
      hiddenFor: HIDDEN,
      retention: RETENTION,
      maxReceives: MAX_RECEIVES,
      isOrdered: true,
      means: 'Messages of the intake queue could not be published.',
      heading: 'Messages in Intake/Messages/DeadLetters',
    });
    this.handler = new HubFunction(this, 'Handler', { handler: 'intake', config, timeout: TIMEOUT });
    log.grantAppend(this.handler);
    askHooks(this.handler);
    hints.grantHint(this.handler);
    hints.grantJob(this.handler);
    webhookQueues.grantDispatch(this.handler);
    const { queueArn, queueUrl } = this.work.deadLetters;
    this.handler.grant(['sqs:SendMessage'], queueArn, intakeEnv.write({ INTAKE_DEAD_LETTERS_URL: queueUrl }));
    this.handler.configure(stampEnv.write({ STAMPS: JSON.stringify(config.stamp) }));
    this.work.feed(this.handler, CONCURRENCY);
    new CfnOutput(scope, 'IntakeUrl', {
      value: this.work.queue.queueUrl,
      description: 'the queue whose messages are published',
    });
  }
}
