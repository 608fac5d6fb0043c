/**
 * Alarms and the dashboard. They use only metrics that exist, and each alarm names a heading of the runbook.
 * @module
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Template } from 'aws-cdk-lib/assertions';
import { describe, expect, test } from 'vitest';
import { handlerNames } from '../../lambda/env.ts';
import { OwnMetrics } from '../../lib/watch/metrics.ts';
import type { Handlers } from '../../lib/watch/watched.ts';
import { fieldsOf } from '../../protocol/fields.ts';
import { METRICS, METRICS_NAMESPACE, type MetricDefinition } from '../../protocol/metrics.ts';
import { templatesOf } from './synthesized.ts';

const ROOT = join(import.meta.dirname, '../..');
const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');

const { hub } = templatesOf();
const { hub: mailing } = templatesOf({ 'tidings:alarmEmail': 'ops@example.com' });

const propertiesOf = (template: Template, type: string): Record<string, unknown>[] =>
  Object.values(template.findResources(type)).map((resource) => resource.Properties ?? {});
const alarms = propertiesOf(hub, 'AWS::CloudWatch::Alarm');

interface Asked {
  readonly name: string;
  readonly dimensions: readonly string[];
  readonly stage: unknown;
  readonly handler: unknown;
}

/** The hub's own metrics in alarms: `{Namespace, MetricName, Dimensions: [{Name, Value}]}`, at any depth. */
function askedByAlarms(value: unknown): Asked[] {
  const { Namespace, MetricName, Dimensions } = fieldsOf(value);
  const below = Object.values(fieldsOf(value)).flatMap(askedByAlarms);
  if (Namespace !== METRICS_NAMESPACE || !Array.isArray(Dimensions)) return below;
  const values = Object.fromEntries(Dimensions.map((one) => [one.Name, one.Value]));
  return [asked(String(MetricName), values)];
}

const asked = (name: string, values: Readonly<Record<string, unknown>>): Asked => ({
  name,
  dimensions: Object.keys(values).sort(),
  stage: values.Stage,
  handler: values.Function,
});

/** The body of the dashboard, with a placeholder for each value that is known only at deployment. */
function dashboard(template = hub): {
  readonly widgets: readonly Record<string, unknown>[];
  readonly text: string;
} {
  const [{ DashboardBody } = {}] = propertiesOf(template, 'AWS::CloudWatch::Dashboard');
  const { 'Fn::Join': joined } = fieldsOf(DashboardBody);
  const parts: unknown[] = Array.isArray(joined) && Array.isArray(joined[1]) ? joined[1] : [];
  const text = parts.map((part) => (typeof part === 'string' ? part : 'later')).join('');
  return { widgets: JSON.parse(text).widgets, text };
}

/** The hub's own metrics on the dashboard: `["Tidings", name, dimension, value, …, options]`. */
function askedByDashboard(value: unknown): Asked[] {
  if (!Array.isArray(value)) return Object.values(fieldsOf(value)).flatMap(askedByDashboard);
  if (value[0] !== METRICS_NAMESPACE) return value.flatMap(askedByDashboard);
  const pairs = value.slice(2).filter((part) => typeof part === 'string');
  const values = pairs.flatMap((name, at) => (at % 2 === 0 ? [[name, pairs[at + 1]]] : []));
  return [asked(String(value[1]), Object.fromEntries(values))];
}

function definitionOf(name: string): MetricDefinition | undefined {
  const all: Readonly<Record<string, MetricDefinition>> = METRICS;
  return all[name];
}

describe('every alarm', () => {
  test('has a name, and a heading in the runbook that says what to do', () => {
    const runbook = read('docs/runbook.md');
    expect(alarms.length).toBeGreaterThan(20);
    expect(new Set(alarms.map(({ AlarmName }) => AlarmName)).size).toBe(alarms.length);
    for (const { AlarmName, AlarmDescription } of alarms) {
      const [, heading] = /See docs\/runbook\.md, "(.+)"\.$/.exec(String(AlarmDescription)) ?? [];
      const [, article = ''] = runbook.split(`\n## ${heading}\n`);
      const own = article.split('\n## ')[0] ?? '';
      expect(own, `${String(AlarmName)}: ${heading}`).toContain('**What it means.**');
      expect(own, `${String(AlarmName)}: ${heading}`).toContain('**Look.**');
      expect(own, `${String(AlarmName)}: ${heading}`).toMatch(/\*\*Fix[^*]*\.\*\*/);
    }
  });

  test('does not ring while the hub is idle', () => {
    for (const alarm of alarms) expect(alarm).toMatchObject({ TreatMissingData: 'notBreaching' });
    // In a sum, a metric without values would leave the whole sum without a value.
    const sums = alarms.flatMap(({ Metrics }) => (Array.isArray(Metrics) ? Metrics : []));
    for (const { Expression } of sums.filter((one) => 'Expression' in one))
      expect(Expression.replace(/FILL\(\w+, 0\)/g, '')).not.toMatch(
        /errors|defects|unavailable|writes|reads/,
      );
  });

  test('about the concurrency of the account is relative to the quota of the account', () => {
    const [alarm] = alarms.filter(({ AlarmName }) =>
      String(AlarmName).endsWith('/ConcurrencyIsNearlyUsedUp'),
    );
    const metrics = Array.isArray(alarm?.Metrics) ? alarm.Metrics : [];
    expect(alarm).toMatchObject({ Threshold: 80, ComparisonOperator: 'GreaterThanThreshold' });
    expect(metrics).toMatchObject([
      { Expression: '100 * claimed / SERVICE_QUOTA(executions)' },
      { Id: 'claimed', MetricStat: { Metric: { MetricName: 'ClaimedAccountConcurrency' }, Stat: 'Maximum' } },
      {
        Id: 'executions',
        MetricStat: { Metric: { Namespace: 'AWS/Lambda', MetricName: 'ConcurrentExecutions' } },
      },
    ]);
    // Metrics of the account have no dimensions.
    for (const { MetricStat } of metrics) expect(MetricStat?.Metric ?? {}).not.toHaveProperty('Dimensions');
  });

  test('sends e-mails only if there is an address, and then also when it ends', () => {
    expect(alarms.some((alarm) => 'AlarmActions' in alarm || 'OKActions' in alarm)).toBe(false);
    expect(propertiesOf(hub, 'AWS::SNS::Topic')).toHaveLength(1);
    for (const alarm of propertiesOf(mailing, 'AWS::CloudWatch::Alarm'))
      expect(alarm).toMatchObject({
        AlarmActions: [{ Ref: expect.stringMatching(/^WatchTopic/) }],
        OKActions: [{}],
      });
    mailing.hasResourceProperties('AWS::SNS::Subscription', {
      Protocol: 'email',
      Endpoint: 'ops@example.com',
    });
    const policies = propertiesOf(mailing, 'AWS::SNS::TopicPolicy').map((one) => JSON.stringify(one));
    const [own = ''] = policies.filter((policy) => policy.includes('cloudwatch.amazonaws.com'));
    expect(own).toContain('"aws:SecureTransport":"false"');
    expect(own).toContain('"StringEquals":{"aws:SourceAccount":{"Ref":"AWS::AccountId"}}');
  });
});

describe('the hub’s own metrics', () => {
  test('are used with the dimensions that they are emitted with: this stage, and a function that exists', () => {
    const { widgets } = dashboard();
    const all = [...alarms.flatMap(askedByAlarms), ...askedByDashboard(widgets)];
    expect(all.length).toBeGreaterThan(30);
    for (const { name, dimensions, stage, handler } of all) {
      expect(dimensions, name).toEqual([...(definitionOf(name)?.dimensions ?? [])].sort());
      expect(stage).toBe('dev');
      if (handler !== undefined) expect(Object.keys(handlerNames)).toContain(handler);
    }
  });

  test('are all on the dashboard', () => {
    const shown = new Set(askedByDashboard(dashboard().widgets).map(({ name }) => name));
    expect([...shown].sort()).toEqual(Object.keys(METRICS).sort());
  });

  test('cannot be used with other dimensions', () => {
    const own = new OwnMetrics('dev');
    expect(() => own.ofStage('Delivered')).toThrow('by Stage,Function');
    expect(() => own.ofHandler('Published', 'Publish')).toThrow('by Stage, not');
  });

  test('cost what docs/cost.md says', () => {
    const handlers = Object.keys(handlerNames).length;
    const most = Object.entries(METRICS).reduce((sum, [name, { dimensions }]: [string, MetricDefinition]) => {
      // Delivered has one function for each of the five transports.
      const functions = name === 'Delivered' ? 5 : handlers;
      return sum + (dimensions.includes('Function') ? functions : 1);
    }, 0);
    const metricsOf = (alarm: Record<string, unknown>): number =>
      Array.isArray(alarm.Metrics) ? alarm.Metrics.filter((one) => 'MetricStat' in one).length : 1;
    const inAlarms = alarms.reduce((sum, alarm) => sum + metricsOf(alarm), 0);
    const dollars = (cents: number): string => `$${(cents / 100).toFixed(2)}`;
    expect(read('docs/cost.md')).toContain(
      `${alarms.length} alarms ${dollars(inAlarms * 10)}, the dashboard $3.00, metrics up to ${dollars(most * 30)}`,
    );
  });
});

// Names of dashboards are unique in the account: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutDashboard.html
test('the dashboard is named after the stack and the Region', () => {
  const [{ DashboardName } = {}] = propertiesOf(hub, 'AWS::CloudWatch::Dashboard');
  expect(DashboardName).toEqual({ 'Fn::Join': ['', ['tidings-dev-hub-', { Ref: 'AWS::Region' }]] });
});

test('the dashboard shows the reserved concurrency, if there is one', () => {
  expect(dashboard().text).toContain('"held polls under way"');
  const { text } = dashboard(templatesOf({ 'tidings:maxHolds': 90, 'tidings:maxStreams': 80 }).hub);
  expect(text).toContain('"held polls under way, of 90"');
  expect(text).toContain('"streams under way, of 80"');
});

test('the dashboard has its rows in the order in which an event travels', () => {
  const headings = dashboard().widgets.flatMap(({ type, properties }) =>
    type === 'text' ? [String(fieldsOf(properties).markdown)] : [],
  );
  expect(headings).toEqual([
    '## Publish',
    '## The log',
    '## Push to sockets',
    '## Polls, held polls and streams',
    '## Webhooks',
    '## Queues and dead letters',
    '## Failures and throttles',
    '## What costs',
  ]);
});

test('the functions emit metrics under the names that alarms and the dashboard use', () => {
  const names: readonly (keyof Handlers)[] = [
    'Publish',
    'Socket',
    'Push',
    'Fold',
    'Read',
    'Hold',
    'Stream',
    'Webhooks',
    'Dispatch',
    'Deliver',
  ];
  expect([...names].sort()).toEqual(Object.keys(handlerNames).sort());
  for (const [id, { Properties }] of Object.entries(hub.findResources('AWS::Lambda::Function'))) {
    const { FUNCTION, STAGE } = Properties?.Environment?.Variables ?? {};
    expect([FUNCTION, STAGE]).toEqual([id.replace(/Handler.*/, ''), 'dev']);
  }
});
