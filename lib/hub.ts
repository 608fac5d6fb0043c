/**
 * The stacks of one hub.
 * @module
 */
import type { App } from 'aws-cdk-lib';
import type { HubConfig } from './config/config.ts';
import { HubStack } from './hub-stack.ts';
import { LogStack } from './storage/log-stack.ts';

/** Adds the stack of the data and the stack of the hub to an app. */
export function addHub(app: App, config: HubConfig): { readonly log: LogStack; readonly hub: HubStack } {
  const log = new LogStack(app, `tidings-${config.stage}-log`, config);
  return { log, hub: new HubStack(app, `tidings-${config.stage}-hub`, config, log) };
}
