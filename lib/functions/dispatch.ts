/**
 * What hands messages to webhook endpoints: a function behind a queue on the topic of hints. It may read the log, leave
 * errands, and tell on the hub's own channel what happens to endpoints. It dials nobody.
 * @module
 */
import { Construct } from 'constructs';
import { DISPATCH_TIMEOUT } from '../messaging/webhook-queues.ts';
import type { FunctionProps } from './function-props.ts';
import { HubFunction } from './hub-function.ts';

/** Batches at a time: each is ten hints, and those of one channel are one look. */
const AT_A_TIME = 20;

export class Dispatch extends Construct {
  readonly door: HubFunction;

  constructor(scope: Construct, id: string, { config, log, hints, endpoints, webhookQueues }: FunctionProps) {
    super(scope, id);
    this.door = new HubFunction(this, 'Door', {
      handler: 'dispatch',
      logRetention: config.logRetentionDays,
      timeout: DISPATCH_TIMEOUT,
      // A long backlog is handed on every few seconds.
      callsItself: true,
    });
    log.grantTell(this.door);
    hints.grantHint(this.door);
    hints.grantJob(this.door);
    endpoints.grantDispatch(this.door);
    webhookQueues.grantWake(this.door);
    webhookQueues.grantDispatch(this.door);
    webhookQueues.dispatch.feed(this.door, AT_A_TIME);
  }
}
