/**
 * What publishers reach: the function behind POST, PUT and DELETE. It may write the log and verify tokens.
 * @module
 */
import { Construct } from 'constructs';
import type { ChannelLog } from './channel-log.ts';
import type { HubConfig } from './config.ts';
import { HubFunction } from './hub-function.ts';
import type { TokenKeys } from './token-keys.ts';

export interface DoorProps {
  readonly config: HubConfig;
  readonly log: ChannelLog;
  readonly tokenKeys: TokenKeys;
}

export class Publish extends Construct {
  readonly door: HubFunction;

  constructor(scope: Construct, id: string, { config, log, tokenKeys }: DoorProps) {
    super(scope, id);
    this.door = new HubFunction(this, 'Door', { door: 'publish', logRetention: config.logRetentionDays });
    log.grantWrite(this.door);
    tokenKeys.grantVerify(this.door);
  }
}
