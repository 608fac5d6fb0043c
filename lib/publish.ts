/**
 * What publishers reach: the function behind POST, PUT and DELETE. It may write the log, tell that it has, and verify tokens.
 * @module
 */
import { Construct } from 'constructs';
import type { DoorProps } from './door-props.ts';
import { HubFunction } from './hub-function.ts';

export class Publish extends Construct {
  readonly door: HubFunction;

  constructor(scope: Construct, id: string, { config, log, tokenKeys, hints }: DoorProps) {
    super(scope, id);
    this.door = new HubFunction(this, 'Door', { door: 'publish', logRetention: config.logRetentionDays });
    log.grantWrite(this.door);
    tokenKeys.grantVerify(this.door);
    hints.grantHint(this.door);
  }
}
