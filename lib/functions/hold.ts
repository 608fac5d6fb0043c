/**
 * What long pollers reach: a function of its own.
 * @module
 */
import { Construct } from 'constructs';
import { holdEnv } from '../../lambda/env.ts';
import type { HubFunction } from './hub-function.ts';
import { type WakingProps, waitingFunction } from './waiting-function.ts';

/** For the cold start and the last read; the HTTP API gives up after 30 s. */
const MARGIN_SECONDS = 4;

export class Hold extends Construct {
  readonly door: HubFunction;

  constructor(scope: Construct, id: string, props: WakingProps) {
    super(scope, id);
    const { holdSeconds, maxHolds } = props.config;
    this.door = waitingFunction(this, {
      ...props,
      door: 'hold',
      timeoutSeconds: holdSeconds + MARGIN_SECONDS,
      atATime: maxHolds,
      environment: holdEnv.write({ HOLD_SECONDS: String(holdSeconds) }),
    });
  }
}
