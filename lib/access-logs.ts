/**
 * Access logs of the gateways: who asked what, and what became of it. No query string and no header in which a token could be.
 * @module
 */
import { Aws, Fn, RemovalPolicy, Stack } from 'aws-cdk-lib';
import { AccessLogFormat } from 'aws-cdk-lib/aws-apigateway';
import * as apigateway from 'aws-cdk-lib/aws-apigatewayv2';
import * as logs from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import type { HubConfig } from './config.ts';

/**
 * What both kinds of API say of a request.
 * https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging-variables.html
 */
const EVERY_REQUEST = {
  requestId: '$context.requestId',
  time: '$context.requestTime',
  // Who has the connection to API Gateway: behind the front door that is a server of CloudFront.
  ip: '$context.identity.sourceIp',
  status: '$context.status',
};

/**
 * The name of the log group begins with `/aws/vendedlogs/`: for every other group API Gateway adds a line to a resource policy of
 * the account, and where many services log, that policy is full (5,120 characters) and the stage cannot be made. The id of the
 * stack makes the name one that nothing left behind can have.
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/AWS-logs-infrastructure-CWL.html
 * @param api tells the logs of one API of the stack from those of another
 */
export function accessLogs(
  scope: Construct,
  api: string,
  { logRetentionDays }: HubConfig,
  variables: Readonly<Record<string, string>>,
): apigateway.IAccessLogSettings {
  const stackId = Fn.select(2, Fn.split('/', Aws.STACK_ID));
  const logGroup = new logs.LogGroup(scope, 'AccessLogs', {
    logGroupName: `/aws/vendedlogs/${Stack.of(scope).stackName}/${stackId}/${api}`,
    retention: logRetentionDays,
    removalPolicy: RemovalPolicy.DESTROY,
  });
  return {
    destination: new apigateway.LogGroupLogDestination(logGroup),
    format: AccessLogFormat.custom(JSON.stringify({ ...EVERY_REQUEST, ...variables })),
  };
}
