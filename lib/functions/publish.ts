/**
 * The function behind POST, PUT and DELETE. It may write the log, send hints to the topic or to the queues behind it, verify
 * tokens, list the sockets, and ask the push function to end some of them.
 * @module
 */
import { Construct } from 'constructs';
import { stampEnv } from '../../lambda/env.ts';
import { allowOrigins } from '../gateways/origins.ts';
import { askHooks } from './ask-hooks.ts';
import type { FunctionProps } from './function-props.ts';
import { HubFunction } from './hub-function.ts';

/** The publish function. */
export class Publish extends Construct {
  /** The function that runs lambda/publish.ts. */
  readonly handler: HubFunction;

  constructor(
    scope: Construct,
    id: string,
    { config, log, tokenKeys, hints, webhookQueues, subscribers }: FunctionProps,
  ) {
    super(scope, id);
    this.handler = new HubFunction(this, 'Handler', {
      handler: 'publish',
      config,
    });
    log.grantWrite(this.handler);
    tokenKeys.grantVerify(this.handler);
    allowOrigins(this.handler);
    this.handler.configure(stampEnv.write({ STAMPS: JSON.stringify(config.stamp) }));
    askHooks(this.handler);
    hints.grantHint(this.handler);
    hints.grantJob(this.handler);
    webhookQueues.grantDispatch(this.handler);
    subscribers.grantDisconnect(this.handler);
  }
}
