/**
 * Starts the process of an environment, with its variables.
 * @module
 */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { LOCAL_REGION } from '../template/intrinsics.ts';
import type { FunctionPlan } from '../template/plan.ts';

/** The names of an environment. */
export interface EnvironmentIdentity {
  /** Part of the URL of its Runtime API. */
  readonly id: string;
  /** Its AWS calls have this access key. */
  readonly accessKeyId: string;
  /** Name in CloudWatch Logs: the date and the id. */
  readonly logStream: string;
}

/** The end of a process. */
export interface Exit {
  /** Exit code; null after a signal. */
  readonly code: number | null;
  /** Name of the signal, or the error of a process that could not start. */
  readonly signal: string | null;
}

/** A running process. */
export interface Child {
  /** Undefined if the process could not start. */
  readonly pid: number | undefined;
  /** Sends SIGTERM, on which a function finishes its requests. */
  stop(): void;
  /** Sends SIGKILL. */
  kill(): void;
  /** Resolves when the process has ended and its output was read. */
  readonly gone: Promise<Exit>;
}

interface Settings {
  /** Host and port. */
  readonly runtimeApi: string;
  readonly awsEndpoint: string;
  readonly concurrency: number;
  /** Directory of the compile cache that all processes of the stack share. */
  readonly compileCache: string;
}

const BOOTSTRAP = fileURLToPath(new URL('bootstrap.mjs', import.meta.url));

/** Lambda switches these features of Node off, so a bundle that needs them must fail here too. */
const NODE_FLAGS = ['--no-experimental-detect-module', '--no-experimental-require-module'];

/** Starts bootstrap.mjs for the function. `print` takes each line that the process writes. */
export function spawnRuntime(
  plan: FunctionPlan,
  settings: Settings,
  identity: EnvironmentIdentity,
  print: (line: string) => void,
): Child {
  const args = [...NODE_FLAGS, BOOTSTRAP, String(settings.concurrency), settings.compileCache];
  const child = spawn(process.execPath, args, {
    cwd: plan.directory,
    env: environmentOf(plan, settings, identity),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  for (const output of [child.stdout, child.stderr]) createInterface({ input: output }).on('line', print);
  const gone = new Promise<Exit>((resolve) => {
    child.on('error', (error) => resolve({ code: null, signal: error.message }));
    // Not "exit": it may come before the last line of output.
    child.on('close', (code, signal) => resolve({ code, signal }));
  });
  return {
    pid: child.pid,
    stop: () => void child.kill('SIGTERM'),
    kill: () => void child.kill('SIGKILL'),
    gone,
  };
}

/**
 * Returns the variables of the template and those of Lambda. The process must not get the variables of this process, which
 * may have the credentials of the developer.
 * @see https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
 */
function environmentOf(
  plan: FunctionPlan,
  settings: Settings,
  identity: EnvironmentIdentity,
): Record<string, string> {
  return {
    ...plan.environment,
    AWS_REGION: LOCAL_REGION,
    AWS_DEFAULT_REGION: LOCAL_REGION,
    AWS_ACCESS_KEY_ID: identity.accessKeyId,
    AWS_SECRET_ACCESS_KEY: randomUUID(),
    AWS_SESSION_TOKEN: 'local',
    AWS_ENDPOINT_URL: settings.awsEndpoint,
    AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs24.x',
    AWS_LAMBDA_FUNCTION_NAME: plan.name,
    AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(plan.memoryMb),
    AWS_LAMBDA_INITIALIZATION_TYPE: 'on-demand',
    AWS_LAMBDA_LOG_GROUP_NAME: plan.logGroup,
    AWS_LAMBDA_LOG_STREAM_NAME: identity.logStream,
    AWS_LAMBDA_RUNTIME_API: `${settings.runtimeApi}/${identity.id}`,
    _HANDLER: plan.handler,
    LAMBDA_TASK_ROOT: plan.directory,
    PATH: '/usr/local/bin:/usr/bin:/bin',
    LANG: 'en_US.UTF-8',
    TZ: ':UTC',
  };
}
