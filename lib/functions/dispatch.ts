/**
 * The function that adds delivery tasks for webhook endpoints, behind a queue on the topic of hints. It may read the log, add
 * tasks, and publish on the hub's own channel what happens to endpoints. It calls no endpoint.
 * @module
 */
import { Construct } from 'constructs';
import { DISPATCH_TIMEOUT } from '../messaging/webhook-queues.ts';
import type { FunctionProps } from './function-props.ts';
import { HubFunction } from './hub-function.ts';

/** Batches at a time, of ten hints each. The hints of one channel are handled together. */
const CONCURRENCY = 20;

/** The dispatch function. */
export class Dispatch extends Construct {
  /** The function that runs lambda/dispatch.ts. */
  readonly handler: HubFunction;

  constructor(scope: Construct, id: string, { config, log, hints, endpoints, webhookQueues }: FunctionProps) {
    super(scope, id);
    this.handler = new HubFunction(this, 'Handler', {
      handler: 'dispatch',
      config,
      timeout: DISPATCH_TIMEOUT,
      // It sends itself a message every few seconds of a long backlog.
      callsItself: true,
    });
    log.grantNotices(this.handler);
    hints.grantHint(this.handler);
    hints.grantJob(this.handler);
    endpoints.grantDispatch(this.handler);
    webhookQueues.grantWake(this.handler);
    webhookQueues.grantDispatch(this.handler);
    webhookQueues.dispatch.feed(this.handler, CONCURRENCY);
  }
}
