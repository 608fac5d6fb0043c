/**
 * The publish quota of SNS: messages a second to standard topics, for an account in a Region, `Publish` and the messages of
 * `PublishBatch` together. It is one that AWS raises on request; these are the defaults.
 * @see https://docs.aws.amazon.com/general/latest/gr/sns.html
 * @module
 */
import type { AwsRequest } from './aws-requests.ts';
import { bucket } from './bucket.ts';

export const DEFAULT_REGION = 'us-east-1';

const BY_REGION: Readonly<Record<string, number>> = {
  'us-east-1': 30_000,
  'us-west-2': 9_000,
  'eu-west-1': 9_000,
  'us-east-2': 1_500,
  'us-west-1': 1_500,
  'ap-south-1': 1_500,
  'ap-northeast-2': 1_500,
  'ap-southeast-1': 1_500,
  'ap-southeast-2': 1_500,
  'ap-northeast-1': 1_500,
  'eu-central-1': 1_500,
};
const IN_ALL_OTHERS = 300;

/** True for `eu-west-3` or `us-gov-west-1`, whether or not there is such a Region. */
export const isRegion = (name: string): boolean => /^[a-z]{2}(-[a-z]+)+-\d$/.test(name);

/**
 * What SNS says then; the SDK also knows the code `Throttled` with status 429, which its model has.
 * @see https://repost.aws/knowledge-center/sns-throttling-exception-errors
 */
export const RATE_EXCEEDED = { status: 400, type: 'ThrottlingException', message: 'Rate exceeded' };

const ENTRY = /^PublishBatchRequestEntries\.member\.\d+\.Id$/;

/**
 * Returns what lets requests of SNS through until the quota of the Region is used up. How large a burst AWS lets through is
 * not documented: here it is what a second has.
 * @throws Error for what is no name of a Region
 */
export function publishQuota(region: string, now?: () => number): (asked: AwsRequest) => boolean {
  if (!isRegion(region)) throw new Error(`region is ${region}, it must be one such as eu-west-3`);
  const quota = BY_REGION[region] ?? IN_ALL_OTHERS;
  const take = bucket(quota, quota, now);
  return ({ operation, input }) => {
    if (operation === 'Publish') return take();
    if (operation !== 'PublishBatch') return true;
    return take(Object.keys(input).filter((name) => ENTRY.test(name)).length);
  };
}
