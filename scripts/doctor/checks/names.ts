/**
 * Names that must be unique in the account. If another resource has the name, CloudFormation cannot create ours.
 * @module
 */
import { BudgetsClient, DescribeBudgetsCommand } from '@aws-sdk/client-budgets';
import {
  CloudFrontClient,
  ListCachePoliciesCommand,
  ListFunctionsCommand,
  ListOriginAccessControlsCommand,
  ListOriginRequestPoliciesCommand,
  ListResponseHeadersPoliciesCommand,
} from '@aws-sdk/client-cloudfront';
import { CloudWatchClient, ListDashboardsCommand } from '@aws-sdk/client-cloudwatch';
import { type Fields, fieldsOf } from '../../../protocol/fields.ts';
import { resourcesOf } from '../assembly.ts';
import { BOUNDED, callAws } from '../call.ts';
import { type Check, type CheckInput, type Finding, failure, fine } from '../check.ts';
import type { Identity } from '../identity.ts';

interface Kind {
  readonly type: string;
  readonly what: string;
  /** Returns the name in the properties of a resource. It may contain references. */
  readonly nameIn: (properties: Fields) => unknown;
  /** Returns the names that are in use. */
  readonly taken: (identity: Identity) => Promise<readonly (string | undefined)[]>;
}

/**
 * One page holds all that an account may have of each kind, by default.
 * https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/cloudfront-limits.html
 */
const PAGE = { MaxItems: 100 };
const cloudFront = () => new CloudFrontClient(BOUNDED);

const KINDS: readonly Kind[] = [
  {
    type: 'AWS::CloudWatch::Dashboard',
    what: 'dashboard',
    nameIn: ({ DashboardName }) => DashboardName,
    taken: async () => {
      const { DashboardEntries = [] } = await callAws('cloudwatch:ListDashboards', () =>
        new CloudWatchClient(BOUNDED).send(new ListDashboardsCommand({ DashboardNamePrefix: 'tidings-' })),
      );
      return DashboardEntries.map(({ DashboardName }) => DashboardName);
    },
  },
  {
    type: 'AWS::Budgets::Budget',
    what: 'budget',
    nameIn: ({ Budget }) => fieldsOf(Budget).BudgetName,
    taken: async ({ account }) => {
      const { Budgets = [] } = await callAws('budgets:ViewBudget', () =>
        new BudgetsClient(BOUNDED).send(new DescribeBudgetsCommand({ AccountId: account })),
      );
      return Budgets.map(({ BudgetName }) => BudgetName);
    },
  },
  {
    type: 'AWS::CloudFront::OriginAccessControl',
    what: 'origin access control',
    nameIn: ({ OriginAccessControlConfig }) => fieldsOf(OriginAccessControlConfig).Name,
    taken: async () => {
      const { OriginAccessControlList } = await callAws('cloudfront:ListOriginAccessControls', () =>
        cloudFront().send(new ListOriginAccessControlsCommand(PAGE)),
      );
      return (OriginAccessControlList?.Items ?? []).map(({ Name }) => Name);
    },
  },
  {
    type: 'AWS::CloudFront::CachePolicy',
    what: 'cache policy',
    nameIn: ({ CachePolicyConfig }) => fieldsOf(CachePolicyConfig).Name,
    taken: async () => {
      const { CachePolicyList } = await callAws('cloudfront:ListCachePolicies', () =>
        cloudFront().send(new ListCachePoliciesCommand({ ...PAGE, Type: 'custom' })),
      );
      return (CachePolicyList?.Items ?? []).map(({ CachePolicy }) => CachePolicy?.CachePolicyConfig?.Name);
    },
  },
  {
    type: 'AWS::CloudFront::OriginRequestPolicy',
    what: 'origin request policy',
    nameIn: ({ OriginRequestPolicyConfig }) => fieldsOf(OriginRequestPolicyConfig).Name,
    taken: async () => {
      const { OriginRequestPolicyList } = await callAws('cloudfront:ListOriginRequestPolicies', () =>
        cloudFront().send(new ListOriginRequestPoliciesCommand({ ...PAGE, Type: 'custom' })),
      );
      return (OriginRequestPolicyList?.Items ?? []).map(
        ({ OriginRequestPolicy }) => OriginRequestPolicy?.OriginRequestPolicyConfig?.Name,
      );
    },
  },
  {
    type: 'AWS::CloudFront::ResponseHeadersPolicy',
    what: 'response headers policy',
    nameIn: ({ ResponseHeadersPolicyConfig }) => fieldsOf(ResponseHeadersPolicyConfig).Name,
    taken: async () => {
      const { ResponseHeadersPolicyList } = await callAws('cloudfront:ListResponseHeadersPolicies', () =>
        cloudFront().send(new ListResponseHeadersPoliciesCommand({ ...PAGE, Type: 'custom' })),
      );
      return (ResponseHeadersPolicyList?.Items ?? []).map(
        ({ ResponseHeadersPolicy }) => ResponseHeadersPolicy?.ResponseHeadersPolicyConfig?.Name,
      );
    },
  },
  {
    type: 'AWS::CloudFront::Function',
    what: 'CloudFront function',
    nameIn: ({ Name }) => Name,
    taken: async () => {
      const { FunctionList } = await callAws('cloudfront:ListFunctions', () =>
        cloudFront().send(new ListFunctionsCommand(PAGE)),
      );
      return (FunctionList?.Items ?? []).map(({ Name }) => Name);
    },
  },
];

const SUBJECT = 'names';

/** Looks for the names of the hub among the resources of the account. */
export const checkNames: Check = async (input) => {
  const clashes = await Promise.all(KINDS.map((kind) => clashesOf(kind, input)));
  return clashes.flat().length > 0
    ? clashes.flat()
    : [fine(SUBJECT, 'no other resource in the account has a name of this hub')];
};

async function clashesOf(kind: Kind, input: CheckInput): Promise<readonly Finding[]> {
  const names = newNames(kind, input);
  if (names.length === 0) return [];
  const taken = await kind.taken(input.identity);
  return names
    .filter((name) => taken.includes(name))
    .map((name) =>
      failure(
        SUBJECT,
        `the account has another ${kind.what} "${name}", so CloudFormation cannot create it and rolls the hub back`,
        `delete that ${kind.what} if nothing uses it, or choose another stage: -c tidings:stage=NAME`,
      ),
    );
}

/** Returns the names that a deployment would add: the names of the template that the deployed stacks do not have. */
function newNames(kind: Kind, { assembly, deployed, identity }: CheckInput): readonly string[] {
  return assembly.stacks.flatMap((stack) => {
    const old = deployed.filter(({ name, isLive }) => name === stack.name && isLive);
    const namesIn = (stacks: typeof old | [typeof stack]) =>
      resourcesOf(stacks, kind.type).map(({ properties }) =>
        resolve(kind.nameIn(properties), stack.name, identity),
      );
    const known = namesIn(old);
    return namesIn([stack]).filter((name) => name !== '' && !known.includes(name));
  });
}

/** Returns the name in a template, or '' if it refers to anything but pseudo parameters. */
function resolve(value: unknown, stack: string, { account, region }: Identity): string {
  if (typeof value === 'string') return value;
  const { Ref, 'Fn::Join': join } = fieldsOf(value);
  const pseudo: Readonly<Record<string, string>> = {
    'AWS::AccountId': account,
    'AWS::Region': region,
    'AWS::StackName': stack,
  };
  if (typeof Ref === 'string') return pseudo[Ref] ?? '';
  if (!Array.isArray(join) || !Array.isArray(join[1])) return '';
  const parts = join[1].map((part) => resolve(part, stack, { account, region, arn: '' }));
  return parts.includes('') ? '' : parts.join(String(join[0]));
}
