/**
 * The HTTP API: the routes, and the function of each.
 * @module
 */
import { Validations } from 'aws-cdk-lib';
import * as apigateway from 'aws-cdk-lib/aws-apigatewayv2';
import { HttpLambdaIntegration } from 'aws-cdk-lib/aws-apigatewayv2-integrations';
import { Construct } from 'constructs';
import { RETRY_AFTER_SECONDS } from '../../protocol/limits.ts';
import type { HubConfig } from '../config/config.ts';
import type { HubFunction } from '../functions/hub-function.ts';
import { accessLogs } from './access-logs.ts';
import { ratesOf, throttle } from './throttle.ts';

/** The functions behind the API. */
export interface HttpApiProps {
  /** Rates, and the retention of access logs. */
  readonly config: HubConfig;
  /** Answers everything that no other function answers. */
  readonly publish: HubFunction;
  /** Answers GET and HEAD of channels. */
  readonly read: HubFunction;
  /** Holds long polls. */
  readonly hold: HubFunction;
  /** Answers /webhooks. */
  readonly webhooks: HubFunction;
  /** Answers /console. Undefined for a hub without a console. */
  readonly console: HubFunction | undefined;
}

/** The second is the path that the Durable Streams clients and conformance suite use. */
const CHANNEL_PATHS = ['/channels/{channel+}', '/v1/stream/{channel+}'];

/** A route of its own, so that a flood of requests to unknown paths, which use the default route, does not block tickets. */
const TICKETS_PATH = '/tickets';

/** The list of channels. It may cost a whole page of the table, so it shares the rate of rare requests. */
const LIST_PATH = '/channels';

/** The members of a channel, on a hub with presence. The request reads all members, so it shares the rate of rare requests, too. */
const PRESENCE_PATH = '/presence/{channel+}';

const WEBHOOK_PATHS = ['/webhooks', '/webhooks/{rest+}'];

const CONSOLE_PATHS = ['/console', '/console/{file}'];

const ACCESS_LOG = {
  // The same id as `function_request_id` in the log of the function.
  functionRequestId: '$context.awsEndpointRequestId',
  method: '$context.httpMethod',
  path: '$context.path',
  bytes: '$context.responseLength',
  ms: '$context.responseLatency',
  integrationError: '$context.integrationErrorMessage',
};

/**
 * The address of the caller. The edge function writes it into User-Agent (edge-function/route.js), because an access log of an HTTP
 * API can contain no other header. In a request that does not use the front door the caller can set it; `ip` then is its address.
 */
const BEHIND_EDGE = { client: '$context.identity.userAgent' };

/** The API and its default stage. */
export class HttpApi extends Construct {
  /** The HTTP API. */
  readonly api: apigateway.HttpApi;
  /** The URL of its default stage, with a slash at the end. */
  readonly url: string;

  constructor(scope: Construct, id: string, props: HttpApiProps) {
    super(scope, id);
    const api = new apigateway.HttpApi(this, 'Api', {
      apiName: props.config.name,
      createDefaultStage: false,
    });
    const stage = new apigateway.HttpStage(this, 'Stage', {
      httpApi: api,
      stageName: '$default',
      autoDeploy: true,
      accessLogSettings: accessLogs(this, 'http', props.config, {
        ...ACCESS_LOG,
        ...(props.config.edge ? BEHIND_EDGE : {}),
      }),
    });
    this.api = api;
    this.url = stage.url;

    const { GET, HEAD, ANY } = apigateway.HttpMethod;
    const toRead = new HttpLambdaIntegration('Read', props.read.function);
    const toHold = new HttpLambdaIntegration('Hold', props.hold.function);
    const toPublish = new HttpLambdaIntegration('Publish', props.publish.function);
    const toWebhooks = new HttpLambdaIntegration('Webhooks', props.webhooks.function);
    const routes = [
      ...CHANNEL_PATHS.flatMap((path) => [
        ...api.addRoutes({ path, methods: [GET, HEAD], integration: toRead }),
        // An HTTP API cannot route by query, so the front door, or else a redirect, gives held reads a path of their own.
        ...api.addRoutes({ path: `/hold${path}`, methods: [ANY], integration: toHold }),
        // ANY, so that a handler answers unknown methods and preflights, in JSON, and not API Gateway.
        ...api.addRoutes({ path, methods: [ANY], integration: toPublish }),
      ]),
      ...api.addRoutes({ path: LIST_PATH, methods: [ANY], integration: toRead }),
      ...(props.config.presence.length > 0
        ? api.addRoutes({ path: PRESENCE_PATH, methods: [ANY], integration: toRead })
        : []),
      ...api.addRoutes({ path: TICKETS_PATH, methods: [ANY], integration: toPublish }),
      ...WEBHOOK_PATHS.flatMap((path) => api.addRoutes({ path, methods: [ANY], integration: toWebhooks })),
      ...consoleRoutes(api, props.console),
      new apigateway.HttpRoute(this, 'NoSuchPath', {
        httpApi: api,
        routeKey: apigateway.HttpRouteKey.DEFAULT,
        integration: toPublish,
      }),
    ];
    const rates = ratesOf(props.config);
    const byRoute = CHANNEL_PATHS.flatMap((path): [string, number][] => [
      [`GET ${path}`, rates.read],
      [`HEAD ${path}`, rates.read],
      [`ANY /hold${path}`, rates.read],
      [`ANY ${path}`, rates.publish],
    ]);
    throttle(stage, rates.rare, Object.fromEntries(byRoute), routes);
    addRetryAfter(routes);
    for (const route of routes) {
      Validations.of(route).acknowledge({
        id: 'AwsSolutions-APIG4',
        reason:
          'the handler verifies the token itself, because an authorizer can neither allow configured anonymous requests nor authorize by channel and operation',
      });
    }
  }
}

function consoleRoutes(api: apigateway.HttpApi, page: HubFunction | undefined): apigateway.HttpRoute[] {
  if (page === undefined) return [];
  const integration = new HttpLambdaIntegration('Console', page.function);
  const methods = [apigateway.HttpMethod.ANY];
  return CONSOLE_PATHS.flatMap((path) => api.addRoutes({ path, methods, integration }));
}

/**
 * If a function has no concurrency left, API Gateway answers in its place. If that answer is a 503, this may add `Retry-After` to it, as
 * in a 503 of the hub. AWS documents it only for answers of functions, so nothing relies on it.
 * https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-parameter-mapping.html
 */
function addRetryAfter(routes: readonly Construct[]): void {
  const retryAfter = { Destination: 'overwrite:header.Retry-After', Source: String(RETRY_AFTER_SECONDS) };
  for (const node of routes.flatMap((route) => route.node.findAll())) {
    if (!(node instanceof apigateway.CfnIntegration)) continue;
    node.addPropertyOverride('ResponseParameters', { '503': { ResponseParameters: [retryAfter] } });
  }
}
