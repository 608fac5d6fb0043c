/**
 * An app of a team: two hubs in one stack, and two functions that send to the intake of the first hub. One of them may.
 * @module
 */
import { join } from 'node:path';
import { App, CfnOutput, RemovalPolicy, Stack } from 'aws-cdk-lib';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import { Tidings } from 'tidings';

const app = new App({ analyticsReporting: false });
const stack = new Stack(app, 'Mine');
const first = new Tidings(stack, 'First', {
  stage: 'first',
  intake: true,
  anonymous: { '*': ['subscribe'] },
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
  const { url } = made.addFunctionUrl({ authType: lambda.FunctionUrlAuthType.NONE });
  new CfnOutput(stack, `${id}Url`, { value: url });
  return made;
}

first.grantPublish(sender('Granted'));
// It knows the queue, and has no permission.
sender('Refused').addEnvironment('TIDINGS_INTAKE_URL', first.intakeQueue.queueUrl);
