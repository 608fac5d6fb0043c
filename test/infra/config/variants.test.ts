/**
 * Every variant of the hub passes the checks of CloudFormation and AwsSolutions, and stays within the size limits of AWS.
 * @module
 */
import { beforeAll, describe, expect, test } from 'vitest';
import { parseConfig } from '../../../lib/config/config.ts';
import { lacks, type RegionalService, regionProblems, regionsWithout } from '../../../lib/config/regions.ts';
import { fieldsOf } from '../../../protocol/fields.ts';
import { type Context, strictHubOf } from '../template/synthesized.ts';

const EMAILS = { 'tidings:budgetEmail': 'a@example.com', 'tidings:alarmEmail': 'a@example.com' };
const ISSUER = {
  'tidings:issuer': 'https://idp.example',
  'tidings:issuerAudience': 'hub',
  'tidings:claims': { claim: 'scope', grants: { reader: { '*': ['subscribe'] } } },
};

const CERTIFICATE = 'arn:aws:acm:us-east-1:123456789012:certificate/11111111-2222-3333-4444-555555555555';
const WEB_ACL = 'arn:aws:wafv2:us-east-1:123456789012:global/webacl/hub/11111111-2222-3333-4444-555555555555';

const VARIANTS: Readonly<Record<string, Context>> = {
  'a new account': {},
  'an account that CloudFront has not verified, and China': { 'tidings:edge': false },
  'everything on': {
    ...EMAILS,
    ...ISSUER,
    'tidings:channelCreation': 'explicit',
    'tidings:anonymous': { 'public/*': ['subscribe'] },
    'tidings:origins': 'https://app.example.com',
    'tidings:maxHolds': 100,
    'tidings:maxStreams': 100,
    'tidings:socketLogs': true,
    'tidings:console': true,
    'tidings:presence': ['support/*'],
    'tidings:stamp': { 'support/*': { from: 'sub' } },
    'tidings:intake': true,
    'tidings:domain': { name: 'hub.example.com', certificate: CERTIFICATE },
    'tidings:webAcl': WEB_ACL,
    'tidings:permissionsBoundary': 'arn:aws:iam::123456789012:policy/boundary',
    'tidings:allowInsecureWebhooks': true,
    'tidings:monthlyBudget': 50,
    'tidings:throwAway': true,
  },
  'the largest values': {
    ...EMAILS,
    'tidings:stage': 'a-stage-of-20-letter',
    'tidings:retentionDays': 365,
    'tidings:logRetentionDays': 3_653,
    'tidings:streamSeconds': 840,
    'tidings:maxHolds': 10_000,
    'tidings:maxStreams': 10_000,
    'tidings:maxPushes': 1_000,
    'tidings:postsInFlight': 900,
    'tidings:postsPerSecond': 100_000,
    'tidings:maxDeliveries': 1_000,
    'tidings:connectionsPerCaller': 3_600_000,
    'tidings:heldPerCaller': 10_000,
    'tidings:requestsPerSecond': 10_000,
    'tidings:publishesPerSecond': 10_000,
    'tidings:monthlyBudget': 1_000_000_000,
  },
  'the smallest values': {
    'tidings:stage': 'a',
    'tidings:retentionDays': 1,
    'tidings:logRetentionDays': 1,
    'tidings:holdSeconds': 1,
    'tidings:streamSeconds': 1,
    'tidings:maxHolds': 1,
    'tidings:maxStreams': 1,
    'tidings:maxPushes': 2,
    'tidings:postsInFlight': 1,
    'tidings:postsPerSecond': 1,
    'tidings:maxDeliveries': 2,
    'tidings:connectionsPerCaller': 2,
    'tidings:heldPerCaller': 1,
    'tidings:requestsPerSecond': 1,
    'tidings:publishesPerSecond': 1,
  },
};

/** https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html */
const MAX_TEMPLATE_BYTES = 1_000_000;
const MAX_RESOURCES = 500;
const MAX_OUTPUTS = 200;
/** All policies of a role together. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html */
const MAX_ROLE_POLICY_CHARACTERS = 10_240;
/** https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_limits.html */
const MAX_METRICS_OF_ALARM = 10;
const MAX_NAME_OF_ALARM = 255;

const TYPES: Readonly<Record<RegionalService, string>> = {
  functionUrls: 'AWS::Lambda::Url',
  edge: 'AWS::CloudFront::Function',
  budgets: 'AWS::Budgets::Budget',
};
const SERVICES = ['functionUrls', 'edge', 'budgets'] as const;
/** Every Region that lacks something, and one that does not. */
const REGIONS = [...new Set(['us-east-1', ...SERVICES.flatMap(regionsWithout)])];

describe.each(Object.entries(VARIANTS))('a hub for %s', (_name, context) => {
  let templates: Readonly<Record<string, unknown>>[];
  beforeAll(() => {
    templates = strictHubOf(context)
      .app.synth()
      .stacks.map(({ template }) => fieldsOf(template));
  });

  const resourcesOf = ({ Resources }: Readonly<Record<string, unknown>>) =>
    Object.values(fieldsOf(Resources)).map(fieldsOf);

  test('passes strict validation and AwsSolutions, and stays within the size limits of AWS', () => {
    expect(templates).toHaveLength(2);
    for (const template of templates) {
      const resources = resourcesOf(template);
      expect(JSON.stringify(template).length).toBeLessThan(MAX_TEMPLATE_BYTES);
      expect(resources.length).toBeLessThanOrEqual(MAX_RESOURCES);
      expect(Object.keys(fieldsOf(template.Outputs)).length).toBeLessThanOrEqual(MAX_OUTPUTS);
      for (const { Type, Properties } of resources) {
        const { PolicyDocument, AlarmName, Metrics } = fieldsOf(Properties);
        if (Type === 'AWS::IAM::Policy')
          expect(JSON.stringify(PolicyDocument).length).toBeLessThan(MAX_ROLE_POLICY_CHARACTERS);
        if (Type !== 'AWS::CloudWatch::Alarm') continue;
        expect(String(AlarmName).length).toBeLessThanOrEqual(MAX_NAME_OF_ALARM);
        const measured = Array.isArray(Metrics) ? Metrics.filter((one) => 'MetricStat' in one) : [];
        expect(measured.length).toBeLessThanOrEqual(MAX_METRICS_OF_ALARM);
      }
    }
  });

  test('is refused in a Region if it has what that Region lacks, and only then', () => {
    const types = templates.flatMap(resourcesOf).map(({ Type }) => Type);
    const config = parseConfig(context);
    for (const region of REGIONS) {
      const missing = SERVICES.filter((name) => types.includes(TYPES[name]) && lacks(name, region));
      const refused = regionProblems(config, region).map((problem) =>
        SERVICES.find((name) => problem.includes(TYPES[name])),
      );
      expect(refused, region).toEqual(missing);
    }
  });
});
