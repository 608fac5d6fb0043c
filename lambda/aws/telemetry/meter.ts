/**
 * Metrics as CloudWatch reads them out of a log: lines in its embedded metric format.
 *
 * Ours and not @aws-lambda-powertools/metrics, since that cannot sum up for many requests at once: it keeps each value that
 * is added, up to 100 and then a line, and where Lambda has many requests in a process it keeps them for each request, and
 * a line for each. All metrics of a line also get the same dimensions there, so that what is of the whole stage would be a
 * metric of each function, and paid for as such.
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
 * @module
 */
import { FUNCTION, METRICS, METRICS_NAMESPACE, type MetricName, STAGE } from '../../../protocol/metrics.ts';

/** Values of one metric that one line may have, by the specification. */
const MAX_VALUES = 100;

/** Whose metrics they are. */
export interface Emitter {
  readonly [STAGE]: string;
  readonly [FUNCTION]: string;
}

export interface Meter {
  /** Adds to a count. Nothing is no news. */
  readonly count: (name: MetricName, more: number) => void;
  /** Notes one of many values, of which CloudWatch makes percentiles. */
  readonly note: (name: MetricName, value: number) => void;
  /** The lines that say all of it, and begins anew. Mostly one; none if there is nothing to say. */
  readonly drain: (emitter: Emitter, now: number) => string[];
}

type Metric = readonly [MetricName, number | readonly number[] | undefined];

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
