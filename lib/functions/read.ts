/**
 * What pollers reach: the function behind GET and HEAD. It may read the log, seal its gaps, and verify tokens.
 * @module
 */
import { Construct } from 'constructs';
import { admitOrigins } from '../gateways/origins.ts';
import type { FunctionProps } from './function-props.ts';
import { HubFunction } from './hub-function.ts';

export class Read extends Construct {
  readonly door: HubFunction;

  constructor(scope: Construct, id: string, { config, log, tokenKeys }: FunctionProps) {
    super(scope, id);
    this.door = new HubFunction(this, 'Door', { handler: 'read', logRetention: config.logRetentionDays });
    log.grantRead(this.door);
    tokenKeys.grantVerify(this.door);
    admitOrigins(this.door, config);
  }
}
