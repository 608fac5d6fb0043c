/**
 * The same house on one machine: reads a cloud assembly, unmodified, and runs it.
 * @module
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { createConnections } from './apigateway/open-connections.ts';
import { createControl } from './control.ts';
import { CALM, type Chaos } from './faults/chaos.ts';
import { createFaults } from './faults/faults.ts';
import {
  DISTRIBUTION,
  FUNCTION_URL,
  type Gateways,
  HTTP_API,
  newKeyId,
  openGateways,
  serveGateways,
  urlsOf,
  withLocalUrls,
} from './gateways.ts';
import { createCallLog } from './iam/call-log.ts';
import { startEventSources } from './lambda/event-source.ts';
import { readEventSources } from './lambda/event-source-plan.ts';
import { startRuntime } from './lambda/runtime.ts';
import { type Listener, listen } from './listener.ts';
import { serveAws } from './services/aws-front.ts';
import { startDynamoDb } from './services/dynamodb-service.ts';
import { startMessaging } from './services/messaging.ts';
import { createMetrics, type MetricRecord } from './services/metric-lines.ts';
import { createQueues } from './services/queues.ts';
import { startSecrets } from './services/secrets.ts';
import { DEFAULT_REGION, publishQuota } from './services/sns-quota.ts';
import { createShutdown, type ShutdownStep } from './shutdown.ts';
import { type Assembly, type Resource, readAssembly } from './template/assembly.ts';
import { createResolver, REGION } from './template/intrinsics.ts';
import { createReferences } from './template/names.ts';
import { createPlan, type Plan } from './template/plan.ts';
import { refuseUnknown } from './template/resources.ts';

export { isRegion } from './services/sns-quota.ts';

export interface LocalStackOptions {
  /** Directory of the cloud assembly, as `cdk synth` wrote it. */
  assembly: string;
  /**
   * Port of what `url` is; 0 takes a free one.
   * @default 0
   */
  port?: number;
  /**
   * Directory that keeps tables and secrets.
   * @default - everything is in memory
   */
  data?: string;
  /**
   * Requests that one environment process serves at the same time; 1 is what is deployed.
   * @default 1
   */
  concurrency?: number;
  /**
   * Region whose SNS publish quota applies. ARNs still have us-east-1, because stored data is found by them.
   * @default us-east-1
   */
  region?: string;
  /**
   * How much harsher than AWS the stack is.
   * @default GENTLE
   */
  chaos?: Chaos;
  /**
   * Takes each line that a function or the stack writes.
   * @default - lines are dropped
   */
  log?: (line: string) => void;
}

export interface LocalStack {
  /** URL of the front door, without a trailing slash: the distribution where there is one, else the HTTP API. */
  readonly url: string;
  /** URL of the first HTTP API itself, without a trailing slash. */
  readonly apiUrl: string;
  /** Where clients open a WebSocket, by way of the front door if it leads there; undefined without a WebSocket API. */
  readonly socketUrl: string | undefined;
  /** Construct path of each function URL → its URL, without a trailing slash. */
  readonly functionUrls: Record<string, string>;
  /** An identity that no policy is asked about. */
  readonly aws: { endpoint: string; region: string; accessKeyId: string; secretAccessKey: string };
  /** Base URL, with the secret of this start, of the control endpoints: `${control}/calls`, `/grants`, `/faults`, `/queues`, `/connections`, `/metrics`. */
  readonly control: string;
  /** What functions have written as metrics since the start. */
  metrics(): MetricRecord[];
  /** The outputs of all stacks, by logical id. */
  readonly outputs: Record<string, string>;
  /** Lets functions end what they do, for some seconds, and ends every process and connection. May be called twice, and never throws. */
  close(): Promise<void>;
}

/**
 * As deployed: an environment serves one request at a time.
 * https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html
 */
const DEFAULT_CONCURRENCY = 1;

/** Boots the assembly. What it does not understand, it refuses before anything is started. */
export async function startLocalStack(options: LocalStackOptions): Promise<LocalStack> {
  const { port = 0, data, concurrency = DEFAULT_CONCURRENCY, chaos = CALM, log = () => {} } = options;
  if (!Number.isInteger(concurrency) || concurrency < 1) {
    throw new Error(`concurrency must be a whole number from 1, got ${concurrency}`);
  }
  const admits = publishQuota(options.region ?? DEFAULT_REGION);
  const assembly = readAssembly(options.assembly);
  refuseUnknown(assembly);
  const undo: ShutdownStep[] = [];
  const close = createShutdown(undo, log);
  try {
    const aws = await opened('the AWS endpoint', listen(0, 'the AWS endpoint'), undo);
    const gateways = await openGateways(assembly, port, ({ url, close }) => {
      undo.push({ name: url, end: close });
    });
    const [[, apiUrl] = ['', '']] = urlsOf(gateways, HTTP_API);
    const plan = readPlan(assembly, aws, gateways);
    const adminKeyId = newKeyId('LOCAL');
    const callLog = createCallLog([...plan.functions.values()], plan.resourcePolicies);
    const faults = createFaults();
    const sources = readEventSources(plan, callLog);

    if (data !== undefined) mkdirSync(data, { recursive: true });
    const secrets = startSecrets(plan.all('AWS::SecretsManager::Secret'), data);
    const dynamodb = await opened('the store', startDynamoDb(tablesOf(plan), data, log), undo);
    const messaging = await startMessaging(plan, { host: aws.url.replace('http://', ''), data, log });
    if (messaging !== undefined) undo.push({ name: 'messaging', end: messaging.close });
    const metrics = createMetrics();
    const environment = { functions: plan.functions, awsEndpoint: aws.url, concurrency, log };
    const runtime = await opened(
      'the runtime',
      startRuntime({ ...environment, callLog, faults, metrics }),
      undo,
    );

    const connections = createConnections();
    const queues = createQueues(plan, messaging);
    const secret = randomBytes(20).toString('hex');
    const control = createControl({ secret, callLog, faults, metrics, runtime, queues, connections });
    serveAws(aws, {
      adminKeyId,
      caller: runtime.caller,
      services: { dynamodb, secrets, messaging, admits },
      callLog,
      faults,
      control,
    });
    const gatewayOptions = { plan, runtime, callLog, faults, connections, chaos, adminKeyId, log };
    const served = serveGateways(gateways, gatewayOptions);
    const pollers = messaging && startEventSources(sources, { messaging, runtime, chaos, log });
    undo.push({
      name: 'what is under way',
      end: async () => {
        // A client that comes again meanwhile finds no stack, rather than one that refuses: browsers take that for final.
        for (const { stop } of gateways.values()) stop();
        pollers?.stop();
        await served.endSockets();
        await runtime.close();
        await pollers?.settled();
        await served.close();
      },
    });
    return {
      url: urlsOf(gateways, DISTRIBUTION)[0]?.[1] ?? apiUrl,
      apiUrl,
      socketUrl: served.socketUrl,
      functionUrls: Object.fromEntries(urlsOf(gateways, FUNCTION_URL)),
      aws: {
        endpoint: aws.url,
        region: REGION,
        accessKeyId: adminKeyId,
        secretAccessKey: randomBytes(20).toString('hex'),
      },
      control: `${aws.url}/_local/${secret}`,
      metrics: metrics.list,
      outputs: plan.outputs,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function opened<T extends { close(): Promise<void> }>(
  name: string,
  starting: Promise<T>,
  undo: ShutdownStep[],
): Promise<T> {
  const part = await starting;
  undo.push({ name, end: part.close });
  return part;
}

function readPlan(assembly: Assembly, aws: Listener, gateways: Gateways): Plan {
  const addresses = { aws: aws.url, url: (resource: Resource) => gateways.get(resource)?.url ?? '' };
  return createPlan(assembly, createResolver(assembly, createReferences(addresses), withLocalUrls(gateways)));
}

const tablesOf = (plan: Plan) => [
  ...plan.all('AWS::DynamoDB::GlobalTable'),
  ...plan.all('AWS::DynamoDB::Table'),
];
