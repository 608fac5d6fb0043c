/**
 * What publishers reach: the function behind POST, PUT and DELETE. It may write the log, send hints to the topic or to the
 * queues behind it, verify tokens, and find the sockets of a principal and ask the push function to end them.
 * @module
 */
import { Construct } from 'constructs';
import { admitOrigins } from '../gateways/origins.ts';
import type { FunctionProps } from './function-props.ts';
import { HubFunction } from './hub-function.ts';

export class Publish extends Construct {
  readonly door: HubFunction;

  constructor(
    scope: Construct,
    id: string,
    { config, log, tokenKeys, hints, webhookQueues, subscribers }: FunctionProps,
  ) {
    super(scope, id);
    this.door = new HubFunction(this, 'Door', { handler: 'publish', logRetention: config.logRetentionDays });
    log.grantWrite(this.door);
    tokenKeys.grantVerify(this.door);
    admitOrigins(this.door, config);
    hints.grantHint(this.door);
    hints.grantJob(this.door);
    webhookQueues.grantDispatch(this.door);
    subscribers.grantKick(this.door);
  }
}
