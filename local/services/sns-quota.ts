/**
 * The publish quota of SNS: messages per second to the standard topics of an account in a Region. Each message of a
 * `PublishBatch` counts like a `Publish`. These are the defaults; AWS raises the quota on request.
 * @see https://docs.aws.amazon.com/general/latest/gr/sns.html
 * @module
 */

import { bucket } from '../apigateway/token-bucket.ts';
import type { AwsRequest } from './aws-requests.ts';

/** The Region with the highest quota. */
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

/** Returns true for a name that looks like a Region, such as `eu-west-3` or `us-gov-west-1`. */
export const isRegion = (name: string): boolean => /^[a-z]{2}(-[a-z]+)+-\d$/.test(name);

/**
 * The error of SNS above the quota. The SDK also knows `Throttled` with status 429.
 * @see https://repost.aws/knowledge-center/sns-throttling-exception-errors
 */
export const RATE_EXCEEDED = { status: 400, type: 'ThrottlingException', message: 'Rate exceeded' };

const ENTRY = /^PublishBatchRequestEntries\.member\.\d+\.Id$/;

/**
 * Returns a function that counts calls of SNS, and returns false above the quota of the Region. AWS does not document the burst:
 * here it is the quota of one second.
 * @param now monotonic clock in milliseconds
 * @throws Error if the name does not look like a Region
 */
export function publishQuota(region: string, now?: () => number): (call: AwsRequest) => boolean {
  if (!isRegion(region)) throw new Error(`region is ${region}, it must be one such as eu-west-3`);
  const quota = BY_REGION[region] ?? IN_ALL_OTHERS;
  const take = bucket(quota, quota, now);
  return ({ operation, input }) => {
    if (operation === 'Publish') return take();
    if (operation !== 'PublishBatch') return true;
    return take(Object.keys(input).filter((name) => ENTRY.test(name)).length);
  };
}
