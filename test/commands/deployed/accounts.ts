/**
 * Recorded answers of AWS for several accounts.
 * @module
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Answers } from './aws.ts';

const CLOUDFORMATION = 'http://cloudformation.amazonaws.com/doc/2010-05-15/';
const CLOUDFRONT = 'http://cloudfront.amazonaws.com/doc/2020-05-31/';

/** The account number in all answers. */
export const ACCOUNT = '111122223333';

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

export const denied = (action: string) => ({
  status: 403,
  body: JSON.stringify({
    __type: 'AccessDeniedException',
    Message: `User: arn:aws:iam::${ACCOUNT}:user/ann is not authorized to perform: ${action}`,
  }),
});

/** An error of the services that speak XML. */
export const xmlError = (code: string, message: string, status = 400) => ({
  status,
  body: `<ErrorResponse xmlns="${CLOUDFORMATION}"><Error><Type>Sender</Type><Code>${code}</Code><Message>${escaped(message)}</Message></Error><RequestId>00000000-0000-0000-0000-000000000000</RequestId></ErrorResponse>`,
});

const list = (name: string, items: readonly string[]): string =>
  `<?xml version="1.0" encoding="UTF-8"?><${name} xmlns="${CLOUDFRONT}"><MaxItems>100</MaxItems><Quantity>${items.length}</Quantity><Items>${items.join('')}</Items></${name}>`;

export const distributions = (count: number): string =>
  `<?xml version="1.0" encoding="UTF-8"?><DistributionList xmlns="${CLOUDFRONT}"><Marker></Marker><MaxItems>1</MaxItems><IsTruncated>false</IsTruncated><Quantity>${count}</Quantity></DistributionList>`;

export const cachePolicies = (...names: string[]): string =>
  list(
    'CachePolicyList',
    names.map(
      (name) =>
        `<CachePolicySummary><Type>custom</Type><CachePolicy><Id>1</Id><LastModifiedTime>2026-01-01T00:00:00Z</LastModifiedTime><CachePolicyConfig><Name>${name}</Name><MinTTL>0</MinTTL></CachePolicyConfig></CachePolicy></CachePolicySummary>`,
    ),
  );

export const lambdaSettings = (quota: number, unreserved: number): string =>
  JSON.stringify({
    AccountLimit: {
      TotalCodeSize: 80_530_636_800,
      CodeSizeUnzipped: 262_144_000,
      CodeSizeZipped: 52_428_800,
      ConcurrentExecutions: quota,
      UnreservedConcurrentExecutions: unreserved,
    },
    AccountUsage: { TotalCodeSize: 0, FunctionCount: 0 },
  });

export const apiGatewaySettings = (rate: number, burst: number, role?: string): string =>
  JSON.stringify({
    ...(role === undefined ? {} : { cloudwatchRoleArn: role }),
    throttleSettings: { burstLimit: burst, rateLimit: rate },
    features: ['UsagePlans'],
    apiKeyVersion: '4',
  });

export const snsQuota = (value: number): string =>
  JSON.stringify({
    Quota: {
      ServiceCode: 'sns',
      QuotaCode: 'L-F8E2BA85',
      QuotaName: 'Messages Published per Second',
      Value: value,
    },
  });

export interface StackAnswer {
  readonly status: string;
  readonly template: string;
  readonly outputs?: Readonly<Record<string, string>>;
  readonly isProtected?: boolean;
  /** The reason of the resource that could not be created. */
  readonly reason?: string;
}

const nameIn = (body: string): string => new URLSearchParams(body).get('StackName') ?? '';

const response = (operation: string, result: string): string =>
  `<${operation}Response xmlns="${CLOUDFORMATION}"><${operation}Result>${result}</${operation}Result><ResponseMetadata><RequestId>00000000-0000-0000-0000-000000000000</RequestId></ResponseMetadata></${operation}Response>`;

/** CloudFormation with exactly these stacks. */
export function cloudFormation(stacks: Readonly<Record<string, StackAnswer>>): Answers {
  const missing = (name: string) => xmlError('ValidationError', `Stack with id ${name} does not exist`);
  const of = (operation: string, result: (name: string, stack: StackAnswer) => string) => (body: string) => {
    const name = nameIn(body);
    const stack = stacks[name];
    return stack === undefined ? missing(name) : response(operation, result(name, stack));
  };
  return {
    'cloudformation:DescribeStacks': of('DescribeStacks', describe),
    'cloudformation:GetTemplate': of(
      'GetTemplate',
      (_, { template }) =>
        `<TemplateBody>${escaped(template)}</TemplateBody><StagesAvailable><member>Original</member><member>Processed</member></StagesAvailable>`,
    ),
    'cloudformation:DescribeStackEvents': of('DescribeStackEvents', events),
    'cloudformation:DescribeStackResources': of('DescribeStackResources', resources),
  };
}

function describe(name: string, { status, outputs = {}, isProtected = false }: StackAnswer): string {
  const members = Object.entries(outputs).map(
    ([key, value]) => `<member><OutputKey>${key}</OutputKey><OutputValue>${value}</OutputValue></member>`,
  );
  return `<Stacks><member><StackName>${name}</StackName><StackId>arn:aws:cloudformation:eu-west-1:${ACCOUNT}:stack/${name}/1</StackId><CreationTime>2026-01-01T00:00:00Z</CreationTime><StackStatus>${status}</StackStatus><EnableTerminationProtection>${isProtected}</EnableTerminationProtection><Outputs>${members.join('')}</Outputs></member></Stacks>`;
}

function events(name: string, { reason = '' }: StackAnswer): string {
  const event = (resource: string, why: string) =>
    `<member><StackName>${name}</StackName><StackId>1</StackId><EventId>${resource}</EventId><Timestamp>2026-01-01T00:00:00Z</Timestamp><LogicalResourceId>${resource}</LogicalResourceId><ResourceStatus>CREATE_FAILED</ResourceStatus><ResourceStatusReason>${escaped(why)}</ResourceStatusReason></member>`;
  return `<StackEvents>${event('Other', 'Resource creation cancelled')}${event('First', reason)}</StackEvents>`;
}

function resources(_: string, { template }: StackAnswer): string {
  const all: Record<string, { Type: string }> = JSON.parse(template).Resources;
  const members = Object.entries(all).map(
    ([id, { Type }]) =>
      `<member><LogicalResourceId>${id}</LogicalResourceId><PhysicalResourceId>${id}-PHYSICAL</PhysicalResourceId><ResourceType>${Type}</ResourceType><ResourceStatus>CREATE_COMPLETE</ResourceStatus><Timestamp>2026-01-01T00:00:00Z</Timestamp></member>`,
  );
  return `<StackResources>${members.join('')}</StackResources>`;
}

/** A bootstrapped account with the usual settings, without a hub. */
export const USUAL: Answers = {
  'sts:GetCallerIdentity': `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult><Arn>arn:aws:iam::${ACCOUNT}:user/ann</Arn><UserId>AIDAEXAMPLE</UserId><Account>${ACCOUNT}</Account></GetCallerIdentityResult><ResponseMetadata><RequestId>00000000-0000-0000-0000-000000000000</RequestId></ResponseMetadata></GetCallerIdentityResponse>`,
  'ssm:GetParameter':
    '{"Parameter":{"Name":"/cdk-bootstrap/hnb659fds/version","Type":"String","Value":"30","Version":1}}',
  'lambda:GetAccountSettings': lambdaSettings(1_000, 1_000),
  'apigateway:GetAccount': apiGatewaySettings(10_000, 5_000),
  'servicequotas:GetServiceQuota': snsQuota(9_000),
  'monitoring:ListDashboards': '{"DashboardEntries":[]}',
  'budgets:DescribeBudgets': '{"Budgets":[]}',
  'cloudfront:ListDistributions': distributions(1),
  'cloudfront:ListOriginAccessControls': list('OriginAccessControlList', []),
  'cloudfront:ListCachePolicies': cachePolicies(),
  'cloudfront:ListOriginRequestPolicies': list('OriginRequestPolicyList', []),
  'cloudfront:ListResponseHeadersPolicies': list('ResponseHeadersPolicyList', []),
  'cloudfront:ListFunctions': list('FunctionList', []),
  ...cloudFormation({}),
};

export interface Template {
  readonly Resources: Readonly<
    Record<string, { Type: string; DeletionPolicy?: string; Properties: Record<string, unknown> }>
  >;
}

export const resourcesOf = ({ Resources }: Template) => Object.values(Resources);

/** Returns a template of an assembly as if it was deployed. `edit` makes it an older one. */
export function templateIn(
  directory: string,
  stack: string,
  edit = (_: Template): void => undefined,
): string {
  const template: Template = JSON.parse(readFileSync(join(directory, `${stack}.template.json`), 'utf8'));
  edit(template);
  return JSON.stringify(template);
}
