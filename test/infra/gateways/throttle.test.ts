/**
 * Denial of wallet: the limits of every API and function.
 * @module
 */
import type { Template } from 'aws-cdk-lib/assertions';
import { beforeAll, describe, expect, test } from 'vitest';
import { parseConfig } from '../../../lib/config/config.ts';
import { type Context, templatesOf } from '../template/synthesized.ts';

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
  test('add Retry-After to a 503, for every function', () => {
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

  test('limit each route, and most of all the default route', () => {
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
  test('have bursts that fit into the bucket of the account, in every Region', () => {
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

  // Otherwise CloudFormation could create the stage first: "Unable to find Route by key … within the provided RouteSettings".
  // https://github.com/terraform-aws-modules/terraform-aws-apigateway-v2/pull/80
  test('get their limits after their routes exist', () => {
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

describe('the quotas of callers', () => {
  /** Returns a variable of each function that has it, by the name of its construct. */
  const settingOf = (template: Template, name: string) =>
    Object.fromEntries(
      Object.entries(template.findResources('AWS::Lambda::Function')).flatMap(([id, { Properties }]) => {
        const value: unknown = Properties?.Environment?.Variables?.[name];
        return value === undefined ? [] : [[id.replace(/Handler.*/, ''), value]];
      }),
    );

  test('reach the functions that count', () => {
    expect(settingOf(hub, 'CONNECTIONS_PER_CALLER')).toEqual({ Socket: '1000' });
    expect(settingOf(hub, 'HELD_PER_CALLER')).toEqual({ Hold: '25', Stream: '25' });
  });

  test('are off if one caller may use the whole reservation', () => {
    const few = hubWith({ 'tidings:maxHolds': 25, 'tidings:maxStreams': 26 });
    expect(settingOf(few, 'HELD_PER_CALLER')).toEqual({ Hold: '0', Stream: '25' });
  });

  test.each([
    [{ 'tidings:maxHolds': 600, 'tidings:maxStreams': 401 }, 1_001],
    // If nothing is reserved, the held requests of one caller must be woken.
    [{ 'tidings:maxHolds': 980 }, 1_005],
    [{ 'tidings:connectionsPerCaller': 49 }, 50],
    [{ 'tidings:connectionsPerCaller': 999, 'tidings:heldPerCaller': 10_000 }, 1_000],
  ])('leave connections for the wake sockets of the hub: %j needs %i', (context, least) => {
    expect(() => parseConfig(context)).toThrow(`it must be at least ${least}, since the hub's own sockets`);
    expect(() => parseConfig({ ...context, 'tidings:connectionsPerCaller': least })).not.toThrow();
  });
});

const reservedIn = (template: Template) =>
  Object.fromEntries(
    Object.entries(template.findResources('AWS::Lambda::Function')).flatMap(([id, { Properties }]) =>
      Properties && 'ReservedConcurrentExecutions' in Properties
        ? [[id.replace(/Handler.*/, ''), Properties.ReservedConcurrentExecutions]]
        : [],
    ),
  );

// In a new account Lambda refuses every reservation, so a deployment with one would fail.
test('only functions that hold requests reserve concurrency, and only if an option says so', () => {
  expect(reservedIn(hub)).toEqual({});
  expect(reservedIn(hubWith({ 'tidings:maxHolds': 0, 'tidings:maxStreams': 7 }))).toEqual({ Stream: 7 });
  expect(reservedIn(hubWith({ 'tidings:maxHolds': '100' }))).toEqual({ Hold: 100 });
});

test('every function is limited by an API, by its queue, or by the quotas of callers', () => {
  const sources = Object.values(hub.findResources('AWS::Lambda::EventSourceMapping'));
  const behindQueue = sources.map(({ Properties }) => {
    expect(Properties?.ScalingConfig?.MaximumConcurrency).toBeGreaterThan(1);
    return String(Properties?.FunctionName?.Ref).replace(/Handler.*/, '');
  });
  const routed = Object.values(hub.findResources('AWS::ApiGatewayV2::Integration')).map(({ Properties }) =>
    JSON.stringify(Properties?.IntegrationUri),
  );
  const behindGateway = ['Publish', 'Read', 'Hold', 'Webhooks', 'Socket'];
  for (const name of behindGateway) expect(routed.some((uri) => uri.includes(`"${name}Handler`))).toBe(true);
  const all = Object.keys(hub.findResources('AWS::Lambda::Function')).map((id) =>
    id.replace(/Handler.*/, ''),
  );
  expect(all.sort()).toEqual([...behindGateway, ...behindQueue, 'Stream'].sort());
});

describe('a budget', () => {
  test('exists only if an option sets it', () => {
    expect(hub.findResources('AWS::Budgets::Budget')).toEqual({});
    const withBudget = hubWith({ 'tidings:monthlyBudget': '50', 'tidings:budgetEmail': 'team@example.com' });
    withBudget.hasResourceProperties('AWS::Budgets::Budget', {
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
  ])('%j is refused', (context, sentence) => {
    expect(() => parseConfig(context)).toThrow(sentence);
  });
});
