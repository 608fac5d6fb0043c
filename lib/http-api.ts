/**
 * The HTTP API: which request goes to which door.
 * @module
 */
import { RemovalPolicy, Validations } from 'aws-cdk-lib';
import { AccessLogFormat } from 'aws-cdk-lib/aws-apigateway';
import * as apigateway from 'aws-cdk-lib/aws-apigatewayv2';
import { HttpLambdaIntegration } from 'aws-cdk-lib/aws-apigatewayv2-integrations';
import * as logs from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import type { HubConfig } from './config.ts';
import type { HubFunction } from './hub-function.ts';

export interface HttpApiProps {
  readonly config: HubConfig;
  readonly publish: HubFunction;
  readonly read: HubFunction;
}

/** The second is the path that the Durable Streams clients and conformance suite use. */
const CHANNEL_PATHS = ['/channels/{channel+}', '/v1/stream/{channel+}'];

/** No query string and no Authorization header: neither tokens nor tickets may reach a log. */
const ACCESS_LOG = JSON.stringify({
  requestId: '$context.requestId',
  time: '$context.requestTime',
  ip: '$context.identity.sourceIp',
  method: '$context.httpMethod',
  path: '$context.path',
  status: '$context.status',
  bytes: '$context.responseLength',
  ms: '$context.responseLatency',
  integrationError: '$context.integrationErrorMessage',
});

export class HttpApi extends Construct {
  readonly url: string;

  constructor(scope: Construct, id: string, props: HttpApiProps) {
    super(scope, id);
    const api = new apigateway.HttpApi(this, 'Api', { createDefaultStage: false });
    const stage = new apigateway.HttpStage(this, 'Stage', {
      httpApi: api,
      stageName: '$default',
      autoDeploy: true,
      accessLogSettings: {
        destination: new apigateway.LogGroupLogDestination(
          new logs.LogGroup(this, 'AccessLogs', {
            retention: props.config.logRetentionDays,
            removalPolicy: RemovalPolicy.DESTROY,
          }),
        ),
        format: AccessLogFormat.custom(ACCESS_LOG),
      },
    });
    this.url = stage.url;

    const { GET, HEAD, ANY } = apigateway.HttpMethod;
    const toRead = new HttpLambdaIntegration('Read', props.read.function);
    const toPublish = new HttpLambdaIntegration('Publish', props.publish.function);
    const routes = [
      ...CHANNEL_PATHS.flatMap((path) => [
        ...api.addRoutes({ path, methods: [GET, HEAD], integration: toRead }),
        // ANY, so that unknown methods and preflights are answered by a door, in JSON, and not by the gateway.
        ...api.addRoutes({ path, methods: [ANY], integration: toPublish }),
      ]),
      new apigateway.HttpRoute(this, 'NoSuchPath', {
        httpApi: api,
        routeKey: apigateway.HttpRouteKey.DEFAULT,
        integration: toPublish,
      }),
    ];
    for (const route of routes) {
      Validations.of(route).acknowledge({
        id: 'AwsSolutions-APIG4',
        reason:
          'the door verifies the token itself, since an authorizer could neither let configured anonymous capabilities through nor authorize by channel name and operation',
      });
    }
  }
}
