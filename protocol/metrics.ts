/**
 * The names of the hub's metrics. The functions emit them, and the dashboard and the alarms read them. Both take the
 * names from here, so they cannot differ.
 *
 * CloudWatch bills each name with each value of its dimensions as one metric, $0.30 a month while it is used. So most
 * metrics are for the whole stage. Only those that are useless without it have the function as a dimension.
 * https://aws.amazon.com/cloudwatch/pricing/
 * @module
 */

/** The CloudWatch namespace. */
export const METRICS_NAMESPACE = 'Tidings';

/** The dimensions. Values: the name of the stage, such as `dev`, and a key of `handlerNames` in lambda/env.ts. */
export const STAGE = 'Stage';
export const FUNCTION = 'Function';

/** The unit and the dimensions of a metric. */
export interface MetricDefinition {
  /** The CloudWatch unit. */
  readonly unit: 'Count' | 'Milliseconds';
  /** The names of the dimensions. */
  readonly dimensions: readonly (typeof STAGE | typeof FUNCTION)[];
}

const ofStage = { unit: 'Count', dimensions: [STAGE] } as const;
const ofFunction = { unit: 'Count', dimensions: [STAGE, FUNCTION] } as const;

/** Name → definition. */
export const METRICS = {
  /** Messages that were appended, and ephemeral messages that were accepted. */
  Published: ofStage,
  /** Messages that were delivered, once for each receiver. Each transport is a function of its own. */
  Delivered: ofFunction,
  /** The time from the write of a message until all subscribers of a shard have it, or could not take it. */
  PushLag: { unit: 'Milliseconds', dimensions: [STAGE] },
  /** Posts that API Gateway answered with 410: the connection is gone. */
  PostsGone: ofStage,
  /** Posts whose last attempt was answered with 429. They are tried again later, except those of ephemeral messages. */
  PostsPutOff: ofStage,
  /** Hints that were sent directly to the queues, because the topic was throttled. */
  HintsDiverted: ofStage,
  /** Attempts at an endpoint that failed, with or without a further attempt. */
  WebhooksFailed: ofStage,
  /** Attempts that were not made, because the hub does not call such an address. */
  WebhooksBlocked: ofStage,
  /** Deliveries that were given up. */
  WebhooksExhausted: ofStage,
  /** Refused with 401 or 403: no token, or one that does not allow it. */
  RefusedAccess: ofStage,
  /** Refused with 429. */
  RefusedTooMany: ofStage,
  /** Refused with another 4xx or 501: the caller must correct the request. */
  RefusedRequests: ofStage,
  /** Requests that a throttled store could not serve: answered with 503, or put off. */
  Unavailable: ofFunction,
  /** Defects of the hub: answered with 500, or a queue message that comes back. Each has a line in the log. */
  Defects: ofFunction,
} as const satisfies Record<string, MetricDefinition>;

/** The name of a metric. */
export type MetricName = keyof typeof METRICS;

/** Returns the metric of a refusal by its HTTP status. A defect of the hub is not a refusal. */
export function refusedAs(status: number): MetricName {
  if (status === 401 || status === 403) return 'RefusedAccess';
  if (status === 429) return 'RefusedTooMany';
  return status === 503 ? 'Unavailable' : 'RefusedRequests';
}
