/**
 * What an EventSource reaches: a function that streams its answer, behind a function URL, since API Gateway's HTTP APIs
 * do not stream.
 * @module
 */
import * as lambda from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';
import { streamEnv } from '../../lambda/env.ts';
import type { HubFunction } from './hub-function.ts';
import { type WakingProps, waitingFunction } from './waiting-function.ts';

/** For the cold start and the last event. */
const MARGIN_SECONDS = 10;

export interface StreamProps extends WakingProps {
  /** Who may call the URL: with a front door nobody but that. */
  readonly authType: lambda.FunctionUrlAuthType;
}

export class Stream extends Construct {
  readonly door: HubFunction;
  readonly url: lambda.FunctionUrl;

  constructor(scope: Construct, id: string, props: StreamProps) {
    super(scope, id);
    const { streamSeconds, maxStreams } = props.config;
    this.door = waitingFunction(this, {
      ...props,
      door: 'stream',
      timeoutSeconds: streamSeconds + MARGIN_SECONDS,
      atATime: maxStreams,
      environment: streamEnv.write({ STREAM_SECONDS: String(streamSeconds) }),
    });
    props.log.grantRedeem(this.door);
    const { authType } = props;
    this.url = this.door.function.addFunctionUrl({ authType, invokeMode: lambda.InvokeMode.RESPONSE_STREAM });
  }
}
