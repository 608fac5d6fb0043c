/**
 * The function of Server-Sent Events. It has a function URL, because HTTP APIs of API Gateway cannot stream answers.
 * @module
 */
import * as lambda from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';
import { streamEnv } from '../../lambda/env.ts';
import type { HubFunction } from './hub-function.ts';
import { type WakingProps, waitingFunction } from './waiting-function.ts';

/** Seconds for the cold start and the last event. */
const MARGIN_SECONDS = 10;

/** The common parts, and the protection of the URL. */
export interface StreamProps extends WakingProps {
  /** AWS_IAM with a front door, so that only CloudFront can call the URL; otherwise NONE. */
  readonly authType: lambda.FunctionUrlAuthType;
}

/** The stream function and its URL. */
export class Stream extends Construct {
  /** The function that runs lambda/stream.ts. */
  readonly handler: HubFunction;
  /** The function URL, which streams. */
  readonly url: lambda.FunctionUrl;

  constructor(scope: Construct, id: string, props: StreamProps) {
    super(scope, id);
    const { streamSeconds, maxStreams } = props.config;
    this.handler = waitingFunction(this, {
      ...props,
      handler: 'stream',
      timeoutSeconds: streamSeconds + MARGIN_SECONDS,
      reserved: maxStreams,
      environment: streamEnv.write({ STREAM_SECONDS: String(streamSeconds) }),
    });
    props.log.grantRedeem(this.handler);
    const { authType } = props;
    this.url = this.handler.function.addFunctionUrl({
      authType,
      invokeMode: lambda.InvokeMode.RESPONSE_STREAM,
    });
  }
}
