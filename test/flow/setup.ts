/**
 * The hub that the wire tests talk to: the local stack, or with HUB_STAGE the deployed hub of that stage (created
 * with `-c 'tidings:anonymous={"public/*":["subscribe"]}'`), with your AWS credentials.
 * @module
 */
import type { TestProject } from 'vitest/node';
import { keysOfDeployedHub, keysOfLocalHub, urlOfDeployedHub } from '../../scripts/hub-keys.ts';
import { startHub } from '../../scripts/local-hub.ts';
import { saveGrants } from '../support/grants.ts';

export interface HubUnderTest {
  readonly url: string;
  readonly key: string;
  readonly audience: string;
}

declare module 'vitest' {
  export interface ProvidedContext {
    hub: HubUnderTest;
  }
}

export const ANONYMOUS = { 'public/*': ['subscribe'] };

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const stage = process.env.HUB_STAGE;
  if (stage !== undefined) {
    project.provide('hub', { url: await urlOfDeployedHub(stage), ...(await keysOfDeployedHub(stage)) });
    return async () => {};
  }
  const hub = await startHub({ context: { 'tidings:anonymous': ANONYMOUS } });
  project.provide('hub', { url: hub.stack.url, ...(await keysOfLocalHub(hub.stack)) });
  return async () => {
    await saveGrants('flow', hub.stack.control);
    await hub.close();
  };
}
