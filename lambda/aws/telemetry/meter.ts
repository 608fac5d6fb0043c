/**
 * Metrics in the embedded metric format, which CloudWatch reads from log lines.
 *
 * @aws-lambda-powertools/metrics is not used, for two reasons. It cannot add up the counts of many requests: it stores each added
 * value, up to 100 in a line, and writes a line for each of several requests at a time. And all metrics of one of its lines have
 * the same dimensions. A metric of the whole stage would become one metric for each function, and each metric is paid for.
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
 * @module
 */
import { FUNCTION, METRICS, METRICS_NAMESPACE, type MetricName, STAGE } from '../../../protocol/metrics.ts';

/** Highest number of values of one metric in a line, by the specification. */
const MAX_VALUES = 100;

/** The dimensions of the metrics. */
export interface Emitter {
  /** Name of the stage. */
  readonly [STAGE]: string;
  /** Name of the function. */
  readonly [FUNCTION]: string;
}

/** Collects metrics until they are written. */
export interface Meter {
  /** Adds to a count. 0 or less changes nothing. */
  readonly count: (name: MetricName, more: number) => void;
  /** Adds one of many values, from which CloudWatch computes percentiles. */
  readonly note: (name: MetricName, value: number) => void;
  /**
   * Returns log lines with all metrics since the last call: mostly one line, none if there are no metrics.
   * @param now milliseconds since 1970
   */
  readonly drain: (emitter: Emitter, now: number) => string[];
}

type Metric = readonly [MetricName, number | readonly number[] | undefined];

/** Returns an empty meter. */
export function newMeter(): Meter {
  let counts = new Map<MetricName, number>();
  let values = new Map<MetricName, number[]>();
  return {
    count(name, more) {
      if (more > 0) counts.set(name, (counts.get(name) ?? 0) + more);
    },
    note(name, value) {
      const noted = values.get(name);
      if (noted) noted.push(value);
      else values.set(name, [value]);
    },
    drain(emitter, now) {
      const counted: Metric[] = [...counts];
      const noted = [...values];
      counts = new Map();
      values = new Map();
      const pages = Math.ceil(Math.max(0, ...noted.map(([, all]) => all.length)) / MAX_VALUES);
      return Array.from({ length: Math.max(pages, Math.min(1, counted.length)) }, (_, at) => {
        const page = noted.map(([name, all]): Metric => [name, pageOf(all, at)]);
        const metrics = [...(at === 0 ? counted : []), ...page.filter(([, some]) => some !== undefined)];
        return lineOf(metrics, emitter, now);
      });
    },
  };
}

function pageOf(values: readonly number[], at: number): readonly number[] | undefined {
  const page = values.slice(at * MAX_VALUES, (at + 1) * MAX_VALUES);
  return page.length > 0 ? page : undefined;
}

function lineOf(metrics: readonly Metric[], emitter: Emitter, now: number): string {
  const byDimensions = Map.groupBy(metrics, ([name]) => METRICS[name].dimensions.join());
  const CloudWatchMetrics = [...byDimensions].map(([dimensions, alike]) => ({
    Namespace: METRICS_NAMESPACE,
    Dimensions: [dimensions.split(',')],
    Metrics: alike.map(([name]) => ({ Name: name, Unit: METRICS[name].unit })),
  }));
  const _aws = { Timestamp: now, CloudWatchMetrics };
  return JSON.stringify({ _aws, ...emitter, ...Object.fromEntries(metrics) });
}
