/**
 * The function that delivers to webhook endpoints: the only one that calls URLs of others. It may read messages, do delivery
 * tasks, and send messages to dispatch. It may change nothing else.
 * @module
 */
import { Construct } from 'constructs';
import { outboundEnv } from '../../lambda/env.ts';
import { DELIVER_TIMEOUT } from '../messaging/webhook-queues.ts';
import type { FunctionProps } from './function-props.ts';
import { HubFunction } from './hub-function.ts';

/** The common parts, and the hosts that deliveries may not go to. */
export interface DeliverProps extends FunctionProps {
  /** Hosts of the hub itself, which are never called. The first one is in the User-Agent. */
  readonly ownHosts: readonly string[];
}

/** The deliver function. */
export class Deliver extends Construct {
  /** The function that runs lambda/deliver.ts. */
  readonly handler: HubFunction;

  constructor(scope: Construct, id: string, props: DeliverProps) {
    super(scope, id);
    const { config, log, endpoints, webhookQueues, ownHosts } = props;
    this.handler = new HubFunction(this, 'Handler', {
      handler: 'deliver',
      config,
      timeout: DELIVER_TIMEOUT,
      // A postponed wake is received again, and its notices go to dispatch, which may send another wake.
      callsItself: true,
    });
    log.grantReadAhead(this.handler);
    endpoints.grantDeliver(this.handler);
    webhookQueues.grantPostpone(this.handler, ownHosts);
    webhookQueues.grantDispatch(this.handler);
    webhookQueues.deliver.feed(this.handler, config.maxDeliveries);
    this.handler.configure(outboundEnv.write({ INSECURE_WEBHOOKS: String(config.allowInsecureWebhooks) }));
  }
}
