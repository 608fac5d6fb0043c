/**
 * The stack with the data: the log, the endpoints, the keys. It is separate, so that the hub around it can be replaced.
 * @module
 */
import { CfnOutput, Stack } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import type { HubConfig } from '../config/config.ts';
import { ChannelLog } from './channel-log.ts';
import { Endpoints } from './endpoints.ts';
import { Subscribers } from './subscribers.ts';
import { TokenKeys } from './token-keys.ts';

/** The tables and keys of a hub. It cannot be deleted by accident, unless `tidings:throwAway` is set. */
export class LogStack extends Stack {
  /** The tables of the log. */
  readonly log: ChannelLog;
  /** The keys that sign tokens. */
  readonly tokenKeys: TokenKeys;
  /** The tables of subscribers and cursors. */
  readonly subscribers: Subscribers;
  /** The tables of webhooks. */
  readonly endpoints: Endpoints;

  constructor(scope: Construct, id: string, config: HubConfig) {
    super(scope, id, {
      description: 'Tidings: the log of every channel, webhook endpoints, and the keys that sign tokens',
      terminationProtection: !config.throwAway,
    });
    this.log = new ChannelLog(this, 'Log', config);
    this.tokenKeys = new TokenKeys(this, 'TokenKeys', config);
    this.subscribers = new Subscribers(this, 'Listeners');
    this.endpoints = new Endpoints(this, 'Webhooks', config);
    new CfnOutput(this, 'TokenSecretArn', { value: this.tokenKeys.secret.secretArn });
    new CfnOutput(this, 'TokenAudience', { value: this.tokenKeys.audience });
  }
}
