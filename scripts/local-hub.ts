/**
 * Synthesizes the template and runs it on this machine, with a token that may do everything.
 * @module
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Chaos } from '../local/faults/chaos.ts';
import { type LocalStack, startLocalStack } from '../local/stack.ts';
import { synth } from '../local/synth.ts';
import { keysOfLocalHub } from './hub-keys.ts';
import { LOCAL_TOKEN, STATE_DIR } from './local-file.ts';
import { mint } from './mint.ts';

const PROJECT = fileURLToPath(new URL('..', import.meta.url));

/** Receivers of webhooks are on this machine, too. */
const ON_ONE_MACHINE = { 'tidings:allowInsecureWebhooks': true };

export interface HubOptions {
  readonly port?: number;
  readonly data?: string;
  readonly concurrency?: number;
  readonly chaos?: Chaos;
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
  mkdirSync(STATE_DIR, { recursive: true });
  const assembly = mkdtempSync(join(STATE_DIR, 'cdk.out-'));
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
      await close(); // a stack that is left would keep the process alive
      throw error;
    }
  } catch (error) {
    removeAssembly();
    throw error;
  }
}
