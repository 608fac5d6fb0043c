/**
 * The hub's own metrics, as the dashboard and the alarms ask CloudWatch for them.
 * @module
 */
import { Duration } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import {
  FUNCTION,
  METRICS,
  METRICS_NAMESPACE,
  type MetricDefinition,
  type MetricName,
  STAGE,
} from '../../protocol/metrics.ts';
import type { HubFunction } from '../functions/hub-function.ts';

/** In the order in which an event passes them. */
const DOOR_NAMES = [
  'Publish',
  'Socket',
  'Push',
  'Read',
  'Hold',
  'Stream',
  'Webhooks',
  'Dispatch',
  'Deliver',
] as const;

export type HandlerName = (typeof DOOR_NAMES)[number];

/** The functions, by the names that their metrics are under: the keys of `doorNames` in lambda/env.ts. */
export type Handlers = Readonly<Record<HandlerName, HubFunction>>;

export const handlersOf = (doors: Handlers): readonly (readonly [HandlerName, HubFunction])[] =>
  DOOR_NAMES.map((name) => [name, doors[name]] as const);

/** What alarms look at, where nothing needs them to be sooner: one sum for five minutes. */
export const FIVE_MINUTES = Duration.minutes(5);

export class OwnMetrics {
  readonly #stage: string;

  constructor(stage: string) {
    this.#stage = stage;
  }

  /** What is measured of the whole stage. */
  ofStage(name: MetricName, options: cloudwatch.MetricOptions = {}): cloudwatch.Metric {
    return this.#metric(name, { [STAGE]: this.#stage }, options);
  }

  /** What is measured of each function. */
  ofDoor(name: MetricName, door: HandlerName, options: cloudwatch.MetricOptions = {}): cloudwatch.Metric {
    return this.#metric(name, { [STAGE]: this.#stage, [FUNCTION]: door }, { label: door, ...options });
  }

  #metric(
    metricName: MetricName,
    dimensionsMap: Record<string, string>,
    options: cloudwatch.MetricOptions,
  ): cloudwatch.Metric {
    const { dimensions }: MetricDefinition = METRICS[metricName];
    const asked = Object.keys(dimensionsMap);
    // A metric that nobody emits is no error of CloudWatch's: its alarm would never ring.
    if (dimensions.join() !== asked.join())
      throw new Error(`${metricName} is measured by ${dimensions.join()}, not by ${asked.join()}`);
    return new cloudwatch.Metric({
      namespace: METRICS_NAMESPACE,
      metricName,
      dimensionsMap,
      statistic: cloudwatch.Stats.SUM,
      label: metricName,
      ...options,
    });
  }
}
