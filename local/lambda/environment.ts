/**
 * One execution environment of Lambda: a process, its waiting and its running invocations, and its part of the Runtime API.
 * @module
 */
import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FunctionPlan } from '../template/plan.ts';
import { type EnvironmentIdentity, type Exit, spawnRuntime } from './child.ts';
import { type Failure, type InvocationOutcome, receiveResponse } from './response.ts';

/** One invocation of a function. */
export interface Invocation {
  /** The request id of Lambda. */
  readonly id: string;
  /** The event as JSON text. */
  readonly payload: Buffer;
  /** Sets the outcome. Only the first call has an effect. */
  settle(outcome: InvocationOutcome): void;
  /** Is called when the invocation is over. For a streamed response that is later than its outcome. */
  release(): void;
}

/** The callbacks and settings that the runtime gives to each environment. */
export interface EnvironmentHost {
  /** Host and port of the Runtime API. */
  readonly runtimeApi: string;
  /** URL to which SDK clients send their calls. */
  readonly awsEndpoint: string;
  /** Highest number of invocations that one environment runs at the same time. */
  readonly concurrency: number;
  /** Directory of the compile cache that all processes of the stack share. */
  readonly compileCache: string;
  /** Returns true if a fault kills the process now: when it receives an invocation, or when it posts a response. */
  mustDie(plan: FunctionPlan, at: 'invoke' | 'response'): boolean;
  /** Is called once, as soon as the process runs. */
  started(environment: Environment): void;
  /** Takes a line that the process has written. */
  print(environment: Environment, line: string): void;
  /** Is called when the environment has finished an invocation. */
  freed(environment: Environment): void;
  /** Is called once, when the process has ended. */
  ended(environment: Environment, end: End): void;
}

/** The invocations that an ended environment did not start, and the reason if it never got ready. */
export interface End {
  /** Invocations that the process never received. Another environment may run them. */
  readonly unstarted: readonly Invocation[];
  /** Returns the failure for the invocation with that id. Undefined if the environment got ready before it ended. */
  readonly whyNotReady: ((id: string) => Failure) | undefined;
}

/** A running environment. */
export interface Environment extends EnvironmentIdentity {
  /** The function that it runs. */
  readonly plan: FunctionPlan;
  /** Undefined if the process could not start. */
  readonly pid: number | undefined;
  /** Returns the number of its invocations, those included that the process has not received yet. */
  load(): number;
  /** Returns true while it has no invocation. */
  idle(): boolean;
  /** Resolves with true when the function is loaded, with false if the process ended before. */
  readonly ready: Promise<boolean>;
  /** Returns true while it is ready and may get another invocation. */
  accepts(): boolean;
  /** Adds an invocation. */
  give(invocation: Invocation): void;
  /** Answers one request of the process to the Runtime API. */
  serve(route: string, request: IncomingMessage, response: ServerResponse): void;
  /** Sends SIGTERM, on which a function finishes its requests. */
  stop(): void;
  /** Kills the process. */
  kill(): void;
  /** Resolves when the process has ended. */
  readonly gone: Promise<void>;
}

/** @see https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html */
const INIT_TIMEOUT_MS = 10_000;

interface State {
  readonly plan: FunctionPlan;
  readonly host: EnvironmentHost;
  /** Invocations that the process has not asked for yet. */
  queue: Invocation[];
  /** Requests of the process for its next invocation. */
  asking: ServerResponse[];
  readonly running: Map<string, { readonly invocation: Invocation; readonly timer: NodeJS.Timeout }>;
  initialized: boolean;
  /** Resolves `ready`. */
  readonly settled: (isReady: boolean) => void;
  readonly initTimer: NodeJS.Timeout;
  /** Why the environment did not get ready, if that is known before the process ends. */
  initFailure: Failure | undefined;
  dead: boolean;
  kill(): void;
  print(line: string): void;
  freed(): void;
}

/** Starts a process for the function. */
export function startEnvironment(plan: FunctionPlan, host: EnvironmentHost): Environment {
  const id = randomBytes(8).toString('hex');
  const identity: EnvironmentIdentity = {
    id,
    accessKeyId: `ASIA${randomBytes(8).toString('hex').toUpperCase()}`,
    logStream: `${new Date().toISOString().slice(0, 10).replaceAll('-', '/')}/[$LATEST]${id}`,
  };
  const { promise: ready, resolve: settled } = Promise.withResolvers<boolean>();
  const child = spawnRuntime(plan, host, identity, (line) => host.print(environment, line));
  const state: State = {
    plan,
    host,
    queue: [],
    asking: [],
    running: new Map(),
    initialized: false,
    settled,
    initTimer: setTimeout(() => failInit(state), INIT_TIMEOUT_MS),
    initFailure: undefined,
    dead: false,
    kill() {
      state.dead = true;
      child.kill();
    },
    print: (line) => host.print(environment, line),
    freed: () => host.freed(environment),
  };
  const load = () => state.queue.length + state.running.size;
  const environment: Environment = {
    ...identity,
    plan,
    pid: child.pid,
    load,
    idle: () => load() === 0,
    ready,
    accepts: () => state.initialized && !state.dead && load() < host.concurrency,
    give(invocation) {
      state.queue.push(invocation);
      deliver(state);
    },
    serve: (route, request, response) => serve(state, route, request, response),
    stop: child.stop,
    kill: state.kill,
    gone: child.gone.then((exit) => host.ended(environment, endInvocations(state, exit))),
  };
  host.started(environment);
  return environment;
}

function failInit(state: State): void {
  const message = `the init phase took longer than ${INIT_TIMEOUT_MS / 1_000} s`;
  state.initFailure = { kind: 'failure', type: 'Sandbox.Timedout', message };
  state.kill();
}

function serve(state: State, route: string, request: IncomingMessage, response: ServerResponse): void {
  if (state.dead) {
    request.socket.destroy();
  } else if (route === 'invocation/next') {
    askForInvocation(state, response);
  } else if (route === 'init/error') {
    receive(state, 'error', undefined, request, response);
  } else {
    const [, id, kind] = /^invocation\/([^/]+)\/(response|error)$/.exec(route) ?? [];
    if (id !== undefined && kind !== undefined && state.running.has(id))
      receive(state, kind, id, request, response);
    else response.writeHead(400).end(JSON.stringify({ errorType: 'InvalidRequestID', errorMessage: route }));
  }
}

function askForInvocation(state: State, response: ServerResponse): void {
  state.initialized = true;
  state.settled(true);
  clearTimeout(state.initTimer);
  state.asking.push(response);
  response.on('close', () => {
    state.asking = state.asking.filter((other) => other !== response);
  });
  deliver(state);
}

function deliver(state: State): void {
  while (!state.dead && state.queue.length > 0) {
    const response = state.asking.shift();
    if (response === undefined) return;
    const invocation = state.queue.shift();
    if (invocation !== undefined) start(state, invocation, response);
  }
}

function start(state: State, invocation: Invocation, response: ServerResponse): void {
  const { plan } = state;
  const timer = setTimeout(() => timeOut(state, invocation), plan.timeoutMs);
  state.running.set(invocation.id, { invocation, timer });
  response.writeHead(200, {
    'content-type': 'application/json',
    'content-length': invocation.payload.length,
    'lambda-runtime-aws-request-id': invocation.id,
    'lambda-runtime-deadline-ms': Date.now() + plan.timeoutMs,
    'lambda-runtime-invoked-function-arn': plan.arn,
  });
  response.end(invocation.payload);
  if (state.host.mustDie(plan, 'invoke')) state.kill();
}

/** Fails an invocation and kills the environment, as Lambda does. Other invocations of the process fail with its exit. */
function timeOut(state: State, invocation: Invocation): void {
  const seconds = (state.plan.timeoutMs / 1_000).toFixed(2);
  const message = `${new Date().toISOString()} ${invocation.id} Task timed out after ${seconds} seconds`;
  invocation.settle({ kind: 'failure', type: 'Sandbox.Timedout', message });
  state.print(message);
  state.kill();
}

function receive(
  state: State,
  kind: string,
  id: string | undefined,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  if (kind === 'response' && state.host.mustDie(state.plan, 'response')) {
    state.kill();
    return;
  }
  receiveResponse(request, kind, {
    outcome(outcome) {
      if (id !== undefined) state.running.get(id)?.invocation.settle(outcome);
      else if (outcome.kind === 'failure') state.initFailure = outcome;
    },
    complete() {
      if (id !== undefined) finish(state, id);
      if (request.headers['local-asks-next'] === 'true') askForInvocation(state, response);
      else response.writeHead(202, { 'content-length': 0 }).end();
    },
  });
}

function finish(state: State, id: string): void {
  const entry = state.running.get(id);
  if (entry === undefined) return;
  clearTimeout(entry.timer);
  state.running.delete(id);
  entry.invocation.release();
  state.freed();
}

/** Fails the invocations that the process has received, and returns the others. */
function endInvocations(state: State, exit: Exit): End {
  state.dead = true;
  state.settled(false);
  clearTimeout(state.initTimer);
  for (const response of state.asking) response.destroy();
  for (const { invocation } of [...state.running.values()]) {
    invocation.settle(exitFailure(invocation.id, exit));
    finish(state, invocation.id);
  }
  const { initialized, initFailure } = state;
  const whyNotReady = (id: string) => initFailure ?? exitFailure(id, exit);
  return { unstarted: state.queue.splice(0), whyNotReady: initialized ? undefined : whyNotReady };
}

function exitFailure(id: string, { code, signal }: Exit): Failure {
  const how = signal === null ? `exit status ${code}` : `signal: ${signal === 'SIGKILL' ? 'killed' : signal}`;
  const what = code === 0 ? 'Runtime exited without providing a reason' : `Runtime exited with error: ${how}`;
  return { kind: 'failure', type: 'Runtime.ExitError', message: `RequestId: ${id} Error: ${what}` };
}
