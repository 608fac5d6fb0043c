/**
 * What a hub on this machine has done since its start, as scripts/hub/hub-health.ts reports it.
 * @module
 */
import { isRecord } from '../../client/errors.ts';

/** A metric that functions have written, summed up. */
export interface MetricSum {
  /** As in CloudWatch. */
  readonly name: string;
  /** The function that wrote it. Empty for a metric of the whole hub. */
  readonly function: string;
  /** Number of values. */
  readonly count: number;
  /** Their sum. */
  readonly sum: number;
  /** The largest one. */
  readonly most: number;
}

/** Calls of one action of AWS by one function. */
export interface CallSum {
  readonly function: string;
  /** As in a policy: `dynamodb:PutItem`. */
  readonly action: string;
  readonly count: number;
}

/** The finished runs of a function. */
export interface RunSum {
  readonly function: string;
  readonly count: number;
  /** The time of all of them together, in milliseconds. */
  readonly ms: number;
}

/** The report. */
export interface HealthReport {
  /** The time since the start of the hub, in milliseconds. */
  readonly ms: number;
  /** Open sockets, and streams and long polls that are held. */
  readonly connected: number;
  /** Messages in all dead-letter queues. */
  readonly deadLetters: number;
  readonly metrics: readonly MetricSum[];
  readonly calls: readonly CallSum[];
  readonly runs: readonly RunSum[];
}

/** Returns the answer of the hub as a report. */
export const reportOf = ({
  ms,
  connected,
  deadLetters,
  metrics,
  calls,
  runs,
}: Readonly<Record<string, unknown>>): HealthReport => ({
  ms: Number(ms),
  connected: Number(connected),
  deadLetters: Number(deadLetters),
  metrics: rowsOf(metrics).map((row) => ({
    name: String(row.name),
    function: String(row.function ?? ''),
    count: Number(row.count),
    sum: Number(row.sum),
    most: Number(row.most),
  })),
  calls: rowsOf(calls).map((row) => ({
    function: String(row.function),
    action: String(row.action),
    count: Number(row.count),
  })),
  runs: rowsOf(runs).map((row) => ({
    function: String(row.function),
    count: Number(row.count),
    ms: Number(row.ms),
  })),
});

const rowsOf = (list: unknown): Readonly<Record<string, unknown>>[] =>
  Array.isArray(list) ? list.filter(isRecord) : [];
