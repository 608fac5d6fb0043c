/**
 * What sockets reach: a WebSocket API before one function. It may note who listens, publish, and verify tokens.
 * @module
 */
import { Stack, Validations } from 'aws-cdk-lib';
import * as apigateway from 'aws-cdk-lib/aws-apigatewayv2';
import { WebSocketLambdaIntegration } from 'aws-cdk-lib/aws-apigatewayv2-integrations';
import { Construct } from 'constructs';
import { connectionsEnv, endsEnv, wakeEnv } from '../../lambda/env.ts';
import type { HubConfig } from '../config/config.ts';
import { accessLogs } from '../gateways/access-logs.ts';
import { admitOrigins } from '../gateways/origins.ts';
import { ratesOf, throttle } from '../gateways/throttle.ts';
import type { FunctionProps } from './function-props.ts';
import { HubFunction } from './hub-function.ts';

/** The path of the front door, too: API Gateway takes a connection at the name of its stage and nowhere else. */
export const SOCKET_PATH = 'ws';

const ACCESS_LOG = {
  connection: '$context.connectionId',
  event: '$context.eventType',
  route: '$context.routeKey',
  ms: '$context.integration.latency',
  integrationError: '$context.integration.error',
};

export class Socket extends Construct {
  readonly door: HubFunction;
  readonly api: apigateway.WebSocketApi;
  readonly stage: apigateway.WebSocketStage;

  constructor(scope: Construct, id: string, props: FunctionProps) {
    super(scope, id);
    const { config, log, tokenKeys, subscribers, hints, webhookQueues } = props;
    this.door = new HubFunction(this, 'Door', { handler: 'socket', logRetention: config.logRetentionDays });
    log.grantAppend(this.door);
    tokenKeys.grantVerify(this.door);
    admitOrigins(this.door, config);
    subscribers.grantSubscribe(this.door);
    hints.grantHint(this.door);
    hints.grantJob(this.door);
    webhookQueues.grantDispatch(this.door);
    this.door.configure(
      connectionsEnv.write({ CONNECTIONS_PER_CALLER: String(config.connectionsPerCaller) }),
    );

    const route = () => ({ integration: new WebSocketLambdaIntegration('Socket', this.door.function) });
    this.api = new apigateway.WebSocketApi(this, 'Api', {
      apiName: `${Stack.of(this).stackName}-sockets`,
      connectRouteOptions: route(),
      disconnectRouteOptions: route(),
      // What the function answers is sent to the client, which saves a call for each answer.
      defaultRouteOptions: { ...route(), returnResponse: true },
    });
    this.stage = new apigateway.WebSocketStage(this, 'Stage', {
      webSocketApi: this.api,
      stageName: SOCKET_PATH,
      autoDeploy: true,
      ...(config.socketLogs ? { accessLogSettings: accessLogs(this, 'sockets', config, ACCESS_LOG) } : {}),
    });
    this.#throttle(config);
    // Who says too much for too long is disconnected.
    this.grantEnd(this.door);
    this.door.configure(endsEnv.write({ SOCKET_ENDPOINT: this.stage.callbackUrl }));
    if (!config.socketLogs) {
      Validations.of(this.stage).acknowledge({
        id: 'AwsSolutions-APIG1',
        reason:
          'access logs of WebSocket APIs need a role that is a setting of the whole account, without which nothing deploys: tidings:socketLogs turns them on where it is set',
      });
    }
    Validations.of(this.api).acknowledge({
      id: 'AwsSolutions-APIG4',
      reason:
        'a WebSocket API can authorize $connect only, and there the function itself verifies the token, by three ways that no authorizer has at once',
    });
  }

  #throttle(config: HubConfig): void {
    const { connect, publish, read } = ratesOf(config);
    const routes = this.api.node.findAll().filter((node) => node instanceof apigateway.WebSocketRoute);
    // An end that nobody is told of leaves rows behind for hours: no end may wait for a token that a beginning took.
    throttle(this.stage, read, { $connect: connect, $default: publish }, routes);
  }

  /** Lets a door post to the connections. */
  grantPost(door: HubFunction): void {
    this.#grantConnections(door, 'POST');
  }

  /** Lets a door end connections. */
  grantEnd(door: HubFunction): void {
    this.#grantConnections(door, 'DELETE');
  }

  #grantConnections(door: HubFunction, method: 'POST' | 'DELETE'): void {
    const { api, stage } = this;
    const path = `${stage.stageName}/${method}/@connections/*`;
    const connections = Stack.of(this).formatArn({
      service: 'execute-api',
      resource: api.apiId,
      resourceName: path,
    });
    door.grant(['execute-api:ManageConnections'], connections, {});
    const { Ref } = Stack.of(this).resolve(api.apiId);
    Validations.of(door).acknowledge({
      id: `AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:execute-api:<AWS::Region>:<AWS::AccountId>:<${Ref}>/${path}]`,
      reason: 'the ids of connections are not known before they connect',
    });
  }

  /** Tells a door where to be woken: it connects as anyone does, with a token that it makes for itself. */
  grantWake(door: HubFunction): void {
    door.configure(wakeEnv.write({ SOCKET_URL: this.stage.url }));
  }
}
