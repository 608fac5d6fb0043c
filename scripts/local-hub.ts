/**
 * Synthesizes the template and runs it on this machine, with a token that may do everything.
 * @module
 */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Chaos } from '../local/faults/chaos.ts';
import { type LocalStack, startLocalStack } from '../local/stack.ts';
import { cachedAssembly } from './cached-assembly.ts';
import { keysOfLocalHub } from './hub-keys.ts';
import { LOCAL_TOKEN, STATE_DIR } from './local-file.ts';
import { mint } from './mint.ts';

const PROJECT = fileURLToPath(new URL('..', import.meta.url));
const ASSEMBLIES = join(STATE_DIR, 'assemblies');

/** Receivers of webhooks are on this machine, too. */
const ON_ONE_MACHINE = { 'tidings:allowInsecureWebhooks': true };

export interface HubOptions {
  readonly port?: number;
  readonly data?: string;
  readonly concurrency?: number;
  readonly harsh?: Chaos;
  /** Region whose SNS publish quota applies. */
  readonly region?: string;
  /** Context keys over those of cdk.json. */
  readonly context?: Readonly<Record<string, unknown>>;
  readonly log?: (line: string) => void;
  /** Told what is being done, before it is done. */
  readonly progress?: (step: string) => void;
}

export interface RunningHub {
  readonly stack: LocalStack;
  readonly token: string;
  readonly close: () => Promise<void>;
}

export async function startHub(options: HubOptions = {}): Promise<RunningHub> {
  const { context = {}, progress = () => {}, ...stackOptions } = options;
  progress('synthesizing the template');
  const assembly = await cachedAssembly(PROJECT, ASSEMBLIES, { ...ON_ONE_MACHINE, ...context });
  progress('starting the local stack');
  const stack = await startLocalStack({ assembly, ...stackOptions });
  try {
    const keys = await keysOfLocalHub(stack);
    return { stack, token: await mint({ ...keys, ...LOCAL_TOKEN }), close: stack.close };
  } catch (error) {
    await stack.close(); // a stack that is left would keep the process alive
    throw error;
  }
}
