/**
 * What manages webhooks: the function behind /webhooks. It may change endpoints and leave errands; it dials nobody.
 * @module
 */
import { Construct } from 'constructs';
import { outboundEnv } from '../../lambda/env.ts';
import { admitOrigins } from '../gateways/origins.ts';
import type { FunctionProps } from './function-props.ts';
import { HubFunction } from './hub-function.ts';

export class Webhooks extends Construct {
  readonly door: HubFunction;

  constructor(scope: Construct, id: string, props: FunctionProps) {
    super(scope, id);
    const { config, log, tokenKeys, endpoints, webhookQueues } = props;
    this.door = new HubFunction(this, 'Door', { handler: 'webhooks', logRetention: config.logRetentionDays });
    log.grantFind(this.door);
    tokenKeys.grantVerify(this.door);
    admitOrigins(this.door, config);
    endpoints.grantManage(this.door);
    webhookQueues.grantWake(this.door);
    this.door.configure(outboundEnv.write({ INSECURE_WEBHOOKS: String(config.allowInsecureWebhooks) }));
  }
}
