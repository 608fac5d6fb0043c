/**
 * What delivers to webhook endpoints: the only function that dials strangers. It may read messages, do errands, and leave
 * word with dispatch; of the hub it may change nothing else.
 * @module
 */
import { Construct } from 'constructs';
import { outboundEnv } from '../../lambda/env.ts';
import { DELIVER_TIMEOUT } from '../messaging/webhook-queues.ts';
import type { FunctionProps } from './function-props.ts';
import { HubFunction } from './hub-function.ts';

export interface DeliverProps extends FunctionProps {
  /** Hosts of the hub itself, which it never dials; the one that it introduces itself by first. */
  readonly ownHosts: readonly string[];
}

export class Deliver extends Construct {
  readonly door: HubFunction;

  constructor(scope: Construct, id: string, props: DeliverProps) {
    super(scope, id);
    const { config, log, endpoints, webhookQueues, ownHosts } = props;
    this.door = new HubFunction(this, 'Door', {
      handler: 'deliver',
      logRetention: config.logRetentionDays,
      timeout: DELIVER_TIMEOUT,
      // A wake that is put off comes again, and what it finds is told to dispatch, which may send another.
      callsItself: true,
    });
    log.grantFind(this.door);
    endpoints.grantDeliver(this.door);
    webhookQueues.grantPutOff(this.door, ownHosts);
    webhookQueues.grantDispatch(this.door);
    webhookQueues.deliver.feed(this.door, config.maxDeliveries);
    this.door.configure(outboundEnv.write({ INSECURE_WEBHOOKS: String(config.allowInsecureWebhooks) }));
  }
}
