/**
 * Checks whether CloudFront lets the account create a distribution. It refuses accounts that AWS has not verified. No API
 * tells whether an account is verified, but an account with a distribution is.
 * https://github.com/aws-samples/aws-cdk-examples/issues/279
 * @module
 */
import { CloudFrontClient, ListDistributionsCommand } from '@aws-sdk/client-cloudfront';
import { BOUNDED, callAws } from '../call.ts';
import { type Check, DISTRIBUTION, failure, fine, has, warning } from '../check.ts';

const SUBJECT = 'CloudFront';
const FIX =
  '-c tidings:edge=false deploys without it; AWS Support verifies an account within days (case: account and billing)';

/** Looks for a distribution in the account, and for a refusal at the last deployment. */
export const checkCloudFront: Check = async ({ assembly, deployed }) => {
  if (!has(assembly.stacks, DISTRIBUTION)) return [fine(SUBJECT, 'not used (tidings:edge=false)')];
  const refused = deployed.find(({ reason }) => reason.includes('must be verified'));
  if (refused) {
    const text = `the account is not verified: CloudFront refused the distribution of ${refused.name} at the last attempt`;
    return [failure(SUBJECT, text, `${FIX}; after that, npm run deploy -- --no-doctor tries again`)];
  }
  const { DistributionList } = await callAws('cloudfront:ListDistributions', () =>
    new CloudFrontClient(BOUNDED).send(new ListDistributionsCommand({ MaxItems: 1 })),
  );
  if ((DistributionList?.Quantity ?? 0) > 0)
    return [fine(SUBJECT, 'the account has a distribution, so it is verified')];
  const text =
    'the account has no distribution yet. If AWS has not verified it, CloudFront refuses the first one ("Your account must be verified ' +
    'before you can add new CloudFront resources"), and CloudFormation rolls the hub back; only a deployment shows whether it does';
  return [warning(SUBJECT, text, FIX)];
};
