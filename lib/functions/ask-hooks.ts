/**
 * What a function that publishes for callers needs to ask the hooks of its hub.
 * @module
 */
import { hooksEnv } from '../../lambda/env.ts';
import type { HubFunction } from './hub-function.ts';

/** Allows the handler to invoke exactly the functions of the hooks, and names them. Without hooks it gets nothing. */
export function askHooks(handler: HubFunction): void {
  const { hooks } = handler.config;
  if (hooks.length === 0) return;
  for (const arn of new Set(hooks.map(({ functionArn }) => functionArn)))
    handler.grant(['lambda:InvokeFunction'], arn, {});
  const HOOKS = JSON.stringify(
    hooks.map(({ pattern, functionArn, timeoutMs }) => [pattern, functionArn, timeoutMs]),
  );
  handler.configure(hooksEnv.write({ HOOKS }));
}
