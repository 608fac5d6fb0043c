/**
 * When somebody should look. Those about dead letters are made with their queues (work-queue.ts).
 * @module
 */
import { Duration } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import type { TableV2 } from 'aws-cdk-lib/aws-dynamodb';
import type { Construct } from 'constructs';
import type { WorkQueue } from '../messaging/work-queue.ts';
import { runbookAlarm } from './alarm.ts';
import { FIVE_MINUTES, handlersOf, type OwnMetrics } from './metrics.ts';
import type { Watched } from './watch.ts';

/** Of the publishes of a minute, in percent. A store that is throttled for a moment refuses fewer. */
const FAILED_PUBLISHES_PERCENT = 1;

/** Fewer publishes in a minute are no sample: with them a single one that fails is the other alarm's. */
const FEW_PUBLISHES = 20;

/** Whoever holds a poll looks for himself after so long (SAFETY_READ_MS in lambda/hub/hold/held-read.ts): a push is of no use then. */
const LATE_PUSH_MS = 5_000;

/**
 * In seconds. A look at who rests is put off for a minute (MOST_REST_MS in lambda/hub/push/post-batches.ts) and nothing is wrong; a
 * message that failed comes back after 150, and should be seen.
 */
const OLD_MESSAGE_SECONDS = 120;

/** Posts in five minutes. A client that does not read makes five to ten of them: hundreds of such, or the account's quota. */
const MANY_PUT_OFF = 1_000;

/** In five minutes. What is taken from a queue is tried again, so a few at a moment of growth do no harm. */
const MANY_THROTTLES = 10;

/** In five minutes. A table that grows beyond twice its last peak throttles for moments, and the SDK tries again. */
const MANY_TABLE_THROTTLES = 100;

/** Percent of the account's concurrent executions that are in use or reserved. */
const NEARLY_ALL_CONCURRENCY_PERCENT = 80;

const MINUTE = Duration.minutes(1);

export function addAlarms(scope: Construct, watched: Watched, own: OwnMetrics): void {
  ofFunctions(scope, watched, own);
  ofPublishing(scope, watched, own);
  ofPushing(scope, watched, own);
  ofRoom(scope, watched);
  for (const [name, table] of Object.entries(tablesOf(watched))) ofTable(scope, name, table);
  isOld(scope, 'WebhooksWait', watched.webhookQueues.dispatch, {
    means: 'Messages wait to be handed to webhook endpoints.',
    heading: 'Webhooks are late',
  });
}

export const tablesOf = ({ stores }: Watched): Readonly<Record<string, TableV2>> => ({
  Channels: stores.log.channels,
  Entries: stores.log.entries,
  Keys: stores.log.keys,
  Subscribers: stores.subscribers.table,
  Cursors: stores.subscribers.cursors,
  Endpoints: stores.endpoints.endpoints,
  Deliveries: stores.endpoints.deliveries,
});

/** One for each, so that its name says which. A single defect is worth a look: nothing that callers do should make one. */
function ofFunctions(scope: Construct, { doors }: Watched, own: OwnMetrics): void {
  for (const [name, door] of handlersOf(doors)) {
    runbookAlarm(scope, `${name}Fails`, {
      metric: sum('failures', {
        errors: door.function.metricErrors({ period: FIVE_MINUTES }),
        defects: own.ofDoor('Defects', name, { period: FIVE_MINUTES }),
      }),
      above: 0,
      periods: 1,
      means: `${name} failed by a fault of the hub's own, crashed, or ran out of time.`,
      heading: 'A function fails',
    });
  }
}

function ofPublishing(scope: Construct, { doors }: Watched, own: OwnMetrics): void {
  const period = MINUTE;
  const { function: publish } = doors.Publish;
  const failed = {
    errors: publish.metricErrors({ period }),
    throttles: publish.metricThrottles({ period }),
    defects: own.ofDoor('Defects', 'Publish', { period }),
    unavailable: own.ofDoor('Unavailable', 'Publish', { period }),
  };
  const all = `(invocations + FILL(throttles, 0))`;
  runbookAlarm(scope, 'PublishesFail', {
    metric: new cloudwatch.MathExpression({
      label: 'failed publishes in percent',
      expression: `IF(${all} > ${FEW_PUBLISHES}, 100 * (${filled(failed)}) / ${all}, 0)`,
      usingMetrics: { ...failed, invocations: publish.metricInvocations({ period }) },
      period,
    }),
    above: FAILED_PUBLISHES_PERCENT,
    periods: 3,
    means: 'Publishers are answered 5xx.',
    heading: 'Publishes fail',
  });
}

function ofPushing(scope: Construct, { hints }: Watched, own: OwnMetrics): void {
  runbookAlarm(scope, 'PushIsLate', {
    metric: own.ofStage('PushLag', { period: FIVE_MINUTES, statistic: cloudwatch.Stats.percentile(90) }),
    above: LATE_PUSH_MS,
    periods: 1,
    means: 'Sockets get messages seconds after they were published.',
    heading: 'Sockets are behind',
  });
  isOld(scope, 'HintsWait', hints.push, {
    means: 'Hints wait to be pushed to sockets.',
    heading: 'Sockets are behind',
  });
  runbookAlarm(scope, 'PostsArePutOff', {
    metric: own.ofStage('PostsPutOff', { period: FIVE_MINUTES }),
    above: MANY_PUT_OFF,
    periods: 1,
    means: 'API Gateway answers many posts to sockets with 429.',
    heading: 'Many posts are put off',
  });
}

function ofRoom(scope: Construct, { doors }: Watched): void {
  const { Hold, Stream, ...others } = doors;
  const period = FIVE_MINUTES;
  const throttlesOf = (some: Partial<typeof doors>) =>
    Object.fromEntries(
      Object.entries(some).map(([name, door]) => [
        name.toLowerCase(),
        door.function.metricThrottles({ period }),
      ]),
    );
  runbookAlarm(scope, 'FunctionsAreThrottled', {
    metric: sum('throttles', throttlesOf(others)),
    above: MANY_THROTTLES,
    periods: 1,
    means: 'Lambda has no room for the functions of the hub.',
    heading: 'Functions are throttled',
  });
  runbookAlarm(scope, 'HoldsAreFull', {
    metric: sum('readers turned away', throttlesOf({ Hold, Stream })),
    above: 0,
    // To be full for a moment is what the limit is for.
    periods: 3,
    means: 'Long polls or streams are turned away all the time.',
    heading: 'Holds are full',
  });
  runbookAlarm(scope, 'ConcurrencyIsNearlyUsedUp', {
    metric: partOfConcurrency(),
    above: NEARLY_ALL_CONCURRENCY_PERCENT,
    periods: 1,
    means: 'The account has little Lambda concurrency left.',
    heading: 'Functions are throttled',
  });
}

/**
 * Returns the concurrent executions of the account in percent of its quota. So the alarm works in an account with 10 as well as in
 * one with 10,000.
 * https://docs.aws.amazon.com/lambda/latest/dg/monitoring-concurrency.html#claimed-account-concurrency-example
 */
function partOfConcurrency(): cloudwatch.MathExpression {
  const ofAccount = (metricName: string) =>
    new cloudwatch.Metric({
      namespace: 'AWS/Lambda',
      metricName,
      statistic: cloudwatch.Stats.MAXIMUM,
      period: FIVE_MINUTES,
    });
  return new cloudwatch.MathExpression({
    label: 'concurrency in use in percent',
    expression: '100 * claimed / SERVICE_QUOTA(executions)',
    usingMetrics: {
      claimed: ofAccount('ClaimedAccountConcurrency'),
      executions: ofAccount('ConcurrentExecutions'),
    },
    period: FIVE_MINUTES,
  });
}

function ofTable(scope: Construct, name: string, table: TableV2): void {
  const ofEvents = (metricName: string) =>
    table.metric(metricName, { statistic: cloudwatch.Stats.SUM, period: FIVE_MINUTES });
  runbookAlarm(scope, `${name}IsThrottled`, {
    metric: sum(`${name} throttles`, {
      reads: ofEvents('ReadThrottleEvents'),
      writes: ofEvents('WriteThrottleEvents'),
    }),
    above: MANY_TABLE_THROTTLES,
    periods: 1,
    means: `DynamoDB throttles the table ${name}.`,
    heading: 'Tables are throttled',
  });
}

function isOld(
  scope: Construct,
  id: string,
  { queue }: WorkQueue,
  words: { readonly means: string; readonly heading: string },
): void {
  runbookAlarm(scope, id, {
    metric: queue.metricApproximateAgeOfOldestMessage({ period: MINUTE }),
    above: OLD_MESSAGE_SECONDS,
    periods: 3,
    ...words,
  });
}

/** What nobody has emitted counts as none. */
const filled = (metrics: Readonly<Record<string, cloudwatch.IMetric>>): string =>
  Object.keys(metrics)
    .map((id) => `FILL(${id}, 0)`)
    .join(' + ');

function sum(label: string, usingMetrics: Record<string, cloudwatch.IMetric>): cloudwatch.MathExpression {
  return new cloudwatch.MathExpression({
    label,
    expression: filled(usingMetrics),
    usingMetrics,
    period: FIVE_MINUTES,
  });
}
