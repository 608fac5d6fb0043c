/**
 * An app of a team: two hubs in one stack, two functions that send to the intake of the first hub, of which one may, and one that
 * the first hub asks about publishes.
 * @module
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { App, CfnOutput, RemovalPolicy, Stack } from 'aws-cdk-lib';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import { Tidings } from 'tidings';

const app = new App({ analyticsReporting: false });
const stack = new Stack(app, 'Mine');
/** Adds a function whose code is in the template. */
const inline = (id: string, file: string): lambda.Function =>
  new lambda.Function(stack, id, {
    runtime: lambda.Runtime.NODEJS_24_X,
    handler: 'index.handler',
    code: lambda.Code.fromInline(readFileSync(join(import.meta.dirname, file), 'utf8')),
  });
const hook = inline('Hook', 'hook.js');
const first = new Tidings(stack, 'First', {
  stage: 'first',
  intake: true,
  anonymous: { '*': ['subscribe'], 'hooked/*': ['publish', 'manage'], 'plain/*': ['publish'] },
  onPublish: [
    { pattern: 'hooked/late/*', handler: hook, timeoutMs: 100 },
    { pattern: 'hooked/*', handler: hook, timeoutMs: 3_000 },
  ],
});
new Tidings(stack, 'Second', {
  stage: 'second',
  edge: false,
  anonymous: { '*': ['publish', 'subscribe'] },
  removalPolicy: RemovalPolicy.DESTROY,
});

function sender(id: string): lambda.Function {
  const made = new lambda.Function(stack, id, {
    runtime: lambda.Runtime.NODEJS_24_X,
    handler: 'index.handler',
    code: lambda.Code.fromAsset(join(import.meta.dirname, 'sender')),
  });
  return open(made);
}

/** Gives a function a URL, which is an output. */
function open(made: lambda.Function): lambda.Function {
  const { url } = made.addFunctionUrl({ authType: lambda.FunctionUrlAuthType.NONE });
  new CfnOutput(stack, `${made.node.id}Url`, { value: url });
  return made;
}

first.grantPublish(sender('Granted'));
// It knows the queue, and has no permission.
sender('Refused').addEnvironment('TIDINGS_INTAKE_URL', first.intakeQueue.queueUrl);

// One may invoke the function of the hook, and one may not.
const [invokes, trespasses] = [inline('Invokes', 'invoker.js'), inline('Trespasses', 'invoker.js')];
for (const one of [invokes, trespasses]) open(one).addEnvironment('HOOK', hook.functionName);
hook.grantInvoke(invokes);
