/**
 * The function that holds long polls.
 * @module
 */
import { Construct } from 'constructs';
import { holdEnv } from '../../lambda/env.ts';
import type { HubFunction } from './hub-function.ts';
import { type WakingProps, waitingFunction } from './waiting-function.ts';

/** Seconds for the cold start and the last read. The HTTP API ends a request after 30 s. */
const MARGIN_SECONDS = 4;

/** The hold function. */
export class Hold extends Construct {
  /** The function that runs lambda/hold.ts. */
  readonly handler: HubFunction;

  constructor(scope: Construct, id: string, props: WakingProps) {
    super(scope, id);
    const { holdSeconds, maxHolds } = props.config;
    this.handler = waitingFunction(this, {
      ...props,
      handler: 'hold',
      timeoutSeconds: holdSeconds + MARGIN_SECONDS,
      reserved: maxHolds,
      environment: holdEnv.write({ HOLD_SECONDS: String(holdSeconds) }),
    });
  }
}
