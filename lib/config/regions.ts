/**
 * Services that some Regions do not have. CloudFormation would fail minutes into a deployment and roll everything back; this list
 * lets the template and the doctor refuse before anything is created. It does not need the CDK, so that scripts can use it.
 *
 * The lists are those of the resource types that CloudFormation has in each Region.
 * https://github.com/aws-cloudformation/cfn-lint/tree/v1.51.0/src/cfnlint/data/schemas/providers
 * @module
 */
import type { Config } from './config.ts';

/** A service that the hub needs and that some Regions lack. */
export type RegionalService = 'functionUrls' | 'edge' | 'budgets';

/** GovCloud has no CloudFront. China has it without functions and without origin access control. */
const CHINA = ['cn-north-1', 'cn-northwest-1'];
const GOV_CLOUD = ['us-gov-east-1', 'us-gov-west-1'];

const WITHOUT: Readonly<Record<RegionalService, readonly string[]>> = {
  /** Also, for most of them: https://docs.aws.amazon.com/lambda/latest/dg/lambda-urls.html */
  functionUrls: [
    'ap-east-2',
    'ap-south-2',
    'ap-southeast-4',
    'ap-southeast-5',
    'ap-southeast-6',
    'ap-southeast-7',
    'ca-west-1',
    'cn-northwest-1',
    'eu-central-2',
    'eu-south-2',
    'il-central-1',
    'me-central-1',
    'mx-central-1',
    ...GOV_CLOUD,
  ],
  edge: [...CHINA, ...GOV_CLOUD],
  budgets: [
    'af-south-1',
    'ap-east-1',
    'ap-east-2',
    'ap-northeast-3',
    'ap-south-2',
    'ap-southeast-3',
    'ap-southeast-4',
    'ap-southeast-5',
    'ap-southeast-6',
    'ap-southeast-7',
    'ca-west-1',
    'eu-central-2',
    'eu-north-1',
    'eu-south-1',
    'eu-south-2',
    'il-central-1',
    'me-central-1',
    'me-south-1',
    'mx-central-1',
    ...GOV_CLOUD,
  ],
};

/** Returns the Regions that are known to lack a service. */
export const regionsWithout = (service: RegionalService): readonly string[] => WITHOUT[service];

/** Returns true if the Region is known to lack the service, false also for a Region that is new. */
export const lacks = (service: RegionalService, region: string): boolean => WITHOUT[service].includes(region);

/**
 * Returns why a hub with these options cannot be deployed to a Region: for each missing service a text that says what
 * needs it, which Regions do not have it, and what to do. Empty if no service is known to be missing.
 * @param asProps true for options that are props of a construct, false for context keys
 */
export function regionProblems(
  { edge, monthlyBudget }: Pick<Config, 'edge' | 'monthlyBudget'>,
  region: string,
  asProps = false,
): readonly string[] {
  const elsewhere = asProps ? 'Deploy the stack to another Region' : 'Set AWS_REGION to another Region';
  const missing = (service: RegionalService, needed: boolean, what: string, cure: string): string[] =>
    needed && lacks(service, region)
      ? [`Region ${region} has no ${what}. It is missing in ${regionsWithout(service).join(', ')}. ${cure}`]
      : [];
  return [
    ...missing(
      'functionUrls',
      true,
      'AWS::Lambda::Url, which Server-Sent Events need',
      `${elsewhere}: no option leaves it out.`,
    ),
    ...missing(
      'edge',
      edge,
      'AWS::CloudFront::Function, which the front door needs',
      `${elsewhere}, or leave the front door out: ${asProps ? 'edge: false' : '-c tidings:edge=false'}.`,
    ),
    ...missing(
      'budgets',
      monthlyBudget > 0,
      'AWS::Budgets::Budget, which tidings:monthlyBudget needs',
      `${elsewhere}, or leave the budget out${asProps ? '.' : ': -c tidings:monthlyBudget=0 -c tidings:budgetEmail='}`,
    ),
  ];
}
