/**
 * Lambda: a pool of environment processes per function, and the Runtime API that they ask for work.
 * @module
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import type { Caller } from './aws-front.ts';
import {
  type Environment,
  type EnvironmentHost,
  type Invocation,
  type Outcome,
  startEnvironment,
} from './environment.ts';
import type { Faults } from './faults.ts';
import { ACCOUNT, REGION } from './intrinsics.ts';
import type { Ledger } from './ledger.ts';
import { type Listener, listen } from './listener.ts';
import type { Metrics } from './metrics.ts';
import { type FunctionPlan, TRACE_ACTIONS } from './plan.ts';
import { MAX_PAYLOAD_BYTES } from './response.ts';
import { startWarden, type Warden } from './warden.ts';

export interface Runtime {
  /** Invokes by ARN. Settles with the first of: answer, start of a stream, failure. */
  invoke(arn: string, payload: Buffer): Promise<Outcome>;
  caller(accessKeyId: string): Caller | undefined;
  /** The processes that live, by construct path of their function, with the requests that are with them. */
  processes(): { readonly function: string; readonly pid: number | undefined; readonly inFlight: number }[];
  /** Takes no more work, lets functions end what they do for some seconds, and kills what is left. */
  close(): Promise<void>;
}

export interface RuntimeOptions {
  readonly functions: ReadonlyMap<string, FunctionPlan>;
  readonly awsEndpoint: string;
  readonly ledger: Ledger;
  readonly faults: Faults;
  readonly metrics: Metrics;
  /** Requests that one process serves at the same time; 1 is classic Lambda. */
  readonly concurrency: number;
  readonly log: (line: string) => void;
}

/** A machine is not a region: past this, invocations are throttled, as past the account's limit on AWS. */
const MAX_ENVIRONMENTS = 50;

/** Lambda keeps an idle environment for some minutes too; it does not say how many. */
const IDLE_MS = 5 * 60 * 1_000;

/**
 * How long functions have for what they are doing when the stack stops: what is held ends at once, and a write takes
 * milliseconds. A webhook that does not answer is not waited for.
 */
const STOP_MS = 3_000;
const STOP_POLL_MS = 10;

interface Pool {
  readonly plan: FunctionPlan;
  readonly environments: Set<Environment>;
  readonly reapers: Map<Environment, NodeJS.Timeout>;
  inFlight: number;
}

interface State {
  readonly options: RuntimeOptions;
  readonly host: EnvironmentHost;
  readonly environments: ReadonlyMap<string, Environment>;
  closing: boolean;
}

/** Starts the Runtime API; processes are started when they are needed. */
export async function startRuntime(options: RuntimeOptions): Promise<Runtime> {
  const api = await listen(0, 'the Lambda runtime API');
  const warden = startWarden();
  const environments = new Map<string, Environment>();
  const callers = new Map<string, Caller>();
  const pools = new Map([...options.functions].map(([arn, plan]) => [arn, createPool(plan)]));
  const print = createPrinter(options);

  const host: EnvironmentHost = {
    runtimeApi: api.url.replace('http://', ''),
    awsEndpoint: options.awsEndpoint,
    concurrency: options.concurrency,
    strikes: (plan, at) => options.faults.strike(plan.path, at) !== undefined,
    started(environment) {
      environments.set(environment.id, environment);
      callers.set(environment.accessKeyId, callerOf(environment));
      if (environment.pid !== undefined) warden.watch(environment.pid);
      openLogStream(options.ledger, environment);
      if (environment.plan.isTraced) sendTraces(options.ledger, environment);
    },
    print,
    ended(environment, unstarted) {
      environments.delete(environment.id);
      callers.delete(environment.accessKeyId);
      if (environment.pid !== undefined) warden.forget(environment.pid);
      const pool = pools.get(environment.plan.arn);
      if (pool === undefined) return;
      remove(pool, environment);
      for (const invocation of unstarted) dispatch(state, pool, invocation);
    },
  };
  const state: State = { options, host, environments, closing: false };
  serveRuntimeApi(api, environments);

  return {
    invoke(arn, payload) {
      const pool = pools.get(arn);
      if (pool === undefined) throw new Error(`no template has the function ${arn}`);
      return invoke(state, pool, payload);
    },
    caller: (accessKeyId) => callers.get(accessKeyId),
    processes: () =>
      [...environments.values()].map(({ plan, pid, load }) => ({
        function: plan.path,
        pid,
        inFlight: load(),
      })),
    close: () => closeRuntime(state, api, warden),
  };
}

function createPool(plan: FunctionPlan): Pool {
  return { plan, environments: new Set(), reapers: new Map(), inFlight: 0 };
}

function callerOf(environment: Environment): Caller {
  return { plan: environment.plan, kill: environment.kill };
}

function serveRuntimeApi(api: Listener, environments: ReadonlyMap<string, Environment>): void {
  api.serve((request, response) => {
    const [, id, route] = /^\/([0-9a-f]+)\/2018-06-01\/runtime\/(.+)$/.exec(request.url ?? '') ?? [];
    const environment = environments.get(id ?? '');
    if (environment === undefined || route === undefined) request.socket.destroy();
    else environment.serve(route, request, response);
  });
}

function invoke(state: State, pool: Pool, payload: Buffer): Promise<Outcome> {
  if (payload.length > MAX_PAYLOAD_BYTES) {
    const message = `${payload.length} byte payload is too large: ${MAX_PAYLOAD_BYTES} are allowed`;
    return Promise.resolve({ kind: 'failure', type: 'RequestTooLarge', message });
  }
  if (pool.inFlight >= (pool.plan.reservedConcurrency ?? Number.POSITIVE_INFINITY)) {
    return Promise.resolve({ kind: 'throttled' });
  }
  return new Promise((settle) => {
    pool.inFlight += 1;
    const release = () => {
      pool.inFlight -= 1;
      reapLater(pool);
    };
    dispatch(state, pool, { id: randomUUID(), payload, settle, release });
  });
}

/** To a process with a free slot, else to a new one. */
function dispatch(state: State, pool: Pool, invocation: Invocation): void {
  const free = [...pool.environments].find((environment) => environment.accepts());
  if (free === undefined && (state.closing || pool.environments.size >= MAX_ENVIRONMENTS)) {
    if (!state.closing) {
      state.options.log(
        `[${shortName(pool.plan)}] throttled: its ${MAX_ENVIRONMENTS} processes are all busy`,
      );
    }
    invocation.settle({ kind: 'throttled' });
    invocation.release();
    return;
  }
  const environment = free ?? startEnvironment(pool.plan, state.host);
  pool.environments.add(environment);
  keep(pool, environment);
  environment.give(invocation);
}

function remove(pool: Pool, environment: Environment): void {
  pool.environments.delete(environment);
  keep(pool, environment);
}

function keep(pool: Pool, environment: Environment): void {
  clearTimeout(pool.reapers.get(environment));
  pool.reapers.delete(environment);
}

function reapLater(pool: Pool): void {
  for (const environment of pool.environments) {
    if (!environment.idle() || pool.reapers.has(environment)) continue;
    pool.reapers.set(environment, setTimeout(environment.kill, IDLE_MS).unref());
  }
}

/** The rights that Lambda itself needs for the log of a new environment, used with the role of the function. */
function openLogStream(ledger: Ledger, { plan, logStream }: Environment): void {
  const group = `arn:aws:logs:${REGION}:${ACCOUNT}:log-group:${plan.logGroup}`;
  if (plan.createsLogGroup) ledger.authorize(plan, 'logs:CreateLogGroup', `${group}:*`);
  ledger.authorize(plan, 'logs:CreateLogStream', `${group}:log-stream:${logStream}`);
}

/** Lambda sends the traces of a function with the role of the function, too. */
function sendTraces(ledger: Ledger, { plan }: Environment): void {
  for (const action of TRACE_ACTIONS) ledger.authorize(plan, action, '*');
}

/**
 * Lines of a role that may not write them get lost on AWS too; here it is said, once per function. Lines of metrics are
 * for CloudWatch, and are counted rather than printed.
 */
function createPrinter({ ledger, log, metrics }: RuntimeOptions): EnvironmentHost['print'] {
  const told = new Set<FunctionPlan>();
  return ({ plan, logStream }, line) => {
    const resource = `arn:aws:logs:${REGION}:${ACCOUNT}:log-group:${plan.logGroup}:log-stream:${logStream}`;
    if (ledger.authorize(plan, 'logs:PutLogEvents', resource).allowed) {
      if (!isTaken(metrics, line, log)) log(`[${shortName(plan)}] ${line}`);
    } else if (!told.has(plan)) {
      told.add(plan);
      log(
        `[${shortName(plan)}] has no grant for logs:PutLogEvents on ${plan.logGroup}: its output is dropped`,
      );
    }
  };
}

/** What looks like metrics and is none is printed, with the reason why CloudWatch would drop it. */
function isTaken(metrics: Metrics, line: string, log: RuntimeOptions['log']): boolean {
  try {
    return metrics.take(line);
  } catch (error) {
    log(`no metrics of CloudWatch's: ${error instanceof Error ? error.message : String(error)}`);
    return false;
  }
}

/** The construct path without its stack, for the start of log lines. */
function shortName({ path }: FunctionPlan): string {
  return path.split('/').slice(1).join('/') || path;
}

async function closeRuntime(state: State, api: Listener, warden: Warden): Promise<void> {
  state.closing = true;
  const all = [...state.environments.values()];
  for (const environment of all) environment.stop();
  const end = Date.now() + STOP_MS;
  while (Date.now() < end && all.some((environment) => !environment.idle())) await wait(STOP_POLL_MS);
  for (const environment of all) environment.kill();
  await Promise.all(all.map(({ gone }) => gone));
  await Promise.all([api.close(), warden.close()]);
}
