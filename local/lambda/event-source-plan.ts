/**
 * Reads the event source mappings from queues to functions, and refuses those that AWS would not create.
 * @see https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
 * @module
 */

import type { CallLog } from '../iam/call-log.ts';
import type { Resolved } from '../template/assembly.ts';
import { type JsonObject, numberOr, objectOr, requireString, stringsOf } from '../template/json.ts';
import { arnOf } from '../template/names.ts';
import type { FunctionPlan, Plan } from '../template/plan.ts';
import { describeResource } from '../template/resources.ts';

/** One mapping. */
export interface EventSource {
  /** The source of the messages. */
  readonly queue: Resolved;
  /** ARN of the queue. */
  readonly queueArn: string;
  /** True for a FIFO queue. */
  readonly ordered: boolean;
  /** Visibility timeout in milliseconds: how long a received message stays hidden. */
  readonly visibilityMs: number;
  /** The function that gets the messages. */
  readonly function: FunctionPlan;
  /** False if the mapping takes no messages. */
  readonly enabled: boolean;
  /** Messages in a batch, at most. */
  readonly batchSize: number;
  /** The time for which a batch waits for more messages, in milliseconds. */
  readonly windowMs: number;
  /** Batches that the function processes at the same time, at most. */
  readonly maximumConcurrency: number;
  /** True if the function returns the ids of the messages that failed. */
  readonly reportsFailures: boolean;
}

/** @see https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html */
const DEFAULT_VISIBILITY_S = 30;
/** @see https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html */
const DEFAULT_BATCH_SIZE = 10;
const MAX_BATCH_SIZE = 10_000;
const MAX_WINDOW_S = 300;
/** A larger batch needs several receives, and therefore a window. A FIFO queue may have no window. */
const MAX_WITHOUT_WINDOW = 10;
/** Lambda starts with five pollers and adds more under load. Without a maximum in the template, this stack does not. */
const DEFAULT_CONCURRENCY = 5;

/** The actions that Lambda does on the queue with the role of the function. */
const NEEDED = ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:GetQueueAttributes'];

/**
 * Reads all mappings.
 * @throws Error with one sentence for a mapping that AWS would not create
 */
export function readEventSources(plan: Plan, callLog: CallLog): EventSource[] {
  return plan.all('AWS::Lambda::EventSourceMapping').map((mapping) => {
    const source = readEventSource(mapping, plan);
    refuseShortVisibility(mapping, source);
    refuseMissingGrants(mapping, source, callLog);
    return source;
  });
}

function readEventSource(mapping: Resolved, plan: Plan): EventSource {
  const { properties } = mapping;
  const queue = queueOf(mapping, plan);
  const ordered = queue.properties.FifoQueue === true;
  const visibility = numberOr(
    queue.properties.VisibilityTimeout,
    DEFAULT_VISIBILITY_S,
    `VisibilityTimeout of ${describeResource(queue)}`,
  );
  const window = within(mapping, 'MaximumBatchingWindowInSeconds', 0, MAX_WINDOW_S, 0);
  const scaling = { ...mapping, properties: objectOr(properties.ScalingConfig) };
  return {
    queue,
    queueArn: arnOf(queue),
    ordered,
    visibilityMs: visibility * 1_000,
    function: functionOf(mapping, plan),
    enabled: String(properties.Enabled) !== 'false',
    batchSize: batchSizeOf(mapping, ordered, window),
    windowMs: window * 1_000,
    maximumConcurrency: within(scaling, 'MaximumConcurrency', 2, 1_000, DEFAULT_CONCURRENCY),
    reportsFailures: reportsFailures(mapping),
  };
}

function queueOf(mapping: Resolved, plan: Plan): Resolved {
  const arn = mapping.properties.EventSourceArn;
  const queue = plan.all('AWS::SQS::Queue').find((candidate) => arnOf(candidate) === arn);
  if (queue === undefined)
    throw new Error(
      `${describeResource(mapping)} takes from ${String(arn)}, which is no queue of a template`,
    );
  return queue;
}

function functionOf(mapping: Resolved, plan: Plan): FunctionPlan {
  const given = requireString(
    mapping.properties.FunctionName,
    `FunctionName of ${describeResource(mapping)}`,
  );
  const found = [...plan.functions.values()].find(({ name, arn }) => given === name || given === arn);
  if (found === undefined)
    throw new Error(`${describeResource(mapping)} invokes ${given}, which no template has`);
  return found;
}

function batchSizeOf(mapping: Resolved, ordered: boolean, window: number): number {
  const batchSize = within(mapping, 'BatchSize', 1, MAX_BATCH_SIZE, DEFAULT_BATCH_SIZE);
  if (ordered && window > 0) {
    throw new Error(`${describeResource(mapping)} has a batching window, which AWS refuses for a FIFO queue`);
  }
  if (batchSize > MAX_WITHOUT_WINDOW && window === 0) {
    throw new Error(
      `${describeResource(mapping)} has batches of ${batchSize} and no batching window: AWS refuses more than ` +
        `${MAX_WITHOUT_WINDOW} without one`,
    );
  }
  return batchSize;
}

function reportsFailures(mapping: Resolved): boolean {
  const types = stringsOf(
    mapping.properties.FunctionResponseTypes,
    `a response type of ${describeResource(mapping)}`,
  );
  const unknown = types.find((type) => type !== 'ReportBatchItemFailures');
  if (unknown !== undefined)
    throw new Error(`${describeResource(mapping)} has the unknown response type ${unknown}`);
  return types.length > 0;
}

function within(
  at: Resolved & { readonly properties: JsonObject },
  property: string,
  min: number,
  max: number,
  fallback: number,
): number {
  const value = numberOr(at.properties[property], fallback, `${property} of ${describeResource(at)}`);
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new Error(
    `${property} of ${describeResource(at)} must be a whole number from ${min} to ${max}, got ${value}: AWS refuses it`,
  );
}

/** With a shorter visibility timeout the queue would deliver a message again while the function still processes it. */
function refuseShortVisibility(mapping: Resolved, source: EventSource): void {
  const { visibilityMs, function: target, queue } = source;
  if (visibilityMs >= target.timeoutMs) return;
  throw new Error(
    `${describeResource(mapping)} cannot be created: the visibility timeout of ${queue.path} is ${visibilityMs / 1_000} s, which is ` +
      `less than the ${target.timeoutMs / 1_000} s that ${target.path} may run: AWS refuses it`,
  );
}

function refuseMissingGrants(
  mapping: Resolved,
  { function: target, queueArn }: EventSource,
  callLog: CallLog,
) {
  for (const action of NEEDED) {
    if (callLog.authorize(target, action, queueArn).allowed) continue;
    throw new Error(
      `${describeResource(mapping)} cannot be created: the role of ${target.path} does not allow ${action} on ${queueArn}: AWS refuses it`,
    );
  }
}
