/**
 * Synthesizes the template and runs it on this machine, with a token that may do everything.
 * @module
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Chaos } from '../local/faults/chaos.ts';
import { type LocalStack, startLocalStack } from '../local/stack.ts';
import { synth } from '../local/synth.ts';
import { keysOfLocalHub } from './hub-keys.ts';
import { LOCAL_TOKEN, STATE_DIR } from './local-file.ts';
import { mint } from './mint.ts';

const PROJECT = fileURLToPath(new URL('..', import.meta.url));

/** The receivers of webhooks are on this machine too, and have no certificate. */
const ON_ONE_MACHINE = { 'tidings:allowInsecureWebhooks': true };

export interface HubOptions {
  /** Port of the hub; 0 takes a free one. Default: 0. */
  readonly port?: number;
  /** Directory that stores channels, keys and queues. Default: everything is in memory. */
  readonly data?: string;
  /** Requests that one process of a function serves at the same time. Default: 1, as deployed. */
  readonly concurrency?: number;
  /** How often the stack does what AWS does seldom. Default: calm. */
  readonly chaos?: Chaos;
  /** Region whose SNS publish quota applies. Default: us-east-1. */
  readonly region?: string;
  /** Context keys that replace those of cdk.json. */
  readonly context?: Readonly<Record<string, unknown>>;
  /** Takes each line that a function or the stack writes. */
  readonly log?: (line: string) => void;
  /** Takes the name of each step, before the step. */
  readonly progress?: (step: string) => void;
}

export interface RunningHub {
  readonly stack: LocalStack;
  /** Token that may do everything, for a day. */
  readonly token: string;
  /** Stops the stack and removes its assembly. Never throws. */
  readonly close: () => Promise<void>;
}

/**
 * Starts the hub from the template of this project.
 * @throws Error with one sentence if the template, an option or the data directory is refused
 */
export async function startHub(options: HubOptions = {}): Promise<RunningHub> {
  const { context = {}, progress = () => {}, ...stackOptions } = options;
  const assembly = createAssemblyDirectory();
  const removeAssembly = () => rmSync(assembly, { recursive: true, force: true });
  try {
    progress('synthesizing the template');
    await synth({ projectDir: PROJECT, outdir: assembly, context: { ...ON_ONE_MACHINE, ...context } });
    progress('starting the local stack');
    const stack = await startLocalStack({ assembly, ...stackOptions });
    const close = async () => {
      await stack.close();
      removeAssembly();
    };
    try {
      const keys = await keysOfLocalHub(stack);
      return { stack, token: await mint({ ...keys, ...LOCAL_TOKEN }), close };
    } catch (error) {
      await close(); // an open stack would keep the process alive
      throw error;
    }
  } catch (error) {
    removeAssembly();
    throw error;
  }
}

/** Creates a directory whose name has the id of this process, so that a later start can tell if the process is gone. */
function createAssemblyDirectory(): string {
  mkdirSync(STATE_DIR, { recursive: true });
  removeLeftovers();
  return mkdtempSync(join(STATE_DIR, `cdk.out-${process.pid}-`));
}

/** A hub that was killed by SIGKILL could not remove its assembly, which has about 15 MB. */
function removeLeftovers(): void {
  for (const name of readdirSync(STATE_DIR)) {
    const pid = /^cdk\.out-(\d+)-/.exec(name)?.[1];
    if (pid !== undefined && isGone(Number(pid))) {
      rmSync(join(STATE_DIR, name), { recursive: true, force: true });
    }
  }
}

function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    // EPERM says that the process lives, and belongs to another user.
    return error instanceof Error && 'code' in error && error.code === 'ESRCH';
  }
}
