/**
 * The one place that says how a function of the hub runs: runtime, architecture, bundle, role, logs.
 * @module
 */
import { fileURLToPath } from 'node:url';
import { AssetHashType, DockerImage, Duration, RemovalPolicy, Validations } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { buildSync } from 'esbuild';

export interface HubFunctionProps {
  /** The file under lambda/ that is this function, without its suffix. */
  readonly handler: string;
  readonly logRetention: logs.RetentionDays;
  /** @default - 10 seconds */
  readonly timeout?: Duration;
  /** @default - 512 MB */
  readonly memoryMb?: number;
  /**
   * Requests at a time, at most and guaranteed.
   * @default - whatever the account has left
   */
  readonly reservedConcurrency?: number;
  /**
   * True for a function whose messages lead to itself again, as often as there is work left. Lambda would take that for a
   * loop after 16 times, and drop the message.
   * https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
   * @default - false
   */
  readonly callsItself?: boolean;
}

/**
 * Longest run of a door that does not hold requests, of which single milliseconds are usual. A store that answers
 * every attempt late can use it up; a sixth of LATEST_WRITE_MS, so that no write outlives what readers reckon with.
 */
const TIMEOUT = Duration.seconds(10);

/**
 * Memory buys CPU: at 512 MB a publish is bound by DynamoDB, not by its own parsing and signing.
 * https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
 */
const MEMORY_MB = 512;

/** A function whose role holds what was granted to it and nothing else. */
export class HubFunction extends Construct {
  readonly function: lambda.Function;
  readonly role: iam.Role;

  constructor(scope: Construct, id: string, props: HubFunctionProps) {
    super(scope, id);
    const logGroup = new logs.LogGroup(this, 'Logs', {
      retention: props.logRetention,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    // Not the managed basic role: that may write to every log group of the account.
    this.role = new iam.Role(this, 'Role', { assumedBy: new iam.ServicePrincipal('lambda.amazonaws.com') });
    logGroup.grantWrite(this.role);
    this.function = new lambda.Function(this, 'Function', {
      runtime: lambda.Runtime.NODEJS_24_X,
      architecture: lambda.Architecture.ARM_64,
      handler: 'index.handler',
      code: bundle(props.handler),
      memorySize: props.memoryMb ?? MEMORY_MB,
      timeout: props.timeout ?? TIMEOUT,
      ...(props.reservedConcurrency === undefined
        ? {}
        : { reservedConcurrentExecutions: props.reservedConcurrency }),
      ...(props.callsItself ? { recursiveLoop: lambda.RecursiveLoop.ALLOW } : {}),
      role: this.role,
      logGroup,
      // The lines of the runtime itself, too: what timed out, what was not caught.
      loggingFormat: lambda.LoggingFormat.JSON,
      // Adds the two actions to the role. Lambda takes the first request of a second and 5 % of the others.
      // https://docs.aws.amazon.com/lambda/latest/dg/services-xray.html
      tracing: lambda.Tracing.ACTIVE,
    });
    Validations.of(this).acknowledge({
      id: 'AwsSolutions-IAM5[Resource::*]',
      reason:
        'xray:PutTraceSegments and xray:PutTelemetryRecords are of no resource, so IAM takes them for all or not at all',
    });
  }

  /** Allows the actions on that one resource, and supplies the environment that their code reads. */
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

  /** Adds to the environment. */
  configure(environment: Readonly<Record<string, string>>): void {
    for (const [name, value] of Object.entries(environment)) this.function.addEnvironment(name, value);
  }
}

/**
 * The door with everything that it imports, the SDK included: AWS recommends to ship the SDK that was tested.
 * Built in process, so that synthesis needs no Docker; the hash is that of the result.
 * https://docs.aws.amazon.com/lambda/latest/dg/lambda-nodejs.html
 */
function bundle(door: string): lambda.Code {
  const root = fileURLToPath(new URL('../../lambda', import.meta.url));
  const tryBundle = (outputDir: string): boolean => {
    buildSync({
      entryPoints: [`${root}/${door}.ts`],
      outfile: `${outputDir}/index.mjs`,
      bundle: true,
      platform: 'node',
      target: 'node24',
      format: 'esm',
      mainFields: ['module', 'main'],
      alias: { 'node:http': fileURLToPath(new URL('node-http.cjs', import.meta.url)) },
      // Some of the SDK's dependencies are CommonJS and call require at run time.
      banner: {
        js: "import { createRequire } from 'node:module';const require = createRequire(import.meta.url);",
      },
      legalComments: 'none',
      logLevel: 'error',
    });
    return true;
  };
  return lambda.Code.fromAsset(root, {
    assetHashType: AssetHashType.OUTPUT,
    // The command is never run: it tells this bundle from another door's in the CDK's cache of built assets.
    bundling: { image: DockerImage.fromRegistry('never-used'), command: [door], local: { tryBundle } },
  });
}
