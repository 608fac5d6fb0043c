/**
 * The function behind /webhooks. It may change endpoints and add delivery tasks. It calls no endpoint.
 * @module
 */
import { Construct } from 'constructs';
import { outboundEnv } from '../../lambda/env.ts';
import { allowOrigins } from '../gateways/origins.ts';
import type { FunctionProps } from './function-props.ts';
import { HubFunction } from './hub-function.ts';

/** The webhooks function. */
export class Webhooks extends Construct {
  /** The function that runs lambda/webhooks.ts. */
  readonly handler: HubFunction;

  constructor(scope: Construct, id: string, props: FunctionProps) {
    super(scope, id);
    const { config, log, tokenKeys, endpoints, webhookQueues } = props;
    this.handler = new HubFunction(this, 'Handler', {
      handler: 'webhooks',
      config,
    });
    log.grantReadOnly(this.handler);
    tokenKeys.grantVerify(this.handler);
    allowOrigins(this.handler);
    endpoints.grantManage(this.handler);
    webhookQueues.grantWake(this.handler);
    this.handler.configure(outboundEnv.write({ INSECURE_WEBHOOKS: String(config.allowInsecureWebhooks) }));
  }
}
