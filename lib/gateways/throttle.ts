/**
 * What the gateways refuse before a function runs, and before anything is paid for it: each route has a bucket of its own,
 * that fills at its rate and holds a second of it, 1,250 at the most. API Gateway calls that a target, not a ceiling.
 * https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-throttling.html
 * @module
 */
import * as apigateway from 'aws-cdk-lib/aws-apigatewayv2';
import type { Construct } from 'constructs';
import type { HubConfig } from '../config/config.ts';

/** Requests a second, by what a route is for. */
export interface Rates {
  readonly read: number;
  readonly publish: number;
  /** Openings of sockets. An account takes 500 a second, for all of its APIs together. */
  readonly connect: number;
  /** What people and servers do now and then: webhooks, tickets, and paths that do not exist. */
  readonly rare: number;
}

/**
 * Everyone comes again when the gateway ends connections that began together: ten thousand are back within the minute.
 * More could open sockets faster than the quota of the account (500 a second) lets honest ones in elsewhere.
 */
const CONNECTS_IN = 4;

/** A listing of endpoints reads them all, and a ticket is followed by a connection: neither is anyone's daily bread. */
const RARE_IN = 20;

/**
 * The largest burst. The bucket of an account, for all of its APIs, holds 5,000, and in 13 Regions 1,250 (with a rate of 2,500 a
 * second instead of 10,000). A route cannot have more than the account, and every Region must accept the defaults.
 * https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
 */
const MAX_BURST = 1_250;

const bucketOf = (rate: number) => ({ rate, burst: Math.min(rate, MAX_BURST) });

export function ratesOf({ requestsPerSecond, publishesPerSecond }: HubConfig): Rates {
  return {
    read: requestsPerSecond,
    publish: publishesPerSecond,
    connect: Math.ceil(requestsPerSecond / CONNECTS_IN),
    rare: Math.ceil(requestsPerSecond / RARE_IN),
  };
}

/**
 * Throttles the routes of a stage, and every route that is not named at `others`.
 * @param routes the constructs of the routes: a stage cannot speak of a route that is not there yet
 */
export function throttle(
  stage: apigateway.HttpStage | apigateway.WebSocketStage,
  others: number,
  byRoute: Readonly<Record<string, number>>,
  routes: readonly Construct[],
): void {
  const resource = stage.node.defaultChild;
  if (!(resource instanceof apigateway.CfnStage)) throw new Error(`${stage.node.path} is no stage`);
  const { rate, burst } = bucketOf(others);
  resource.defaultRouteSettings = { throttlingRateLimit: rate, throttlingBurstLimit: burst };
  // As API Gateway spells it: CloudFormation hands this one on as it is.
  resource.routeSettings = Object.fromEntries(
    Object.entries(byRoute).map(([key, requested]) => {
      const { rate, burst } = bucketOf(requested);
      return [key, { ThrottlingRateLimit: rate, ThrottlingBurstLimit: burst }];
    }),
  );
  stage.node.addDependency(...routes);
}
