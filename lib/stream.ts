/**
 * What an EventSource reaches: a function that streams its answer, behind a function URL, since API Gateway's HTTP APIs
 * do not stream.
 * @module
 */
import { Duration } from 'aws-cdk-lib';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';
import { streamEnv } from '../lambda/env.ts';
import type { DoorProps } from './door-props.ts';
import { WAITING_MEMORY_MB } from './hold.ts';
import { HubFunction } from './hub-function.ts';

/** For the cold start and the last event. */
const MARGIN_SECONDS = 10;

export interface StreamProps extends DoorProps {
  /** The header that the front door moves the token to; without a front door it is Authorization. */
  readonly tokenHeader: string;
  /** Who may call the URL: with a front door nobody but that. */
  readonly authType: lambda.FunctionUrlAuthType;
}

export class Stream extends Construct {
  readonly door: HubFunction;
  readonly url: lambda.FunctionUrl;

  constructor(
    scope: Construct,
    id: string,
    { config, log, tokenKeys, subscribers, tokenHeader, authType }: StreamProps,
  ) {
    super(scope, id);
    this.door = new HubFunction(this, 'Door', {
      door: 'stream',
      logRetention: config.logRetentionDays,
      timeout: Duration.seconds(config.streamSeconds + MARGIN_SECONDS),
      memoryMb: WAITING_MEMORY_MB,
      reservedConcurrency: config.maxStreams,
    });
    log.grantRead(this.door);
    tokenKeys.grantVerify(this.door);
    subscribers.grantWait(this.door);
    this.door.configure(
      streamEnv.write({ STREAM_SECONDS: String(config.streamSeconds), TOKEN_HEADER: tokenHeader }),
    );
    this.url = this.door.function.addFunctionUrl({ authType, invokeMode: lambda.InvokeMode.RESPONSE_STREAM });
  }
}
