/**
 * The hub that the conformance suite runs against.
 * @module
 */
import type { TestProject } from 'vitest/node';
import { startHub } from '../../scripts/hub/local-hub.ts';
import { saveGrants } from '../support/wire/grants.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    conformanceUrl: string;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const hub = await startHub({
    context: {
      'tidings:channelCreation': 'explicit',
      // The suite waits for held reads to end, and gives each of its tests five seconds.
      'tidings:holdSeconds': 2,
      // And it leaves most of its streams open, all as one caller.
      'tidings:heldPerCaller': 50,
      'tidings:anonymous': { '*': ['publish', 'subscribe', 'webhook', 'manage'] },
    },
  });
  project.provide('conformanceUrl', hub.stack.url);
  return async () => {
    await saveGrants('conformance', hub.stack.control);
    await hub.close();
  };
}
