/**
 * The throttles of a stage: a bucket for each route, in which a token counts for a request.
 * @see https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-throttling.html
 * @module
 */

import type { Resolved } from '../template/assembly.ts';
import { isObject, numberOr, objectOr } from '../template/json.ts';
import { describeResource } from '../template/resources.ts';
import { bucket, type Take } from './token-bucket.ts';

/** True if the route of that key lets one more request in now. */
export type Throttle = (routeKey: string) => boolean;

interface Settings {
  readonly rate: number;
  readonly burst: number;
}

/**
 * What the stage asks for: its `RouteSettings` replace the defaults of a route as a whole. A stage that asks for nothing
 * has the quota of the account, which no test on one machine reaches.
 * @param now milliseconds that only grow
 */
export function readThrottle(
  stage: Resolved | undefined,
  routeKeys: readonly string[],
  now: () => number = () => performance.now(),
): Throttle {
  if (stage === undefined) return () => true;
  const { DefaultRouteSettings: others, RouteSettings: named } = stage.properties;
  const fallback = others === undefined ? undefined : readSettings(others, stage, 'DefaultRouteSettings');
  const settings = new Map<string, Settings | undefined>(routeKeys.map((key) => [key, fallback]));
  for (const [key, value] of Object.entries(objectOr(named))) {
    if (!settings.has(key)) {
      throw new Error(
        `${describeResource(stage)} has RouteSettings for ${key}, which is no route of it: AWS refuses it`,
      );
    }
    settings.set(key, readSettings(value, stage, `RouteSettings of ${key}`));
  }
  const buckets = new Map<string, Take>();
  for (const [key, limit] of settings) if (limit) buckets.set(key, bucket(limit.rate, limit.burst, now));
  return (key) => buckets.get(key)?.() ?? true;
}

/**
 * What an account has, for all of its APIs together: a member that is left out of settings that are there.
 * @see https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
 */
const ACCOUNT_RATE = 10_000;
const ACCOUNT_BURST = 5_000;

/** Together they are the throttle; what else may stand there has no effect here. */
const KNOWN: readonly string[] = ['ThrottlingRateLimit', 'ThrottlingBurstLimit', 'DetailedMetricsEnabled'];

function readSettings(value: unknown, stage: Resolved, what: string): Settings {
  const at = `${what} in ${describeResource(stage)}`;
  if (!isObject(value)) throw new Error(`${at} must be an object`);
  const unknown = Object.keys(value).find((name) => !KNOWN.includes(name));
  if (unknown !== undefined)
    throw new Error(`${at} has ${unknown}, which the local stack does not understand`);
  return {
    rate: numberOr(value.ThrottlingRateLimit, ACCOUNT_RATE, `ThrottlingRateLimit of ${at}`),
    burst: numberOr(value.ThrottlingBurstLimit, ACCOUNT_BURST, `ThrottlingBurstLimit of ${at}`),
  };
}
