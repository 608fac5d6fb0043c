/**
 * One dashboard, in the order in which an event travels.
 * @module
 */
import { Stack } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import type { Construct } from 'constructs';
import type { WorkQueue } from '../messaging/work-queue.ts';
import type { OwnMetrics } from './metrics.ts';
import { type Handlers, handlersOf, tablesOf, type Watched } from './watched.ts';

/** Columns of a graph: a row has 24, and so four graphs. */
const WIDTH = 6;

type Metrics = readonly cloudwatch.IMetric[];

/** Adds the dashboard, with the state of all alarms at its top, and returns it. */
export function addDashboard(
  scope: Construct,
  watched: Watched,
  own: OwnMetrics,
  alarms: cloudwatch.IAlarm[],
): cloudwatch.Dashboard {
  const { region } = Stack.of(scope);
  // The name has the Region, because dashboard names are unique in the account: otherwise a second Region could not have the same stage.
  // https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutDashboard.html
  const dashboard = new cloudwatch.Dashboard(scope, 'Dashboard', {
    dashboardName: `${watched.config.name}-${region}`,
  });
  dashboard.addWidgets(
    new cloudwatch.AlarmStatusWidget({ title: 'Alarms: docs/runbook.md', alarms, width: 24 }),
  );
  for (const [heading, graphs] of Object.entries(rowsOf(watched, own))) {
    dashboard.addWidgets(new cloudwatch.TextWidget({ markdown: `## ${heading}`, width: 24, height: 1 }));
    dashboard.addWidgets(...Object.entries(graphs).map(([title, left]) => graph(title, left)));
  }
  return dashboard;
}

const graph = (title: string, left: Metrics): cloudwatch.GraphWidget =>
  new cloudwatch.GraphWidget({ title, left: [...left], width: WIDTH, leftYAxis: { min: 0 } });

type Rows = Readonly<Record<string, Readonly<Record<string, Metrics>>>>;

function rowsOf(watched: Watched, own: OwnMetrics): Rows {
  return {
    Publish: publishing(watched, own),
    'The log': storing(watched),
    'Push to sockets': pushing(watched, own),
    'Polls, held polls and streams': reading(watched, own),
    Webhooks: webhooks(watched, own),
    'Queues and dead letters': queues(watched),
    'Failures and throttles': failures(watched, own),
    'What costs': costs(watched),
  };
}

function publishing({ handlers, http }: Watched, own: OwnMetrics) {
  const refused = ['RefusedAccess', 'RefusedTooMany', 'RefusedRequests'] as const;
  return {
    'messages published': [own.ofStage('Published')],
    'ms of a publish': durationsOf(handlers, 'Publish'),
    'requests refused, all functions': refused.map((name) => own.ofStage(name)),
    'answers of the HTTP API': [
      http.api.metricCount(),
      http.api.metricClientError(),
      http.api.metricServerError(),
    ],
  };
}

function storing(watched: Watched) {
  const tables = Object.entries(tablesOf(watched));
  const each = (metricName: string) =>
    tables.map(([label, table]) => table.metric(metricName, { label, statistic: cloudwatch.Stats.SUM }));
  return {
    'units written': each('ConsumedWriteCapacityUnits'),
    'units read': each('ConsumedReadCapacityUnits'),
    'writes throttled': each('WriteThrottleEvents'),
    'reads throttled': each('ReadThrottleEvents'),
  };
}

function pushing({ handlers, hints, socket }: Watched, own: OwnMetrics) {
  return {
    'ms from publish to frame': ['p50', 'p90', 'p99'].map((statistic) =>
      own.ofStage('PushLag', { statistic, label: statistic }),
    ),
    'messages to sockets': [own.ofHandler('Delivered', 'Push', { label: 'delivered' })],
    'posts to sockets that did not arrive': [own.ofStage('PostsGone'), own.ofStage('PostsPutOff')],
    'sockets opened, and their messages': [
      socket.api.metric('ConnectCount', { statistic: cloudwatch.Stats.SUM }),
      socket.api.metric('MessageCount', { statistic: cloudwatch.Stats.SUM }),
      handlers.Push.function.metricInvocations({ label: 'pushes' }),
      hints.topic.metricNumberOfMessagesPublished({ label: 'hints' }),
      own.ofStage('HintsDiverted', { label: 'hints that the topic was too busy for' }),
    ],
  };
}

/** Held requests are counted by Lambda, as executions that run at the same time. */
function reading({ handlers, config }: Watched, own: OwnMetrics) {
  const now = (name: 'Hold' | 'Stream') =>
    handlers[name].function.metric('ConcurrentExecutions', {
      statistic: cloudwatch.Stats.MAXIMUM,
      label: name,
    });
  return {
    'messages delivered': (['Read', 'Hold', 'Stream'] as const).map((name) =>
      own.ofHandler('Delivered', name),
    ),
    [`held polls under way${ofReserved(config.maxHolds)}`]: [now('Hold')],
    [`streams under way${ofReserved(config.maxStreams)}`]: [now('Stream')],
    'ms of a read': durationsOf(handlers, 'Read'),
  };
}

const ofReserved = (reserved: number): string => (reserved > 0 ? `, of ${reserved}` : '');

function webhooks({ handlers, webhookQueues }: Watched, own: OwnMetrics) {
  return {
    deliveries: [
      own.ofHandler('Delivered', 'Deliver', { label: 'delivered' }),
      own.ofStage('WebhooksFailed'),
      own.ofStage('WebhooksBlocked'),
      own.ofStage('WebhooksExhausted'),
    ],
    'seconds until dispatched to endpoints': [
      webhookQueues.dispatch.queue.metricApproximateAgeOfOldestMessage({ label: 'oldest message' }),
    ],
    'endpoints waiting to be served': [
      webhookQueues.deliver.queue.metricApproximateNumberOfMessagesVisible({ label: 'due' }),
      webhookQueues.deliver.queue.metricApproximateNumberOfMessagesNotVisible({
        label: 'postponed, or being served',
      }),
    ],
    'ms of a delivery run': durationsOf(handlers, 'Deliver'),
  };
}

function queues({ hints, folds, webhookQueues, looks, intake }: Watched) {
  const { dispatch, deliver } = webhookQueues;
  const all: Readonly<Record<string, WorkQueue>> = {
    Push: hints.push,
    Fold: folds.fold,
    Dispatch: dispatch,
    Deliver: deliver,
    ...(looks && { Presence: looks }),
    ...(intake && { Intake: intake }),
  };
  const each = (of: (one: WorkQueue, label: string) => cloudwatch.IMetric): Metrics =>
    Object.entries(all).map(([label, one]) => of(one, label));
  return {
    'messages waiting': each(({ queue }, label) => queue.metricApproximateNumberOfMessagesVisible({ label })),
    'seconds that the oldest has waited': each(({ queue }, label) =>
      queue.metricApproximateAgeOfOldestMessage({ label }),
    ),
    'messages received': each(({ queue }, label) => queue.metricNumberOfMessagesReceived({ label })),
    'dead letters': each(({ deadLetters }, label) =>
      deadLetters.metricApproximateNumberOfMessagesVisible({ label, statistic: cloudwatch.Stats.MAXIMUM }),
    ),
  };
}

function failures({ handlers }: Watched, own: OwnMetrics) {
  const all = handlersOf(handlers);
  return {
    defects: all.map(([name]) => own.ofHandler('Defects', name)),
    'busy stores': all.map(([name]) => own.ofHandler('Unavailable', name)),
    'crashes and timeouts': all.map(([label, handler]) => handler.function.metricErrors({ label })),
    throttles: all.map(([label, handler]) => handler.function.metricThrottles({ label })),
  };
}

function costs({ handlers, http, socket, hints }: Watched) {
  const all = handlersOf(handlers);
  const sum = { statistic: cloudwatch.Stats.SUM };
  return {
    'Lambda: invocations': all.map(([label, handler]) => handler.function.metricInvocations({ label })),
    'Lambda: ms that were paid for': all.map(([label, handler]) =>
      handler.function.metricDuration({ ...sum, label }),
    ),
    'requests, frames and hints': [
      http.api.metricCount({ label: 'HTTP requests' }),
      socket.api.metric('MessageCount', { ...sum, label: 'frames, both directions' }),
      hints.topic.metricNumberOfMessagesPublished({ label: 'hints' }),
    ],
    'bytes of logs': all.map(([label, handler]) => {
      const dimensionsMap = { LogGroupName: handler.function.logGroup.logGroupName };
      return new cloudwatch.Metric({
        namespace: 'AWS/Logs',
        metricName: 'IncomingBytes',
        dimensionsMap,
        ...sum,
        label,
      });
    }),
  };
}

const durationsOf = (
  handlers: Handlers,
  name: Exclude<keyof Handlers, 'Console' | 'Presence' | 'Intake'>,
): Metrics =>
  ['p50', 'p90', 'p99'].map((statistic) =>
    handlers[name].function.metricDuration({ statistic, label: statistic }),
  );
