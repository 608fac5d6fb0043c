/**
 * The effect of a change of the configuration on a deployed hub, as `cdk diff` shows it. This file lists every resource with data, and
 * every URL, that a change replaces.
 * @module
 */
import { diffTemplate, ResourceImpact } from '@aws-cdk/cloudformation-diff';
import { beforeAll, describe, expect, test } from 'vitest';
import type { OPTIONS } from '../../../lib/config/options.ts';
import { fieldsOf } from '../../../protocol/fields.ts';
import { type Context, hubOf, templatesOf } from '../template/synthesized.ts';

const DOMAIN = {
  name: 'hub.example.com',
  certificate: 'arn:aws:acm:us-east-1:123456789012:certificate/11111111-2222-3333-4444-555555555555',
  hostedZone: { hostedZoneId: 'Z111111QQQQQQQ' },
};
const WEB_ACL =
  'arn:aws:wafv2:us-east-1:123456789012:global/webacl/team/11111111-2222-3333-4444-555555555555';

type Key = keyof typeof OPTIONS.shape;

/** These options add or remove resources, or change their protection. Each has a test of its own. */
const SEPARATE = [
  'stage',
  'edge',
  'alarmEmail',
  'domain',
  'webAcl',
  'monthlyBudget',
  'budgetEmail',
  'socketLogs',
  'presence',
  'intake',
  'throwAway',
  'console',
] as const;

/** A value that is not the default, for every other key. */
const OTHER: Readonly<Record<Exclude<Key, (typeof SEPARATE)[number]>, unknown>> = {
  channelCreation: 'explicit',
  anonymous: { 'public/*': ['subscribe'] },
  stamp: { 'chat/*': { sender: 'sub' } },
  issuer: 'https://idp.example',
  issuerAudience: 'hub',
  jwksUrl: 'https://idp.example/keys',
  claims: { claim: 'scope', grants: {} },
  origins: 'https://app.example.com',
  retentionDays: 1,
  logRetentionDays: 7,
  holdSeconds: 1,
  streamSeconds: 1,
  maxHolds: 100,
  maxStreams: 100,
  maxPushes: 2,
  postsInFlight: 1,
  postsPerSecond: 1,
  maxDeliveries: 2,
  connectionsPerCaller: 200,
  heldPerCaller: 1,
  requestsPerSecond: 1,
  publishesPerSecond: 1,
  allowInsecureWebhooks: true,
  alarmTopic: 'arn:aws:sns:eu-west-1:123456789012:alarms',
  permissionsBoundary: 'arn:aws:iam::123456789012:policy/boundary',
};

const contextOf = (values: object): Context =>
  Object.fromEntries(Object.entries(values).map(([key, value]) => [`tidings:${key}`, value]));

interface Snapshot {
  readonly log: Readonly<Record<string, unknown>>;
  readonly hub: Readonly<Record<string, unknown>>;
}

function snapshotOf(values: object = {}): Snapshot {
  const { log, hub } = templatesOf(contextOf(values));
  return { log: log.toJSON(), hub: hub.toJSON() };
}

const LOST: readonly string[] = [
  ResourceImpact.WILL_REPLACE,
  ResourceImpact.MAY_REPLACE,
  ResourceImpact.WILL_DESTROY,
  ResourceImpact.WILL_ORPHAN,
];

/** These hold no data, and no client knows them. CloudFormation creates the same permissions and subscriptions again. */
const PLUMBING = [
  'AWS::Lambda::Permission',
  'AWS::IAM::Policy',
  'AWS::SNS::TopicPolicy',
  'AWS::SNS::Subscription',
];

/** Returns what an update replaces or removes, except permissions and subscriptions: `WILL_DESTROY AWS::SNS::Topic`. */
const lostBetween = (before: Snapshot, after: Snapshot): string[] =>
  [diffTemplate(before.log, after.log), diffTemplate(before.hub, after.hub)]
    .flatMap(({ resources }) => Object.values(resources.changes))
    .filter(({ changeImpact }) => LOST.includes(changeImpact))
    .map((change) => `${change.changeImpact} ${change.oldResourceType}`)
    .filter((line) => !PLUMBING.some((type) => line.endsWith(` ${type}`)))
    .sort();

/** Returns the exports of the stack of the log. The update fails if it removes one that the deployed hub imports. */
const exportsOf = ({ log }: Snapshot): string[] =>
  Object.keys(fieldsOf(log.Outputs)).filter((name) => name.startsWith('ExportsOutput'));

let deployed: Snapshot;
beforeAll(() => {
  deployed = snapshotOf();
});

/** What a queue with dead letters and the function that works on it have, in the order of types. */
const QUEUE_WITH_FUNCTION = [
  ...Array(3).fill('CloudWatch::Alarm'),
  'IAM::Role',
  'Lambda::EventSourceMapping',
  'Lambda::Function',
  'Logs::LogGroup',
  ...['Queue', 'Queue', 'QueuePolicy', 'QueuePolicy'].map((type) => `SQS::${type}`),
].map((type) => `AWS::${type}`);

describe('a change of the configuration', () => {
  // All options at once: if all of them together replace nothing, no single one does.
  test('replaces and removes nothing, if it is about any other option', () => {
    const other = snapshotOf(OTHER);
    expect(diffTemplate(deployed.hub, other.hub).resources.differenceCount).toBeGreaterThan(10);
    expect(lostBetween(deployed, other)).toEqual([]);
    expect(lostBetween(other, deployed)).toEqual([]);
    expect(exportsOf(deployed).length).toBeGreaterThan(10);
    expect(exportsOf(other)).toEqual(exportsOf(deployed));
  });

  test.each([
    // A new front door has a new URL. The URLs of the APIs and of streams stay.
    [
      { edge: false },
      [
        'CachePolicy',
        'Distribution',
        'Function',
        'OriginAccessControl',
        'OriginRequestPolicy',
        'ResponseHeadersPolicy',
      ].map((type) => `AWS::CloudFront::${type}`),
      [],
    ],
    [{ alarmEmail: 'a@example.com' }, [], ['AWS::SNS::Topic']],
    // The distribution stays, and gets a name. Its own name still works.
    [
      { domain: DOMAIN },
      [],
      ['AWS::Route53::RecordSet', 'AWS::Route53::RecordSet', 'AWS::SecretsManager::Secret'],
    ],
    [{ webAcl: WEB_ACL }, [], ['AWS::SecretsManager::Secret']],
    [{ monthlyBudget: 5, budgetEmail: 'a@example.com' }, [], ['AWS::Budgets::Budget']],
    [{ socketLogs: true }, [], ['AWS::Logs::LogGroup']],
    [{ presence: ['chat/*'] }, [], ['AWS::ApiGatewayV2::Route', ...QUEUE_WITH_FUNCTION]],
    [{ intake: true }, [], QUEUE_WITH_FUNCTION],
    [{ throwAway: true }, [], []],
    // Nothing but the console itself.
    [
      { console: true },
      [],
      [
        'AWS::ApiGatewayV2::Integration',
        'AWS::ApiGatewayV2::Route',
        'AWS::ApiGatewayV2::Route',
        'AWS::CloudWatch::Alarm',
        'AWS::IAM::Role',
        'AWS::Lambda::Function',
        'AWS::Logs::LogGroup',
      ],
    ],
  ])('to %j removes only what the option is about', (values, going, coming) => {
    const other = snapshotOf(values);
    const lost = (types: readonly string[]) => types.map((type) => `WILL_DESTROY ${type}`);
    expect(lostBetween(deployed, other)).toEqual(lost(going));
    expect(lostBetween(other, deployed)).toEqual(lost(coming));
    expect(exportsOf(other)).toEqual(exportsOf(deployed));
  });

  test('that replaces a table is detected', () => {
    const { Resources } = deployed.log;
    const [[id, table] = []] = Object.entries(fieldsOf(Resources)).filter(
      ([, resource]) => fieldsOf(resource).Type === 'AWS::DynamoDB::GlobalTable',
    );
    const renamed = {
      ...fieldsOf(table),
      Properties: { ...fieldsOf(fieldsOf(table).Properties), TableName: 'x' },
    };
    const log = { ...deployed.log, Resources: { ...fieldsOf(Resources), [String(id)]: renamed } };
    expect(lostBetween(deployed, { ...deployed, log })).toEqual(['WILL_REPLACE AWS::DynamoDB::GlobalTable']);
  });

  test('of the stage is not an update: it creates a second hub', () => {
    const names = ['dev', 'prod'].map((stage) => {
      const { log, hub } = hubOf({ 'tidings:stage': stage });
      return [log.stackName, hub.stackName];
    });
    expect(names).toEqual([
      ['tidings-dev-log', 'tidings-dev-hub'],
      ['tidings-prod-log', 'tidings-prod-hub'],
    ]);
  });
});

// CloudFormation may ignore an update that changes only a DeletionPolicy.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-deletionpolicy.html
test('one deployment can turn on throwAway: the update also changes properties', () => {
  const { resources } = diffTemplate(deployed.log, snapshotOf({ throwAway: true }).log);
  const changed = Object.values(resources.changes);
  expect(
    changed.filter(({ oldResourceType }) => oldResourceType === 'AWS::SecretsManager::Secret'),
  ).toHaveLength(2);
  const withProperties = changed.filter(({ propertyUpdates }) => Object.keys(propertyUpdates).length > 0);
  expect(withProperties.map(({ oldResourceType }) => oldResourceType)).toEqual(
    Array(6).fill('AWS::DynamoDB::GlobalTable'),
  );
});
