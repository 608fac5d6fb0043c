/**
 * The local stack: reads a cloud assembly of the CDK, unmodified, and serves it on ports of this machine.
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
import { type Runtime, startRuntime } from './lambda/runtime.ts';
import { type HttpListener, type Intercept, openListener } from './listener.ts';
import { type Services, serveAws } from './services/aws-front.ts';
import { startDynamoDb } from './services/dynamodb-service.ts';
import { startMessaging } from './services/messaging.ts';
import { createMetrics, type MetricRecord } from './services/metric-lines.ts';
import { createQueues } from './services/queues.ts';
import { startSecrets } from './services/secrets.ts';
import { DEFAULT_REGION, publishQuota } from './services/sns-quota.ts';
import { createShutdown, type ShutdownStep } from './shutdown.ts';
import { type Assembly, type Resource, readAssembly } from './template/assembly.ts';
import { withSecrets } from './template/dynamic-references.ts';
import { createResolver, LOCAL_REGION } from './template/intrinsics.ts';
import { createReferences } from './template/names.ts';
import { createPlan, type Plan } from './template/plan.ts';
import { refuseUnknownResources } from './template/resources.ts';

export { isRegion } from './services/sns-quota.ts';

/** The options of a local stack. */
export interface LocalStackOptions {
  /** Directory of the cloud assembly, as `cdk synth` wrote it. */
  assembly: string;
  /**
   * Port of {@link LocalStack.url}; 0 takes a free one.
   * @default 0
   */
  port?: number;
  /**
   * Directory that stores tables, secrets and queues.
   * @default - everything is in memory
   */
  data?: string;
  /**
   * Requests that one environment serves at the same time, from 1. Lambda serves 1.
   * https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html
   * @default 1
   */
  concurrency?: number;
  /**
   * Region whose SNS publish quota applies. ARNs still have us-east-1, because stored data is found by them.
   * @default us-east-1
   */
  region?: string;
  /**
   * The rates at which the stack does what AWS does seldom.
   * @default CALM
   */
  chaos?: Chaos;
  /**
   * Takes each line that a function or the stack writes.
   * @default - lines are dropped
   */
  log?: (line: string) => void;
  /**
   * Answers requests to {@link LocalStack.url} that are not for the template, and returns false for all others.
   * @default - every request is for the template
   */
  intercept?: Intercept;
}

/** A running local stack. */
export interface LocalStack {
  /** URL of the distribution, or of the HTTP API if there is no distribution. Without a trailing slash. */
  readonly url: string;
  /** URL of the first HTTP API, without a trailing slash. */
  readonly apiUrl: string;
  /** URL for WebSockets: at the distribution if that leads to the API, else at the API. Undefined without a WebSocket API. */
  readonly socketUrl: string | undefined;
  /** Construct path of each function URL → its URL, without a trailing slash. */
  readonly functionUrls: Record<string, string>;
  /** Settings for SDK clients, with an access key that no policy is asked about. */
  readonly aws: { endpoint: string; region: string; accessKeyId: string; secretAccessKey: string };
  /** Base URL of the control endpoints of control.ts, with the secret of this start. Example: `${control}/calls`. */
  readonly control: string;
  /** Returns the metrics that functions have written since the start. */
  metrics(): MetricRecord[];
  /** The outputs of all stacks, by logical id. */
  readonly outputs: Record<string, string>;
  /** Gives functions some seconds to finish, then ends all processes and connections. May be called twice. Never throws. */
  close(): Promise<void>;
}

/**
 * Starts the stack of an assembly.
 * @throws Error with one sentence for what the stack does not understand or AWS would refuse; nothing runs then
 */
export async function startLocalStack(options: LocalStackOptions): Promise<LocalStack> {
  const settings = settingsOf(options);
  const assembly = readAssembly(options.assembly);
  refuseUnknownResources(assembly);
  const steps: ShutdownStep[] = [];
  const close = createShutdown(steps, settings.log);
  try {
    return { ...(await boot(assembly, settings, steps)), close };
  } catch (error) {
    await close();
    throw error;
  }
}

type Settings = ReturnType<typeof settingsOf>;

function settingsOf({
  port = 0,
  data,
  concurrency = 1,
  region,
  chaos = CALM,
  log = () => {},
  intercept = () => false,
}: LocalStackOptions) {
  if (!Number.isInteger(concurrency) || concurrency < 1) {
    throw new Error(`concurrency must be a whole number from 1, got ${concurrency}`);
  }
  return { port, data, concurrency, chaos, log, intercept, admits: publishQuota(region ?? DEFAULT_REGION) };
}

/** Starts one part after the other, and adds to `steps` how each of them ends. */
async function boot(
  assembly: Assembly,
  settings: Settings,
  steps: ShutdownStep[],
): Promise<Omit<LocalStack, 'close'>> {
  const { port, concurrency, chaos, admits, log, intercept } = settings;

  // Ports come first, because the template refers to the URLs.
  const aws = await started('the AWS endpoint', openListener(0, 'the AWS endpoint'), steps);
  const gateways = await openGateways(assembly, port, ({ url, close }) => {
    steps.push({ name: url, end: close });
  });
  const templates = readPlan(assembly, aws, gateways);
  const secrets = startSecrets(templates.all('AWS::SecretsManager::Secret'), settings.data);
  const plan = withSecrets(templates, secrets.text);
  const callLog = createCallLog([...plan.functions.values()], plan.resourcePolicies);
  const sources = readEventSources(plan, callLog);

  const stores = await startServices(plan, aws, settings, steps);
  const { messaging } = stores;
  const faults = createFaults();
  const metrics = createMetrics();
  const { functions } = plan;
  const runtime = await started(
    'the runtime',
    startRuntime({ functions, awsEndpoint: aws.url, concurrency, log, callLog, faults, metrics }),
    steps,
  );

  const adminKeyId = newKeyId('LOCAL');
  const connections = createConnections();
  const queues = createQueues(plan, messaging);
  const secret = randomBytes(20).toString('hex');
  const control = createControl({ secret, callLog, faults, metrics, runtime, queues, connections });
  const services = { ...stores, secrets, admits, invoke: runtime.invoke };
  serveAws(aws, { adminKeyId, caller: runtime.caller, services, callLog, faults, control });

  const served = serveGateways(gateways, {
    plan,
    runtime,
    callLog,
    faults,
    connections,
    chaos,
    adminKeyId,
    log,
  });
  // The first one has the URL of the hub.
  [...gateways.values()][0]?.intercept(intercept);
  const pollers = messaging && startEventSources(sources, { messaging, runtime, chaos, log });
  steps.push({ name: 'the requests under way', end: () => endRequests(gateways, served, runtime, pollers) });

  return {
    ...addressesOf(gateways),
    socketUrl: served.socketUrl,
    aws: {
      endpoint: aws.url,
      region: LOCAL_REGION,
      accessKeyId: adminKeyId,
      secretAccessKey: randomBytes(20).toString('hex'),
    },
    control: `${aws.url}/_local/${secret}`,
    metrics: metrics.list,
    outputs: plan.outputs,
  };
}

async function endRequests(
  gateways: Gateways,
  served: ReturnType<typeof serveGateways>,
  runtime: Runtime,
  pollers: ReturnType<typeof startEventSources> | undefined,
): Promise<void> {
  // A client that reconnects must find no port. If the stack refused it instead, a browser would not try again.
  for (const { stop } of gateways.values()) stop();
  pollers?.stop();
  await served.endSockets();
  await runtime.close();
  await pollers?.settled();
  await served.close();
}

function addressesOf(gateways: Gateways): Pick<LocalStack, 'url' | 'apiUrl' | 'functionUrls'> {
  const [[, apiUrl] = ['', '']] = urlsOf(gateways, HTTP_API);
  return {
    url: urlsOf(gateways, DISTRIBUTION)[0]?.[1] ?? apiUrl,
    apiUrl,
    functionUrls: Object.fromEntries(urlsOf(gateways, FUNCTION_URL)),
  };
}

function readPlan(assembly: Assembly, aws: HttpListener, gateways: Gateways): Plan {
  const addresses = { aws: aws.url, url: (resource: Resource) => gateways.get(resource)?.url ?? '' };
  return createPlan(assembly, createResolver(assembly, createReferences(addresses), withLocalUrls(gateways)));
}

/** Starts the other services that store data: tables, topics and queues. */
async function startServices(
  plan: Plan,
  aws: HttpListener,
  { data, log }: Settings,
  steps: ShutdownStep[],
): Promise<Omit<Services, 'admits' | 'secrets' | 'invoke'>> {
  if (data !== undefined) mkdirSync(data, { recursive: true });
  const tables = [...plan.all('AWS::DynamoDB::GlobalTable'), ...plan.all('AWS::DynamoDB::Table')];
  const dynamodb = await started('the tables', startDynamoDb(tables, data, log), steps);
  const messaging = await startMessaging(plan, { host: aws.url.replace('http://', ''), data, log });
  if (messaging !== undefined) steps.push({ name: 'the topics and queues', end: messaging.close });
  return { dynamodb, messaging };
}

async function started<T extends { close(): Promise<void> }>(
  name: string,
  starting: Promise<T>,
  steps: ShutdownStep[],
): Promise<T> {
  const part = await starting;
  steps.push({ name, end: part.close });
  return part;
}
