/**
 * One execution environment: a child process, and the invocations it was given.
 * @module
 */
import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FunctionPlan } from '../template/plan.ts';
import { type Exit, type Identity, spawnRuntime } from './child.ts';
import { type Failure, type Outcome, receiveResponse } from './response.ts';

export interface Invocation {
  readonly id: string;
  readonly payload: Buffer;
  /** The first outcome counts. */
  settle(outcome: Outcome): void;
  /** The slot is free again: later than the outcome where the response is streamed. */
  release(): void;
}

/** What the surroundings do for an environment. */
export interface EnvironmentHost {
  readonly runtimeApi: string;
  readonly awsEndpoint: string;
  readonly concurrency: number;
  /** Directory of the compile cache that the processes of a stack share. */
  readonly compiled: string;
  /** True if a fault wants the process dead at this moment. */
  mustDie(plan: FunctionPlan, at: 'invoke' | 'response'): boolean;
  started(environment: Environment): void;
  print(environment: Environment, line: string): void;
  /** It has finished an invocation. */
  freed(environment: Environment): void;
  /** The process is gone. */
  ended(environment: Environment, end: End): void;
}

export interface End {
  /** Invocations that never reached it, and may run elsewhere. */
  readonly unstarted: readonly Invocation[];
  /** Returns why it did not get ready, as the outcome of the invocation with that id; undefined if it got ready. */
  readonly whyNotReady: ((id: string) => Failure) | undefined;
}

export interface Environment extends Identity {
  readonly plan: FunctionPlan;
  readonly pid: number | undefined;
  /** Invocations that are with it, queued ones among them. */
  load(): number;
  /** True while no invocation is with it. */
  idle(): boolean;
  /** True when it has loaded the function, false if it ended before. */
  readonly ready: Promise<boolean>;
  /** True while it is ready and has a slot free. */
  accepts(): boolean;
  give(invocation: Invocation): void;
  /** One request of the process to the Runtime API. */
  serve(route: string, request: IncomingMessage, response: ServerResponse): void;
  /** Tells the function to end what it is doing. */
  stop(): void;
  kill(): void;
  readonly gone: Promise<void>;
}

/** @see https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html */
const INIT_TIMEOUT_MS = 10_000;

interface State {
  readonly plan: FunctionPlan;
  readonly host: EnvironmentHost;
  /** Given, and waiting for the process to ask. */
  queue: Invocation[];
  /** Requests of the process for work that there was none of yet. */
  asking: ServerResponse[];
  readonly running: Map<string, { readonly invocation: Invocation; readonly timer: NodeJS.Timeout }>;
  initialized: boolean;
  /** Resolves `ready`. */
  readonly settled: (isReady: boolean) => void;
  readonly initTimer: NodeJS.Timeout;
  /** Why it never got ready, where that is known better than by its exit. */
  initFailure: Failure | undefined;
  dead: boolean;
  kill(): void;
  print(line: string): void;
  freed(): void;
}

/** Starts a process for the function. */
export function startEnvironment(plan: FunctionPlan, host: EnvironmentHost): Environment {
  const id = randomBytes(8).toString('hex');
  const identity: Identity = {
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
    ask(state, response);
  } else if (route === 'init/error') {
    receive(state, 'error', undefined, request, response);
  } else {
    const [, id, what] = /^invocation\/([^/]+)\/(response|error)$/.exec(route) ?? [];
    if (id !== undefined && what !== undefined && state.running.has(id))
      receive(state, what, id, request, response);
    else response.writeHead(400).end(JSON.stringify({ errorType: 'InvalidRequestID', errorMessage: route }));
  }
}

function ask(state: State, response: ServerResponse): void {
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

/** Lambda kills the whole environment. What else runs in this process dies with it, as an exit. */
function timeOut(state: State, invocation: Invocation): void {
  const seconds = (state.plan.timeoutMs / 1_000).toFixed(2);
  const message = `${new Date().toISOString()} ${invocation.id} Task timed out after ${seconds} seconds`;
  invocation.settle({ kind: 'failure', type: 'Sandbox.Timedout', message });
  state.print(message);
  state.kill();
}

function receive(
  state: State,
  what: string,
  id: string | undefined,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  if (what === 'response' && state.host.mustDie(state.plan, 'response')) {
    state.kill();
    return;
  }
  receiveResponse(request, what, {
    outcome(outcome) {
      if (id !== undefined) state.running.get(id)?.invocation.settle(outcome);
      else if (outcome.kind === 'failure') state.initFailure = outcome;
    },
    complete() {
      if (id !== undefined) finish(state, id);
      response.writeHead(202, { 'content-length': 0 }).end();
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

/** Fails what the process had begun, and gives back what it had not. */
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
