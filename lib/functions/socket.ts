/**
 * The WebSocket API and its function. The function may note connections and subscriptions, publish, and verify tokens.
 * @module
 */
import { Stack, Validations } from 'aws-cdk-lib';
import * as apigateway from 'aws-cdk-lib/aws-apigatewayv2';
import { WebSocketLambdaIntegration } from 'aws-cdk-lib/aws-apigatewayv2-integrations';
import { Construct } from 'constructs';
import { connectionsEnv, endsEnv, stampEnv, wakeEnv } from '../../lambda/env.ts';
import type { HubConfig } from '../config/config.ts';
import { accessLogs } from '../gateways/access-logs.ts';
import { allowOrigins } from '../gateways/origins.ts';
import { ratesOf, throttle } from '../gateways/throttle.ts';
import { askHooks } from './ask-hooks.ts';
import type { FunctionProps } from './function-props.ts';
import { HubFunction } from './hub-function.ts';

/** The stage of the WebSocket API, and the path at the front door: API Gateway accepts connections only at the name of a stage. */
export const SOCKET_PATH = 'ws';

const ACCESS_LOG = {
  connection: '$context.connectionId',
  event: '$context.eventType',
  route: '$context.routeKey',
  ms: '$context.integration.latency',
  integrationError: '$context.integration.error',
};

/** The API of sockets and its function. */
export class Socket extends Construct {
  /** The function that runs lambda/socket.ts. */
  readonly handler: HubFunction;
  /** The WebSocket API. */
  readonly api: apigateway.WebSocketApi;
  /** Its only stage. */
  readonly stage: apigateway.WebSocketStage;

  constructor(scope: Construct, id: string, props: FunctionProps) {
    super(scope, id);
    const { config, log, tokenKeys, subscribers, hints, webhookQueues } = props;
    this.handler = new HubFunction(this, 'Handler', {
      handler: 'socket',
      config,
    });
    log.grantAppend(this.handler);
    tokenKeys.grantVerify(this.handler);
    allowOrigins(this.handler);
    subscribers.grantSubscribe(this.handler);
    this.handler.configure(stampEnv.write({ STAMPS: JSON.stringify(config.stamp) }));
    askHooks(this.handler);
    hints.grantHint(this.handler);
    hints.grantJob(this.handler);
    webhookQueues.grantDispatch(this.handler);
    this.handler.configure(
      connectionsEnv.write({ CONNECTIONS_PER_CALLER: String(config.connectionsPerCaller) }),
    );

    const route = () => ({ integration: new WebSocketLambdaIntegration('Socket', this.handler.function) });
    this.api = new apigateway.WebSocketApi(this, 'Api', {
      apiName: `${config.name}-sockets`,
      connectRouteOptions: route(),
      disconnectRouteOptions: route(),
      // API Gateway sends the answer of the function to the client, which saves a call for each answer.
      defaultRouteOptions: { ...route(), returnResponse: true },
    });
    this.stage = new apigateway.WebSocketStage(this, 'Stage', {
      webSocketApi: this.api,
      stageName: SOCKET_PATH,
      autoDeploy: true,
      ...(config.socketLogs ? { accessLogSettings: accessLogs(this, 'sockets', config, ACCESS_LOG) } : {}),
    });
    this.#throttle(config);
    // The function ends a connection that exceeds its rate for too long.
    this.grantEnd(this.handler);
    this.handler.configure(endsEnv.write({ SOCKET_ENDPOINT: this.stage.callbackUrl }));
    if (!config.socketLogs) {
      Validations.of(this.stage).acknowledge({
        id: 'AwsSolutions-APIG1',
        reason:
          'access logs of WebSocket APIs need a role in the settings of the account, and the deployment fails without it: tidings:socketLogs turns them on',
      });
    }
    Validations.of(this.api).acknowledge({
      id: 'AwsSolutions-APIG4',
      reason:
        'a WebSocket API can authorize $connect only, and there the function verifies the token, which can come in three ways',
    });
  }

  #throttle(config: HubConfig): void {
    const { connect, publish, read } = ratesOf(config);
    const routes = this.api.node.findAll().filter((node) => node instanceof apigateway.WebSocketRoute);
    // A lost $disconnect leaves rows for hours. So it has the rate of reads, and does not share the bucket of $connect.
    throttle(this.stage, read, { $connect: connect, $default: publish }, routes);
  }

  /** Allows a handler to post to connections. */
  grantPost(handler: HubFunction): void {
    this.#grantConnections(handler, 'POST');
  }

  /** Allows a handler to end connections. */
  grantEnd(handler: HubFunction): void {
    this.#grantConnections(handler, 'DELETE');
  }

  #grantConnections(handler: HubFunction, method: 'POST' | 'DELETE'): void {
    const { api, stage } = this;
    const path = `${stage.stageName}/${method}/@connections/*`;
    const connections = Stack.of(this).formatArn({
      service: 'execute-api',
      resource: api.apiId,
      resourceName: path,
    });
    handler.grant(['execute-api:ManageConnections'], connections, {});
    const { Ref } = Stack.of(this).resolve(api.apiId);
    Validations.of(handler).acknowledge({
      id: `AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:execute-api:<AWS::Region>:<AWS::AccountId>:<${Ref}>/${path}]`,
      reason: 'the ids of connections are not known before they connect',
    });
  }

  /** Sets the URL of the wake socket. The process connects like any client, with a token that it mints itself. */
  grantWake(handler: HubFunction): void {
    handler.configure(wakeEnv.write({ SOCKET_URL: this.stage.url }));
  }
}
