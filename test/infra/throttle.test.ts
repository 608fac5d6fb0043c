/**
 * Denial of wallet: what every way in lets through at the most, and what that is held by.
 * @module
 */
import type { Template } from 'aws-cdk-lib/assertions';
import { beforeAll, describe, expect, test } from 'vitest';
import { parseConfig } from '../../lib/config/config.ts';
import { type Context, templatesOf } from './synthesized.ts';

const hubWith = (context: Context = {}): Template => templatesOf(context).hub;

const bucket = (rate: number, burst = rate) => ({
  ThrottlingRateLimit: rate,
  ThrottlingBurstLimit: burst,
});

let hub: Template;
beforeAll(() => {
  hub = hubWith();
});

const stageNamed = (template: Template, name: string) => {
  const [found] = Object.values(template.findResources('AWS::ApiGatewayV2::Stage')).filter(
    ({ Properties }) => Properties?.StageName === name,
  );
  return found;
};

describe('the gateways', () => {
  test('are asked to say when to come back, whichever function has no room left', () => {
    const integrations = Object.values(hub.findResources('AWS::ApiGatewayV2::Integration'))
      .map(({ Properties }) => Properties ?? {})
      .filter(({ PayloadFormatVersion }) => PayloadFormatVersion === '2.0');
    expect(integrations).toHaveLength(4);
    for (const { ResponseParameters } of integrations) {
      expect(ResponseParameters?.['503']?.ResponseParameters).toEqual([
        { Destination: 'overwrite:header.Retry-After', Source: '1' },
      ]);
    }
  });

  test('let so much through on each route, and the least on what is not named', () => {
    const read = ['/channels/{channel+}', '/v1/stream/{channel+}'].flatMap((path) =>
      [`GET ${path}`, `HEAD ${path}`, `ANY /hold${path}`].map((key) => [key, bucket(1_000)] as const),
    );
    expect(stageNamed(hub, '$default')?.Properties).toMatchObject({ DefaultRouteSettings: bucket(50) });
    expect(stageNamed(hub, '$default')?.Properties?.RouteSettings).toEqual({
      ...Object.fromEntries(read),
      'ANY /channels/{channel+}': bucket(1_000),
      'ANY /v1/stream/{channel+}': bucket(1_000),
    });
    expect(stageNamed(hub, 'ws')?.Properties).toMatchObject({
      DefaultRouteSettings: bucket(1_000),
      RouteSettings: { $connect: bucket(250), $default: bucket(1_000) },
    });
  });

  test('take their rates from the configuration', () => {
    const slow = hubWith({ 'tidings:requestsPerSecond': 100, 'tidings:publishesPerSecond': 7 });
    expect(stageNamed(slow, '$default')?.Properties).toMatchObject({
      DefaultRouteSettings: bucket(5),
      RouteSettings: {
        'GET /channels/{channel+}': bucket(100),
        'ANY /channels/{channel+}': bucket(7),
      },
    });
    expect(stageNamed(slow, 'ws')?.Properties).toMatchObject({
      RouteSettings: { $connect: bucket(25), $default: bucket(7) },
    });
  });

  // https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
  test('have bursts that fit in the bucket of the account, in every Region', () => {
    const fast = hubWith({ 'tidings:requestsPerSecond': 10_000, 'tidings:publishesPerSecond': 1_251 });
    expect(stageNamed(fast, '$default')?.Properties).toMatchObject({
      DefaultRouteSettings: bucket(500),
      RouteSettings: {
        'GET /channels/{channel+}': bucket(10_000, 1_250),
        'ANY /channels/{channel+}': bucket(1_251, 1_250),
      },
    });
    expect(stageNamed(fast, 'ws')?.Properties).toMatchObject({
      DefaultRouteSettings: bucket(10_000, 1_250),
      RouteSettings: { $connect: bucket(2_500, 1_250) },
    });
  });

  // CloudFormation would make the stage first: "Unable to find Route by key … within the provided RouteSettings".
  // https://github.com/terraform-aws-modules/terraform-aws-apigateway-v2/pull/80
  test('are told of rates only after their routes are there', () => {
    const routes = Object.entries(hub.findResources('AWS::ApiGatewayV2::Route'));
    const stages = Object.values(hub.findResources('AWS::ApiGatewayV2::Stage'));
    for (const [id, { Properties }] of routes) {
      const [stage] = stages.filter(
        (each) => JSON.stringify(each.Properties?.ApiId) === JSON.stringify(Properties?.ApiId),
      );
      expect(stage?.DependsOn).toContain(id);
    }
    expect(routes.length).toBeGreaterThan(10);
  });
});

describe('the caps of callers', () => {
  /** A variable of each function that has it, by the name of its construct. */
  const settingOf = (template: Template, name: string) =>
    Object.fromEntries(
      Object.entries(template.findResources('AWS::Lambda::Function')).flatMap(([id, { Properties }]) => {
        const value: unknown = Properties?.Environment?.Variables?.[name];
        return value === undefined ? [] : [[id.replace(/Door.*/, ''), value]];
      }),
    );

  test('reach those who count', () => {
    expect(settingOf(hub, 'CONNECTIONS_PER_CALLER')).toEqual({ Socket: '1000' });
    expect(settingOf(hub, 'HELD_PER_CALLER')).toEqual({ Hold: '25', Stream: '25' });
  });

  test('count nobody where one caller may have all that there is', () => {
    const few = hubWith({ 'tidings:maxHolds': 25, 'tidings:maxStreams': 26 });
    expect(settingOf(few, 'HELD_PER_CALLER')).toEqual({ Hold: '0', Stream: '25' });
  });

  test.each([
    [{ 'tidings:maxHolds': 600, 'tidings:maxStreams': 401 }, 1_001],
    // Where nothing is reserved, one caller alone is to be woken.
    [{ 'tidings:maxHolds': 980 }, 1_005],
    [{ 'tidings:connectionsPerCaller': 49 }, 50],
    [{ 'tidings:connectionsPerCaller': 999, 'tidings:heldPerCaller': 10_000 }, 1_000],
  ])('leave room for the sockets of the hub itself: with %j %i connections', (context, least) => {
    expect(() => parseConfig(context)).toThrow(`it must be at least ${least}, since the hub's own sockets`);
    expect(() => parseConfig({ ...context, 'tidings:connectionsPerCaller': least })).not.toThrow();
  });
});

const reservedIn = (template: Template) =>
  Object.fromEntries(
    Object.entries(template.findResources('AWS::Lambda::Function')).flatMap(([id, { Properties }]) =>
      Properties && 'ReservedConcurrentExecutions' in Properties
        ? [[id.replace(/Door.*/, ''), Properties.ReservedConcurrentExecutions]]
        : [],
    ),
  );

// Lambda refuses every reservation in an account with the quota of new ones, and so every deployment with one.
test('nothing is reserved unless it is asked for, and then only what waits', () => {
  expect(reservedIn(hub)).toEqual({});
  expect(reservedIn(hubWith({ 'tidings:maxHolds': 0, 'tidings:maxStreams': 7 }))).toEqual({ Stream: 7 });
  expect(reservedIn(hubWith({ 'tidings:maxHolds': '100' }))).toEqual({ Hold: 100 });
});

test('every function is held by the rate of a gateway, by its queue, or by the quota of its callers', () => {
  const sources = Object.values(hub.findResources('AWS::Lambda::EventSourceMapping'));
  const fed = sources.map(({ Properties }) => {
    expect(Properties?.ScalingConfig?.MaximumConcurrency).toBeGreaterThan(1);
    return String(Properties?.FunctionName?.Ref).replace(/Door.*/, '');
  });
  const routed = Object.values(hub.findResources('AWS::ApiGatewayV2::Integration')).map(({ Properties }) =>
    JSON.stringify(Properties?.IntegrationUri),
  );
  const behindGateway = ['Publish', 'Read', 'Hold', 'Webhooks', 'Socket'];
  for (const door of behindGateway) expect(routed.some((uri) => uri.includes(`"${door}Door`))).toBe(true);
  const all = Object.keys(hub.findResources('AWS::Lambda::Function')).map((id) => id.replace(/Door.*/, ''));
  expect(all.sort()).toEqual([...behindGateway, ...fed, 'Stream'].sort());
});

describe('a budget', () => {
  test('is there only where somebody is to be told', () => {
    expect(hub.findResources('AWS::Budgets::Budget')).toEqual({});
    const told = hubWith({ 'tidings:monthlyBudget': '50', 'tidings:budgetEmail': 'team@example.com' });
    told.hasResourceProperties('AWS::Budgets::Budget', {
      Budget: { BudgetType: 'COST', TimeUnit: 'MONTHLY', BudgetLimit: { Amount: 50, Unit: 'USD' } },
      NotificationsWithSubscribers: [
        ['FORECASTED', 100],
        ['ACTUAL', 80],
        ['ACTUAL', 100],
      ].map(([NotificationType, Threshold]) => ({
        Notification: { NotificationType, Threshold, ComparisonOperator: 'GREATER_THAN' },
        Subscribers: [{ SubscriptionType: 'EMAIL', Address: 'team@example.com' }],
      })),
    });
  });

  test.each([
    [{ 'tidings:monthlyBudget': 50 }, '"tidings:budgetEmail" is needed'],
    [{ 'tidings:budgetEmail': 'team@example.com' }, '"tidings:monthlyBudget" is needed'],
    [{ 'tidings:monthlyBudget': 50, 'tidings:budgetEmail': 'team' }, 'an e-mail address, or empty'],
    [{ 'tidings:monthlyBudget': -1 }, 'from 0 to'],
  ])('refuses %j', (context, sentence) => {
    expect(() => parseConfig(context)).toThrow(sentence);
  });
});
