/**
 * The function behind GET and HEAD. It may read the log, seal gaps, list channels, and verify tokens.
 * @module
 */
import { Construct } from 'constructs';
import { allowOrigins } from '../gateways/origins.ts';
import type { FunctionProps } from './function-props.ts';
import { HubFunction } from './hub-function.ts';

/** The read function. */
export class Read extends Construct {
  /** The function that runs lambda/read.ts. */
  readonly handler: HubFunction;

  constructor(scope: Construct, id: string, { config, log, tokenKeys }: FunctionProps) {
    super(scope, id);
    this.handler = new HubFunction(this, 'Handler', {
      handler: 'read',
      config,
    });
    log.grantRead(this.handler);
    log.grantLatest(this.handler);
    log.grantList(this.handler);
    tokenKeys.grantVerify(this.handler);
    allowOrigins(this.handler);
  }
}
