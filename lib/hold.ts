/**
 * What long pollers reach: a function of its own, so that held reads can starve neither publishers nor other readers.
 * @module
 */
import { Duration } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import { holdEnv } from '../lambda/env.ts';
import type { DoorProps } from './door-props.ts';
import { HubFunction } from './hub-function.ts';

/** For the cold start and the last read; the HTTP API gives up after 30 s. */
const MARGIN_SECONDS = 4;

/** A held read waits, and pays for the memory that it waits with. */
export const WAITING_MEMORY_MB = 256;

export class Hold extends Construct {
  readonly door: HubFunction;

  constructor(scope: Construct, id: string, { config, log, tokenKeys, subscribers }: DoorProps) {
    super(scope, id);
    this.door = new HubFunction(this, 'Door', {
      door: 'hold',
      logRetention: config.logRetentionDays,
      timeout: Duration.seconds(config.holdSeconds + MARGIN_SECONDS),
      memoryMb: WAITING_MEMORY_MB,
      reservedConcurrency: config.maxHolds,
    });
    log.grantRead(this.door);
    tokenKeys.grantVerify(this.door);
    subscribers.grantWait(this.door);
    this.door.configure(holdEnv.write({ HOLD_SECONDS: String(config.holdSeconds) }));
  }
}
