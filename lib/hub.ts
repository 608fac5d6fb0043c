/**
 * The stacks of the template: the smallest use of the constructs.
 * @module
 */
import { type App, RemovalPolicy, Stack } from 'aws-cdk-lib';
import { readContext } from './config/config.ts';
import type { Context } from './config/context.ts';
import { Tidings, TidingsLog } from './tidings.ts';

/** The CDK leaves this id out of logical ids, so those of the template are as short as if its constructs were the stacks themselves. */
const ID = 'Default';

/**
 * Adds the stack of the data and the stack of the hub to an app.
 * @throws Error with a sentence for each context key that is wrong
 */
export function addHub(app: App, context: Context): { readonly log: Stack; readonly hub: Stack } {
  const { stage, throwAway, ...options } = readContext(context);
  const log = new Stack(app, `tidings-${stage}-log`, {
    description: 'Tidings: the log of every channel, webhook endpoints, and the keys that sign tokens',
    terminationProtection: !throwAway,
  });
  const hub = new Stack(app, `tidings-${stage}-hub`, {
    description: 'Tidings: the functions and APIs that publish and read events',
  });
  const removalPolicy = throwAway ? RemovalPolicy.DESTROY : RemovalPolicy.RETAIN;
  new Tidings(hub, ID, { ...options, log: new TidingsLog(log, ID, { stage, removalPolicy }) });
  return { log, hub };
}
