/**
 * The account's settings of API Gateway in the Region: what all of its APIs share, and the role by which sockets are logged.
 * @module
 */
import { APIGatewayClient, GetAccountCommand } from '@aws-sdk/client-api-gateway';
import { ratesOf, resourcesOf, type StackTemplate } from '../assembly.ts';
import { BOUNDED, callAws } from '../call.ts';
import type { Check } from '../check.ts';
import { count, type Finding, failure, fine, warning } from '../finding.ts';

const QUOTA = 'API Gateway quota';
const ROLE = 'API Gateway role';

export const checkApiGateway: Check = async ({ identity, assembly: { stacks } }) => {
  const { cloudwatchRoleArn, throttleSettings } = await callAws('apigateway:GET', () =>
    new APIGatewayClient(BOUNDED).send(new GetAccountCommand({})),
  );
  const role = logsSockets(stacks) ? [roleFinding(cloudwatchRoleArn, identity.region)] : [];
  return [quotaFinding(stacks, throttleSettings?.rateLimit, throttleSettings?.burstLimit), ...role];
};

/**
 * A route may not have more than the account.
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
    return fine(QUOTA, `${has}; the fastest route here has ${count(most)} and ${count(atOnce)}`);
  const text = `${has}, and a route here is given ${count(most)} and ${count(atOnce)}: callers are refused (429) earlier than the options say`;
  const fix =
    `-c tidings:requestsPerSecond=${rate} -c tidings:publishesPerSecond=${rate}, or aws service-quotas ` +
    `request-service-quota-increase --service-code apigateway --quota-code L-8A5B8E43 --desired-value ${most}`;
  return warning(QUOTA, text, fix);
}

/** Logs of HTTP APIs go another way, and need no role. */
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
