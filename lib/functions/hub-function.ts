/**
 * A Lambda function of the hub: runtime, architecture, bundle, role, logs.
 * @module
 */
import { fileURLToPath } from 'node:url';
import { AssetHashType, DockerImage, Duration, RemovalPolicy, Stack, Validations } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { awsEnv } from '../../lambda/env.ts';
import type { HubConfig } from '../config/config.ts';
import { writeBundle } from './bundle/bundle.ts';

/** The differences between the functions. */
export interface HubFunctionProps {
  /** The file under lambda/ that is this function, without its suffix. */
  readonly handler: string;
  /** The options of its hub. */
  readonly config: HubConfig;
  /** @default - 10 seconds */
  readonly timeout?: Duration;
  /** @default - 512 MB */
  readonly memoryMb?: number;
  /**
   * Requests at a time: reserved for the function, and its maximum.
   * @default - no reservation
   */
  readonly reservedConcurrency?: number;
  /**
   * True for a function whose messages lead to itself again while there is work left. Otherwise Lambda drops such a message after
   * 16 times, because it takes it for a loop.
   * https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
   * @default - false
   */
  readonly callsItself?: boolean;
}

/**
 * Most handlers run for milliseconds; one whose store answers every attempt late can run this long. It is a sixth of
 * LATEST_WRITE_MS, because readers treat a slot as lost after that time.
 */
const TIMEOUT = Duration.seconds(10);

/**
 * CPU grows with memory. At 512 MB a publish waits for DynamoDB longer than it parses and signs.
 * https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
 */
const MEMORY_MB = 512;

/** A function with its log group, and with a role that has only what was granted to it. */
export class HubFunction extends Construct {
  /** The Lambda function. */
  readonly function: lambda.Function;
  /** Its role, with the actions that were granted and no others. */
  readonly role: iam.Role;
  /** The options of its hub. */
  readonly config: HubConfig;

  constructor(scope: Construct, id: string, props: HubFunctionProps) {
    super(scope, id);
    this.config = props.config;
    const logGroup = new logs.LogGroup(this, 'Logs', {
      retention: props.config.logRetentionDays,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    // The managed basic role may write to every log group of the account.
    this.role = new iam.Role(this, 'Role', { assumedBy: new iam.ServicePrincipal('lambda.amazonaws.com') });
    logGroup.grantWrite(this.role);
    this.function = new lambda.Function(this, 'Function', {
      runtime: lambda.Runtime.NODEJS_24_X,
      architecture: lambda.Architecture.ARM_64,
      handler: 'index.handler',
      code: codeOf(props.handler),
      memorySize: props.memoryMb ?? MEMORY_MB,
      timeout: props.timeout ?? TIMEOUT,
      ...(props.reservedConcurrency === undefined
        ? {}
        : { reservedConcurrentExecutions: props.reservedConcurrency }),
      ...(props.callsItself ? { recursiveLoop: lambda.RecursiveLoop.ALLOW } : {}),
      environment: awsEnv.write({ URL_SUFFIX: Stack.of(this).urlSuffix }),
      role: this.role,
      logGroup,
      // The lines of the runtime itself are JSON then, too: timeouts, uncaught errors.
      loggingFormat: lambda.LoggingFormat.JSON,
      // Adds the two actions to the role. Lambda takes the first request of a second and 5 % of the others.
      // https://docs.aws.amazon.com/lambda/latest/dg/services-xray.html
      tracing: lambda.Tracing.ACTIVE,
    });
    Validations.of(this).acknowledge({
      id: 'AwsSolutions-IAM5[Resource::*]',
      reason: 'IAM knows no resources for xray:PutTraceSegments and xray:PutTelemetryRecords',
    });
  }

  /** Allows the actions on one resource, and sets the environment variables that the code needs for them. */
  grant(
    actions: readonly string[],
    resourceArn: string,
    environment: Readonly<Record<string, string>>,
  ): void {
    this.function.addToRolePolicy(
      new iam.PolicyStatement({ actions: [...actions], resources: [resourceArn] }),
    );
    this.configure(environment);
  }

  /** Adds environment variables. */
  configure(environment: Readonly<Record<string, string>>): void {
    for (const [name, value] of Object.entries(environment)) this.function.addEnvironment(name, value);
  }
}

/**
 * Returns the code of a handler, with everything that it imports. The asset hash is that of the result.
 * https://docs.aws.amazon.com/lambda/latest/dg/lambda-nodejs.html
 */
function codeOf(handler: string): lambda.Code {
  const tryBundle = (outputDir: string): boolean => {
    writeBundle(handler, outputDir);
    return true;
  };
  return lambda.Code.fromAsset(fileURLToPath(new URL('../../lambda', import.meta.url)), {
    assetHashType: AssetHashType.OUTPUT,
    // The command is never run. The CDK's cache of built assets uses it as a key, and each handler needs its own.
    bundling: { image: DockerImage.fromRegistry('never-used'), command: [handler], local: { tryBundle } },
  });
}
