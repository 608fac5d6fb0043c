/**
 * The throttles of a stage: a token bucket for each route.
 * @see https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-throttling.html
 * @module
 */

import type { Resolved } from '../template/assembly.ts';
import { isObject, numberOr, objectOr } from '../template/json.ts';
import { describeResource } from '../template/resources.ts';
import { bucket, type Take } from './token-bucket.ts';

/** Counts one request for the route with that key. Returns false if the route is throttled now. */
export type Throttle = (routeKey: string) => boolean;

interface Settings {
  readonly rate: number;
  readonly burst: number;
}

/**
 * Reads the throttles of a stage. `RouteSettings` replace all default settings of a route. A stage without settings has only
 * the quota of the account, which one machine does not reach.
 * @param now monotonic clock in milliseconds
 * @throws Error for settings that are not understood or that AWS refuses
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
 * The quota of an account for all of its APIs, per second: the values of members that settings leave out.
 * @see https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
 */
const ACCOUNT_RATE = 10_000;
const ACCOUNT_BURST = 5_000;

/** The understood members. `DetailedMetricsEnabled` has no effect here. */
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
