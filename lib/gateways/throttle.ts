/**
 * The limits of API Gateway, which refuses requests before a function runs and costs anything. Each route has a token bucket. It
 * fills at the rate of the route and holds one second of it, at most 1,250. API Gateway calls this a target, not a ceiling.
 * https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-throttling.html
 * @module
 */
import * as apigateway from 'aws-cdk-lib/aws-apigatewayv2';
import type { Construct } from 'constructs';
import type { Config } from '../config/config.ts';

/** Requests a second, by the purpose of a route. */
export interface Rates {
  /** Routes that read. */
  readonly read: number;
  /** Routes that publish. */
  readonly publish: number;
  /** Openings of sockets. The quota of an account is 500 a second for all of its APIs together. */
  readonly connect: number;
  /** Routes that are used rarely: webhooks, tickets, and paths that do not exist. */
  readonly rare: number;
}

/**
 * A quarter. Connections that began together end together, and reconnect together: ten thousand do so within a minute. A higher
 * rate could use up the quota of the account (500 a second), so that clients of other APIs cannot connect.
 */
const CONNECT_DIVISOR = 4;

/** A twentieth. A list of endpoints reads all of them, and a ticket is needed once for a connection. */
const RARE_DIVISOR = 20;

/**
 * The largest burst. The bucket of an account, for all of its APIs, holds 5,000, and in 13 Regions 1,250 (with a rate of 2,500 a
 * second instead of 10,000). A route cannot have more than the account, and every Region must accept the defaults.
 * https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
 */
const MAX_BURST = 1_250;

const bucketOf = (rate: number) => ({ rate, burst: Math.min(rate, MAX_BURST) });

/** Returns the rates of all kinds of routes from the two that are configured. */
export function ratesOf({ requestsPerSecond, publishesPerSecond }: Config): Rates {
  return {
    read: requestsPerSecond,
    publish: publishesPerSecond,
    connect: Math.ceil(requestsPerSecond / CONNECT_DIVISOR),
    rare: Math.ceil(requestsPerSecond / RARE_DIVISOR),
  };
}

/**
 * Sets the limits of the routes of a stage.
 * @param others requests a second of every route that `byRoute` does not name
 * @param routes the constructs of the routes: CloudFormation must create them before the stage that names them
 */
export function throttle(
  stage: apigateway.HttpStage | apigateway.WebSocketStage,
  others: number,
  byRoute: Readonly<Record<string, number>>,
  routes: readonly Construct[],
): void {
  const resource = stage.node.defaultChild;
  if (!(resource instanceof apigateway.CfnStage)) throw new Error(`${stage.node.path} is not a stage`);
  const { rate, burst } = bucketOf(others);
  resource.defaultRouteSettings = { throttlingRateLimit: rate, throttlingBurstLimit: burst };
  // Capital letters, because CloudFormation passes this property to API Gateway unchanged.
  resource.routeSettings = Object.fromEntries(
    Object.entries(byRoute).map(([key, requested]) => {
      const { rate, burst } = bucketOf(requested);
      return [key, { ThrottlingRateLimit: rate, ThrottlingBurstLimit: burst }];
    }),
  );
  stage.node.addDependency(...routes);
}
