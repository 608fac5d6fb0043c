/**
 * What the hub says of itself to whoever operates it: the names of its metrics. The functions emit them, the dashboard and
 * the alarms read them, and both from here, so that they cannot drift.
 *
 * CloudWatch takes each name with each value of its dimensions for a metric of its own, $0.30 a month while it is used. So
 * most are of the whole stage, and only what is useless without it says which function.
 * https://aws.amazon.com/cloudwatch/pricing/
 * @module
 */

export const METRICS_NAMESPACE = 'Tidings';

/** The dimensions: `dev` and the like, and a key of `doorNames` in lambda/env.ts. */
export const STAGE = 'Stage';
export const FUNCTION = 'Function';

export interface MetricDefinition {
  readonly unit: 'Count' | 'Milliseconds';
  readonly dimensions: readonly (typeof STAGE | typeof FUNCTION)[];
}

const ofStage = { unit: 'Count', dimensions: [STAGE] } as const;
const ofFunction = { unit: 'Count', dimensions: [STAGE, FUNCTION] } as const;

export const METRICS = {
  /** Messages that were appended. */
  Published: ofStage,
  /** Messages that were handed over, once for each who got them. Each transport is a function of its own. */
  Delivered: ofFunction,
  /** From when a message was written until all who listen on a shard had it, or had failed to take it. */
  PushLag: { unit: 'Milliseconds', dimensions: [STAGE] },
  /** Posts that were answered 410: the connection is no more. */
  PostsGone: ofStage,
  /** Posts that were answered 429 to the last attempt, and are tried again later. */
  PostsPutOff: ofStage,
  /** Hints that went straight to the hub's queues, because the topic was busy. */
  HintsDiverted: ofStage,
  /** Attempts at an endpoint that failed, whether or not another follows. */
  WebhooksFailed: ofStage,
  /** Attempts that were not made: the address is none that the hub calls. */
  WebhooksBlocked: ofStage,
  /** Deliveries that were given up. */
  WebhooksExhausted: ofStage,
  /** Refused with 401 or 403: no token, or one that does not allow it. */
  RefusedAccess: ofStage,
  /** Refused with 429. */
  RefusedTooMany: ofStage,
  /** Refused with another 4xx, or 501: the caller's to mend. */
  RefusedRequests: ofStage,
  /** What a store was too busy for: 503 to who asked, or put off. */
  Unavailable: ofFunction,
  /** Faults of the hub's own: 500 to who asked, or a message that comes back. Each has a line in the log. */
  Defects: ofFunction,
} as const satisfies Record<string, MetricDefinition>;

export type MetricName = keyof typeof METRICS;

/** Of a refusal by its HTTP status. What is the hub's own fault is a defect and not a refusal. */
export function refusedAs(status: number): MetricName {
  if (status === 401 || status === 403) return 'RefusedAccess';
  if (status === 429) return 'RefusedTooMany';
  return status === 503 ? 'Unavailable' : 'RefusedRequests';
}
