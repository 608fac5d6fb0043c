/**
 * Access logs of the gateways: one line for each request. A line has no query string, and no header that may carry a token.
 * @module
 */
import { Aws, Fn, RemovalPolicy } from 'aws-cdk-lib';
import { AccessLogFormat } from 'aws-cdk-lib/aws-apigateway';
import * as apigateway from 'aws-cdk-lib/aws-apigatewayv2';
import * as logs from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import type { HubConfig } from '../config/config.ts';

/**
 * The members of a line for both kinds of API.
 * https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging-variables.html
 */
const EVERY_REQUEST = {
  requestId: '$context.requestId',
  time: '$context.requestTime',
  // The client, as API Gateway sees it. Behind the front door this is a server of CloudFront.
  ip: '$context.identity.sourceIp',
  status: '$context.status',
};

/**
 * Creates a log group, and returns the settings with which a stage writes one line of JSON to it for each request.
 *
 * The name of the log group begins with `/aws/vendedlogs/`. One line in the resource policy of the account allows all groups with
 * this prefix. For any other name API Gateway adds a line for each group. The policy has 5,120 characters at most, so in an account
 * with many log groups the stage could not be created. The id of the stack is part of the name, because a group of an earlier stack
 * may still exist.
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/AWS-logs-and-resource-policy.html
 * @param api the last part of the name: a hub has two APIs
 * @param variables members of the line beside those of EVERY_REQUEST, and their `$context` variables
 */
export function accessLogs(
  scope: Construct,
  api: string,
  { logRetentionDays, name }: HubConfig,
  variables: Readonly<Record<string, string>>,
): apigateway.IAccessLogSettings {
  const stackId = Fn.select(2, Fn.split('/', Aws.STACK_ID));
  const logGroup = new logs.LogGroup(scope, 'AccessLogs', {
    logGroupName: `/aws/vendedlogs/${name}/${stackId}/${api}`,
    retention: logRetentionDays,
    removalPolicy: RemovalPolicy.DESTROY,
  });
  return {
    destination: new apigateway.LogGroupLogDestination(logGroup),
    format: AccessLogFormat.custom(JSON.stringify({ ...EVERY_REQUEST, ...variables })),
  };
}
