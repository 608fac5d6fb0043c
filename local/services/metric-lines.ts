/**
 * The metrics that CloudWatch makes of log lines in the embedded metric format, summed up. CloudWatch silently drops a line that
 * does not follow the specification. Here it is an error.
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
 * @module
 */
import { asList, isObject, type JsonObject, objectOr, parseJson, requireString } from '../template/json.ts';

/** One metric with one set of dimensions. */
export interface MetricRecord {
  /** Namespace of CloudWatch. */
  readonly namespace: string;
  /** Name of the metric. */
  readonly name: string;
  /** Unit of CloudWatch, such as `Milliseconds`. */
  readonly unit: string;
  /** Values by name. */
  readonly dimensions: Readonly<Record<string, string>>;
  /** Number of values. */
  readonly count: number;
  /** Sum of all values. */
  readonly sum: number;
  /** The largest value. */
  readonly most: number;
}

/** The metrics of all functions. */
export interface Metrics {
  /**
   * Adds the metrics of a log line. Returns false for a line without metrics.
   * @throws Error for a line that CloudWatch would drop
   */
  take(line: string): boolean;
  /** Returns the sums since the start. */
  list(): MetricRecord[];
}

/** The limits of the specification. */
const MAX_DIMENSIONS = 30;
const MAX_METRICS = 100;
const MAX_VALUES = 100;

/** Returns a list without metrics. */
export function createMetrics(): Metrics {
  const records = new Map<string, MetricRecord>();
  return {
    take(line) {
      const root = emfOf(line);
      if (root === undefined) return false;
      for (const record of recordsOf(root)) {
        const { namespace, name, dimensions } = record;
        const key = JSON.stringify([namespace, name, Object.entries(dimensions).sort()]);
        records.set(key, added(records.get(key), record));
      }
      return true;
    },
    list: () => [...records.values()],
  };
}

/** Returns the line as an object, if it has the member for metrics. */
function emfOf(line: string): JsonObject | undefined {
  if (!line.startsWith('{') || !line.includes('"_aws"')) return undefined;
  const value = parseJson(line);
  return isObject(value) && '_aws' in value ? value : undefined;
}

function recordsOf(root: JsonObject): MetricRecord[] {
  const { Timestamp, CloudWatchMetrics } = objectOr(root._aws);
  if (typeof Timestamp !== 'number') throw new Error('a line of metrics has no Timestamp');
  return asList(CloudWatchMetrics).flatMap((directive) => {
    const { Namespace, Dimensions, Metrics } = objectOr(directive);
    const namespace = requireString(Namespace, 'a Namespace of metrics');
    const all = asList(Metrics);
    if (all.length === 0 || all.length > MAX_METRICS)
      throw new Error(`a line has ${all.length} metrics, from 1 to ${MAX_METRICS} are allowed`);
    return asList(Dimensions).flatMap((names) => {
      const dimensions = dimensionsOf(root, asList(names));
      return all.map((metric) => recordOf(root, namespace, dimensions, objectOr(metric)));
    });
  });
}

function dimensionsOf(root: JsonObject, names: readonly unknown[]): Record<string, string> {
  if (names.length > MAX_DIMENSIONS)
    throw new Error(`a metric has ${names.length} dimensions, ${MAX_DIMENSIONS} are allowed`);
  return Object.fromEntries(
    names.map((each) => {
      const name = requireString(each, 'a dimension');
      return [name, requireString(root[name], `the value of the dimension ${name}`)];
    }),
  );
}

function recordOf(
  root: JsonObject,
  namespace: string,
  dimensions: Readonly<Record<string, string>>,
  { Name, Unit }: JsonObject,
): MetricRecord {
  const name = requireString(Name, 'the Name of a metric');
  const values = asList(root[name]);
  if (values.length === 0 || values.length > MAX_VALUES)
    throw new Error(`${name} has ${values.length} values, from 1 to ${MAX_VALUES} are allowed`);
  const numbers = values.filter((value) => typeof value === 'number');
  if (numbers.length < values.length) throw new Error(`${name} is ${JSON.stringify(root[name])}, no number`);
  const sum = numbers.reduce((all, one) => all + one, 0);
  const unit = requireString(Unit, `the Unit of ${name}`);
  return { namespace, name, unit, dimensions, count: numbers.length, sum, most: Math.max(...numbers) };
}

function added(before: MetricRecord | undefined, more: MetricRecord): MetricRecord {
  if (before === undefined) return more;
  const { count, sum, most } = more;
  return {
    ...before,
    count: before.count + count,
    sum: before.sum + sum,
    most: Math.max(before.most, most),
  };
}
