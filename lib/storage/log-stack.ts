/**
 * What must outlive a deployment: the log and the keys. A stack of its own, so that the hub around it can be replaced.
 * @module
 */
import { CfnOutput, Stack } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import type { HubConfig } from '../config/config.ts';
import { ChannelLog } from './channel-log.ts';
import { Endpoints } from './endpoints.ts';
import { Subscribers } from './subscribers.ts';
import { TokenKeys } from './token-keys.ts';

export class LogStack extends Stack {
  readonly log: ChannelLog;
  readonly tokenKeys: TokenKeys;
  readonly subscribers: Subscribers;
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
