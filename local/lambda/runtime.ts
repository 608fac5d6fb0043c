/**
 * Lambda: runs invocations in environments, which get them from the Runtime API.
 * @module
 */
import { randomUUID } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { availableParallelism, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { Faults } from '../faults/faults.ts';
import type { CallLog } from '../iam/call-log.ts';
import { type HttpListener, openListener } from '../listener.ts';
import type { AwsCaller } from '../services/aws-front.ts';
import type { Metrics } from '../services/metric-lines.ts';
import { ACCOUNT, LOCAL_REGION } from '../template/intrinsics.ts';
import { type FunctionPlan, shortName, TRACE_ACTIONS } from '../template/plan.ts';
import { type Admission, createAdmission } from './admission.ts';
import { type Environment, type EnvironmentHost, startEnvironment } from './environment.ts';
import { createFleet, type Fleet } from './fleet.ts';
import { type Reaper, startReaper } from './reaper.ts';
import type { InvocationOutcome } from './response.ts';
import { MAX_PAYLOAD_BYTES } from './response.ts';
import { watchProcessors } from './spare-time.ts';

/** The Lambda service. */
export interface Runtime {
  /**
   * Invokes the function with that ARN. Resolves with its answer, the start of its stream, or its failure.
   * @throws Error if no template has the function
   */
  invoke(arn: string, payload: Buffer): Promise<InvocationOutcome>;
  /**
   * Returns true if an invocation of the function now is throttled, and counts it as throttled. So a gateway can refuse a request
   * before it reads the body and writes the event. Under overload most requests are refused, and what a refusal costs is missing
   * for the others.
   */
  throttles(arn: string): boolean;
  /** Returns the environment with that access key; undefined for a key that no environment has. */
  caller(accessKeyId: string): AwsCaller | undefined;
  /** Returns the running processes: the construct path of the function, and the number of invocations. */
  processes(): { readonly function: string; readonly pid: number | undefined; readonly inFlight: number }[];
  /** Returns what each function has run since the start: Lambda bills the number of invocations, and their time. */
  runs(): RunRecord[];
  /** Throttles new invocations, gives functions some seconds to finish, and kills the processes. */
  close(): Promise<void>;
}

/** The finished invocations of a function. */
export interface RunRecord {
  /** Construct path. */
  readonly function: string;
  /** Number of invocations. */
  readonly count: number;
  /** The time of all of them together, in milliseconds. */
  readonly ms: number;
}

/** The parts of the stack that the runtime uses. */
export interface RuntimeOptions {
  /** All functions by ARN. */
  readonly functions: ReadonlyMap<string, FunctionPlan>;
  /** URL to which the SDK clients of functions send their calls. */
  readonly awsEndpoint: string;
  /** Decides about the log lines and traces of functions. */
  readonly callLog: CallLog;
  /** The faults that tests have added. */
  readonly faults: Faults;
  /** Takes the metrics that functions write. */
  readonly metrics: Metrics;
  /** Requests that one environment serves at the same time. Lambda serves 1. */
  readonly concurrency: number;
  /** Takes each line about an error or a refusal. */
  readonly log: (line: string) => void;
}

/**
 * Invocations of all functions at the same time: the default quota of an account in a Region.
 * https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
 */
const MAX_INVOCATIONS = 1_000;

/**
 * The longest timeout of a function whose invocations need the processor all the time that they take, in milliseconds. A function
 * with a longer one holds requests, or works a queue off: its invocations wait for something else.
 */
const BRIEF_MS = 10_000;

/**
 * So many environments use all cores, because an invocation waits for AWS calls a part of its time. More of them help only while the
 * processors have time to spare. Otherwise each start takes time from the invocations, which then wait longer, so that more start.
 * They also delay the stack itself, which then refuses late.
 */
const PLENTY = 2 * availableParallelism();

/** The pause between two lines about throttled invocations, in milliseconds. */
const LINE_MS = 1_000;

/** Memory of a busy environment in bytes, at most. If the machine has no room for another environment, invocations wait. */
const ENVIRONMENT_BYTES = 64 * 1024 * 1024;

/**
 * Time that functions have to finish when the stack stops, in milliseconds. It is enough for calls of AWS services. Requests
 * to other servers may take longer and fail.
 */
const STOP_MS = 3_000;
const STOP_POLL_MS = 10;

interface State {
  readonly options: RuntimeOptions;
  readonly fleet: Fleet;
  readonly environments: ReadonlyMap<string, Environment>;
  /** Number of unfinished invocations of each function. */
  readonly inFlight: Map<FunctionPlan, number>;
  /** The finished invocations of each function that was invoked. */
  readonly runs: Map<FunctionPlan, { count: number; ms: number }>;
  /** The admission of each function that is brief. */
  readonly admissions: ReadonlyMap<FunctionPlan, Admission>;
  /** Reports a throttled invocation. */
  readonly throttled: (plan: FunctionPlan, why: string) => void;
}

/** Starts the Runtime API. Processes start on demand. */
export async function startRuntime(options: RuntimeOptions): Promise<Runtime> {
  const api = await openListener(0, 'the Lambda runtime API');
  const compiled = mkdtempSync(join(tmpdir(), 'tidings-'));
  const reaper = startReaper(compiled);
  const environments = new Map<string, Environment>();
  const callers = new Map<string, AwsCaller>();
  const print = createPrinter(options);

  const host: EnvironmentHost = {
    runtimeApi: api.url.replace('http://', ''),
    awsEndpoint: options.awsEndpoint,
    concurrency: options.concurrency,
    compileCache: compiled,
    mustDie: (plan, at) => options.faults.effectOn(plan.path, at) !== undefined,
    started(environment) {
      environments.set(environment.id, environment);
      callers.set(environment.accessKeyId, callerOf(environment));
      if (environment.pid !== undefined) reaper.watch(environment.pid);
      openLogStream(options.callLog, environment);
      if (environment.plan.isTraced) sendTraces(options.callLog, environment);
    },
    print,
    freed: (environment) => fleet.freed(environment),
    ended(environment, end) {
      environments.delete(environment.id);
      callers.delete(environment.accessKeyId);
      if (environment.pid !== undefined) reaper.forget(environment.pid);
      fleet.gone(environment, end);
    },
  };
  const hasSpareTime = watchProcessors();
  const fleet = createFleet({
    functions: [...options.functions.values()],
    concurrency: options.concurrency,
    maxEnvironments: Math.max(options.functions.size, Math.floor(memoryOfMachine() / ENVIRONMENT_BYTES)),
    // One core is for the stack itself. At least two, so that an environment that hangs does not block the others.
    maxStarting: Math.max(2, availableParallelism() - 1),
    helps: (plan, members) => !isBrief(plan) || members < PLENTY || hasSpareTime(),
    start: (plan) => startEnvironment(plan, host),
  });
  const brief = [...options.functions.values()].filter(isBrief);
  const state: State = {
    options,
    fleet,
    environments,
    inFlight: new Map(),
    runs: new Map(),
    admissions: new Map(brief.map((plan) => [plan, createAdmission()])),
    throttled: throttledLines(options.log),
  };
  serveRuntimeApi(api, environments);

  return {
    invoke(arn, payload) {
      const plan = options.functions.get(arn);
      if (plan === undefined) throw new Error(`no template has the function ${arn}`);
      return invoke(state, plan, payload);
    },
    throttles(arn) {
      const plan = options.functions.get(arn);
      return plan !== undefined && isThrottled(state, plan);
    },
    caller: (accessKeyId) => callers.get(accessKeyId),
    processes: () =>
      [...environments.values()].map(({ plan, pid, load }) => ({
        function: plan.path,
        pid,
        inFlight: load(),
      })),
    runs: () => [...state.runs].map(([{ path }, run]) => ({ function: path, ...run })),
    close: () => closeRuntime(state, api, reaper),
  };
}

const isBrief = ({ timeoutMs }: FunctionPlan): boolean => timeoutMs <= BRIEF_MS;

/** Returns the memory of the machine in bytes, or of the container if that has less. */
function memoryOfMachine(): number {
  return Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY);
}

function callerOf(environment: Environment): AwsCaller {
  return { plan: environment.plan, kill: environment.kill };
}

function serveRuntimeApi(api: HttpListener, environments: ReadonlyMap<string, Environment>): void {
  api.serve((request, response) => {
    const [, id, route] = /^\/([0-9a-f]+)\/2018-06-01\/runtime\/(.+)$/.exec(request.url ?? '') ?? [];
    const environment = environments.get(id ?? '');
    if (environment === undefined || route === undefined) request.socket.destroy();
    else environment.serve(route, request, response);
  });
}

function invoke(state: State, plan: FunctionPlan, payload: Buffer): Promise<InvocationOutcome> {
  if (payload.length > MAX_PAYLOAD_BYTES) {
    const message = `${payload.length} byte payload is too large: ${MAX_PAYLOAD_BYTES} are allowed`;
    return Promise.resolve({ kind: 'failure', type: 'RequestTooLarge', message });
  }
  if (isThrottled(state, plan)) return Promise.resolve({ kind: 'throttled' });
  const { fleet, inFlight, admissions, runs } = state;
  const admission = admissions.get(plan);
  admission?.begin();
  const since = performance.now();
  return new Promise((settle) => {
    const count = (change: number) => inFlight.set(plan, (inFlight.get(plan) ?? 0) + change);
    count(1);
    const release = () => {
      count(-1);
      admission?.end(since);
      const { count: before, ms } = runs.get(plan) ?? { count: 0, ms: 0 };
      runs.set(plan, { count: before + 1, ms: ms + performance.now() - since });
    };
    fleet.take(plan, { id: randomUUID(), payload, settle, release });
  });
}

/** Returns true if an invocation of the function must be throttled now, and reports it. */
function isThrottled({ inFlight, admissions, throttled }: State, plan: FunctionPlan): boolean {
  const own = inFlight.get(plan) ?? 0;
  if (own >= (plan.reservedConcurrency ?? MAX_INVOCATIONS)) return true;
  if ([...inFlight.values()].reduce((total, count) => total + count, 0) >= MAX_INVOCATIONS) {
    throttled(plan, `${MAX_INVOCATIONS} invocations are under way, the quota of the account`);
    return true;
  }
  if (admissions.get(plan)?.isFull() !== true) return false;
  throttled(plan, 'this machine is busy');
  return true;
}

/** Returns a function that logs throttled invocations: one line a second at the most, with their number. */
function throttledLines(log: RuntimeOptions['log']): State['throttled'] {
  let loggedAt = Number.NEGATIVE_INFINITY;
  let unlogged = 0;
  return (plan, why) => {
    const now = performance.now();
    unlogged += 1;
    if (now - loggedAt < LINE_MS) return;
    log(`[${shortName(plan)}] throttled: ${why}${unlogged > 1 ? ` (${unlogged} since the last line)` : ''}`);
    loggedAt = now;
    unlogged = 0;
  };
}

/** Marks the grants as used that Lambda itself needs for the log of a new environment, with the role of the function. */
function openLogStream(callLog: CallLog, { plan, logStream }: Environment): void {
  const group = `arn:aws:logs:${LOCAL_REGION}:${ACCOUNT}:log-group:${plan.logGroup}`;
  if (plan.createsLogGroup) callLog.authorize(plan, 'logs:CreateLogGroup', `${group}:*`);
  callLog.authorize(plan, 'logs:CreateLogStream', `${group}:log-stream:${logStream}`);
}

/** Marks the grants as used that Lambda needs for traces, with the role of the function. */
function sendTraces(callLog: CallLog, { plan }: Environment): void {
  for (const action of TRACE_ACTIONS) callLog.authorize(plan, action, '*');
}

/**
 * Returns a function that prints lines of environments. On AWS lines get lost if the role may not write logs. Here one line for
 * each function says so. Lines with metrics are summed up, not printed.
 */
function createPrinter({ callLog, log, metrics }: RuntimeOptions): EnvironmentHost['print'] {
  const reported = new Set<FunctionPlan>();
  return ({ plan, logStream }, line) => {
    const resource = `arn:aws:logs:${LOCAL_REGION}:${ACCOUNT}:log-group:${plan.logGroup}:log-stream:${logStream}`;
    if (callLog.authorize(plan, 'logs:PutLogEvents', resource).allowed) {
      if (!isTaken(metrics, line, log)) log(`[${shortName(plan)}] ${line}`);
    } else if (!reported.has(plan)) {
      reported.add(plan);
      log(
        `[${shortName(plan)}] has no grant for logs:PutLogEvents on ${plan.logGroup}: its output is dropped`,
      );
    }
  };
}

/** Returns true for a line with metrics. A line that CloudWatch would drop is printed, with the reason. */
function isTaken(metrics: Metrics, line: string, log: RuntimeOptions['log']): boolean {
  try {
    return metrics.take(line);
  } catch (error) {
    log(`CloudWatch would drop these metrics: ${error instanceof Error ? error.message : String(error)}`);
    return false;
  }
}

async function closeRuntime(state: State, api: HttpListener, reaper: Reaper): Promise<void> {
  state.fleet.close();
  const all = [...state.environments.values()];
  for (const environment of all) environment.stop();
  const end = Date.now() + STOP_MS;
  while (Date.now() < end && all.some((environment) => !environment.idle())) await wait(STOP_POLL_MS);
  for (const environment of all) environment.kill();
  await Promise.all(all.map(({ gone }) => gone));
  await Promise.all([api.close(), reaper.close()]);
}
