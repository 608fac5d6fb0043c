/**
 * The alarms of the hub, except those about dead letters, which are added with their queues (messaging/work-queue.ts).
 * @module
 */
import { Duration } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import type { TableV2 } from 'aws-cdk-lib/aws-dynamodb';
import type { Construct } from 'constructs';
import type { WorkQueue } from '../messaging/work-queue.ts';
import { runbookAlarm } from './alarm.ts';
import { FIVE_MINUTES, type OwnMetrics } from './metrics.ts';
import { handlersOf, tablesOf, type Watched } from './watched.ts';

/** Percent of the publishes of a minute. A table that is throttled for a moment refuses fewer. */
const FAILED_PUBLISHES_PERCENT = 1;

/** Publishes in a minute. With fewer, one failure is more than a percent; the alarm of the function reports it. */
const FEW_PUBLISHES = 20;

/** Milliseconds. A held request reads again after this time without a push (lambda/hub/hold/held-read.ts), so a later push does not help it. */
const LATE_PUSH_MS = 5_000;

/**
 * Seconds. A job for members that could not take a frame waits for up to a minute (lambda/hub/push/post-batches.ts), which is
 * normal. A message that failed is received again after 150 s, and must make the alarm ring.
 */
const OLD_MESSAGE_SECONDS = 120;

/** Posts in five minutes. A client that does not read causes five to ten. More mean hundreds of such clients, or the account's quota. */
const MANY_PUT_OFF = 1_000;

/** Throttles in five minutes. Messages of queues are tried again, so a few during growth do no harm. */
const MANY_THROTTLES = 10;

/** Throttles in five minutes. A table above twice its last peak throttles for moments, and the SDK tries again. */
const MANY_TABLE_THROTTLES = 100;

/** Percent of the account's concurrent executions that are in use or reserved. */
const NEARLY_ALL_CONCURRENCY_PERCENT = 80;

const MINUTE = Duration.minutes(1);

/** Adds the alarms about functions, publishing, the push, concurrency, tables, folds and webhooks. */
export function addAlarms(scope: Construct, watched: Watched, own: OwnMetrics): void {
  addFunctionAlarms(scope, watched, own);
  addPublishAlarm(scope, watched, own);
  addPushAlarms(scope, watched, own);
  addConcurrencyAlarms(scope, watched);
  for (const [name, table] of Object.entries(tablesOf(watched))) addTableAlarm(scope, name, table);
  addAgeAlarm(scope, 'FoldsWait', watched.folds.fold, {
    means: 'The newest messages of keyed channels wait to be stored.',
    heading: 'Folds are late',
  });
  addAgeAlarm(scope, 'WebhooksWait', watched.webhookQueues.dispatch, {
    means: 'Messages wait to be dispatched to webhook endpoints.',
    heading: 'Webhooks are late',
  });
  if (watched.intake)
    addAgeAlarm(scope, 'IntakeWaits', watched.intake, {
      means: 'Messages of the intake queue wait to be published.',
      heading: 'The intake is late',
    });
  if (watched.looks)
    addAgeAlarm(scope, 'PresenceWaits', watched.looks, {
      means: 'It is published late who is in a channel.',
      heading: 'Presence is late',
    });
}

/** Adds one alarm for each function, so that its name says which. It rings at one defect, because no request of a caller should cause one. */
function addFunctionAlarms(scope: Construct, { handlers }: Watched, own: OwnMetrics): void {
  for (const [name, handler] of handlersOf(handlers)) {
    runbookAlarm(scope, `${name}Fails`, {
      metric: sum('failures', {
        errors: handler.function.metricErrors({ period: FIVE_MINUTES }),
        defects: own.ofHandler('Defects', name, { period: FIVE_MINUTES }),
      }),
      above: 0,
      periods: 1,
      means: `${name} failed by a defect of the hub, crashed, or timed out.`,
      heading: 'A function fails',
    });
  }
}

function addPublishAlarm(scope: Construct, { handlers }: Watched, own: OwnMetrics): void {
  const period = MINUTE;
  const { function: publish } = handlers.Publish;
  const failed = {
    errors: publish.metricErrors({ period }),
    throttles: publish.metricThrottles({ period }),
    defects: own.ofHandler('Defects', 'Publish', { period }),
    unavailable: own.ofHandler('Unavailable', 'Publish', { period }),
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
    means: 'Publishes are answered 5xx.',
    heading: 'Publishes fail',
  });
}

function addPushAlarms(scope: Construct, { hints }: Watched, own: OwnMetrics): void {
  runbookAlarm(scope, 'PushIsLate', {
    metric: own.ofStage('PushLag', { period: FIVE_MINUTES, statistic: cloudwatch.Stats.percentile(90) }),
    above: LATE_PUSH_MS,
    periods: 1,
    means: 'Sockets get messages seconds after they were published.',
    heading: 'Sockets are behind',
  });
  addAgeAlarm(scope, 'HintsWait', hints.push, {
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

function addConcurrencyAlarms(scope: Construct, { handlers }: Watched): void {
  // An alarm may have ten metrics. A page of the console that is refused delays no event.
  // https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_limits.html
  const { Hold, Stream, Console: _, ...others } = handlers;
  const period = FIVE_MINUTES;
  const throttlesOf = (some: Partial<typeof handlers>) =>
    Object.fromEntries(
      Object.entries(some).map(([name, handler]) => [
        name.toLowerCase(),
        handler.function.metricThrottles({ period }),
      ]),
    );
  runbookAlarm(scope, 'FunctionsAreThrottled', {
    metric: sum('throttles', throttlesOf(others)),
    above: MANY_THROTTLES,
    periods: 1,
    means: 'Lambda throttles functions of the hub, because no concurrency is left.',
    heading: 'Functions are throttled',
  });
  runbookAlarm(scope, 'HoldsAreFull', {
    metric: sum('readers refused', throttlesOf({ Hold, Stream })),
    above: 0,
    // The limit may be reached for a moment.
    periods: 3,
    means: 'Long polls or streams are refused all the time.',
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

function addTableAlarm(scope: Construct, name: string, table: TableV2): void {
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

function addAgeAlarm(
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

/** Returns an expression for the sum. A metric that was not emitted counts as 0; otherwise the whole sum would have no value. */
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
