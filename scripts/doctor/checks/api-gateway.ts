/**
 * The settings of API Gateway for the account and Region: the request quota of all APIs, and the role that writes
 * access logs of sockets.
 * @module
 */
import { APIGatewayClient, GetAccountCommand } from '@aws-sdk/client-api-gateway';
import { ratesOf, resourcesOf, type StackTemplate } from '../assembly.ts';
import { BOUNDED, callAws } from '../call.ts';
import { type Check, count, type Finding, failure, fine, warning } from '../check.ts';

const QUOTA = 'API Gateway quota';
const ROLE = 'API Gateway role';

/** Compares the quota with the rates of the hub's routes, and looks for the role if sockets are logged. */
export const checkApiGateway: Check = async ({ identity, assembly: { stacks } }) => {
  const { cloudwatchRoleArn, throttleSettings } = await callAws('apigateway:GET', () =>
    new APIGatewayClient(BOUNDED).send(new GetAccountCommand({})),
  );
  const role = logsSockets(stacks) ? [roleFinding(cloudwatchRoleArn, identity.region)] : [];
  return [quotaFinding(stacks, throttleSettings?.rateLimit, throttleSettings?.burstLimit), ...role];
};

/**
 * A route cannot take more requests than the account.
 * https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-throttling.html
 */
function quotaFinding(stacks: readonly StackTemplate[], rate = 0, burst = 0): Finding {
  const routes = ratesOf(stacks);
  const [most, atOnce] = [
    Math.max(...routes.map((route) => route.rate)),
    Math.max(...routes.map((route) => route.burst)),
  ];
  const has = `the account has ${count(rate)} requests a second and ${count(burst)} at once, for all of its APIs`;
  if (most <= rate && atOnce <= burst)
    return fine(QUOTA, `${has}; the highest of a route of the hub are ${count(most)} and ${count(atOnce)}`);
  const text = `${has}, and a route of the hub is configured for ${count(most)} and ${count(atOnce)}: callers get 429 below the rate that the options set`;
  const fix =
    `-c tidings:requestsPerSecond=${rate} -c tidings:publishesPerSecond=${rate}, or aws service-quotas ` +
    `request-service-quota-increase --service-code apigateway --quota-code L-8A5B8E43 --desired-value ${most}`;
  return warning(QUOTA, text, fix);
}

/** Access logs of HTTP APIs need no role. */
const logsSockets = (stacks: readonly StackTemplate[]): boolean =>
  resourcesOf(stacks, 'AWS::ApiGatewayV2::Stage').some(
    ({ properties }) => properties.AccessLogSettings !== undefined && properties.StageName !== '$default',
  );

function roleFinding(role: string | undefined, region: string): Finding {
  if (role) return fine(ROLE, `${role} writes the logs of sockets`);
  const text = `tidings:socketLogs needs a role in API Gateway's settings, and ${region} has none: CloudFormation rolls the hub back`;
  const fix =
    '-c tidings:socketLogs=false, or set a role that has AmazonAPIGatewayPushToCloudWatchLogs: ' +
    'aws apigateway update-account --patch-operations op=replace,path=/cloudwatchRoleArn,value=ROLE_ARN';
  return failure(ROLE, text, fix);
}
