/**
 * Synthesizes the template and runs it on this machine, with a token that may do everything.
 * @module
 */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Chaos } from '../../local/faults/chaos.ts';
import { type LocalStack, startLocalStack } from '../../local/stack.ts';
import { mint } from '../mint.ts';
import { cachedAssembly } from './cached-assembly.ts';
import type { ConsoleLink } from './console-link.ts';
import { keysOfLocalHub } from './hub-keys.ts';
import { LOCAL_TOKEN, STATE_DIR } from './local-file.ts';

const PROJECT = fileURLToPath(new URL('../..', import.meta.url));
const ASSEMBLIES = join(STATE_DIR, 'assemblies');

/** The receivers of webhooks are on this machine too, and have no certificate. */
const ON_ONE_MACHINE = { 'tidings:allowInsecureWebhooks': true };

/** What people find in a hub that they try: the console, and what the examples need (examples/README.md). */
export const WITH_EXAMPLES = {
  'tidings:console': true,
  'tidings:presence': ['demo/*'],
  'tidings:stamp': {
    'demo/chat/*': { sender: 'sub', sentAt: 'time' },
    'demo/game/*': { player: 'sub' },
  },
};

/** The options of a hub on this machine. */
export interface HubOptions {
  /** Port of the hub; 0 takes a free one. Default: 0. */
  readonly port?: number;
  /** Directory that stores channels, keys and queues. Default: everything is in memory. */
  readonly data?: string;
  /** Requests that one process of a function serves at the same time. Default: 1, as deployed. */
  readonly concurrency?: number;
  /** The rates at which the stack does what AWS does seldom. Default: calm. */
  readonly chaos?: Chaos;
  /** Region whose SNS publish quota applies. Default: us-east-1. */
  readonly region?: string;
  /** Context keys that replace those of cdk.json. */
  readonly context?: Readonly<Record<string, unknown>>;
  /** Takes each line that a function or the stack writes. */
  readonly log?: (line: string) => void;
  /** Answers requests that are not for the template, and returns false for all others. */
  readonly intercept?: ConsoleLink['intercept'];
  /** Takes the name of each step, before the step. */
  readonly progress?: (step: string) => void;
}

/** A hub that runs on this machine. */
export interface RunningHub {
  /** The local AWS services. */
  readonly stack: LocalStack;
  /** Token that may do everything, for a day. */
  readonly token: string;
  /** Stops the stack. Never throws. */
  readonly close: () => Promise<void>;
}

/** Returns the directory of the assembly of this project, for one machine. */
export const assemblyOfHub = (context: Readonly<Record<string, unknown>> = {}): Promise<string> =>
  cachedAssembly(PROJECT, ASSEMBLIES, { ...ON_ONE_MACHINE, ...context });

/**
 * Starts the hub from the template of this project.
 * @throws Error with one sentence if the template, an option or the data directory is refused
 */
export async function startHub(options: HubOptions = {}): Promise<RunningHub> {
  const { context = {}, progress = () => {}, ...stackOptions } = options;
  progress('synthesizing the template');
  const assembly = await assemblyOfHub(context);
  progress('starting the local stack');
  const stack = await startLocalStack({ assembly, ...stackOptions });
  try {
    const keys = await keysOfLocalHub(stack);
    return { stack, token: await mint({ ...keys, ...LOCAL_TOKEN }), close: stack.close };
  } catch (error) {
    await stack.close(); // an open stack would keep the process alive
    throw error;
  }
}
