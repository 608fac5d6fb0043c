/**
 * The hub's own metrics, for the dashboard and the alarms.
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
import type { HandlerName } from './watched.ts';

/** The period of alarms that are not urgent. */
export const FIVE_MINUTES = Duration.minutes(5);

/** The metrics of one stage. */
export class OwnMetrics {
  readonly #stage: string;

  constructor(stage: string) {
    this.#stage = stage;
  }

  /** Returns a metric that has the whole stage as dimension. @throws Error if the metric has other dimensions */
  ofStage(name: MetricName, options: cloudwatch.MetricOptions = {}): cloudwatch.Metric {
    return this.#metric(name, { [STAGE]: this.#stage }, options);
  }

  /** Returns a metric that has the stage and the function as dimensions. @throws Error if the metric has other dimensions */
  ofHandler(
    name: MetricName,
    handler: HandlerName,
    options: cloudwatch.MetricOptions = {},
  ): cloudwatch.Metric {
    return this.#metric(name, { [STAGE]: this.#stage, [FUNCTION]: handler }, { label: handler, ...options });
  }

  #metric(
    metricName: MetricName,
    dimensionsMap: Record<string, string>,
    options: cloudwatch.MetricOptions,
  ): cloudwatch.Metric {
    const { dimensions }: MetricDefinition = METRICS[metricName];
    const given = Object.keys(dimensionsMap);
    // CloudWatch accepts metrics that do not exist. An alarm on such a metric never goes off.
    if (dimensions.join() !== given.join())
      throw new Error(`${metricName} is measured by ${dimensions.join()}, not by ${given.join()}`);
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
