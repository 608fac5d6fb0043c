/**
 * The publish quota of SNS, for the account in the Region. The hub sends one message to its topic for each publish.
 * @module
 */
import {
  GetAWSDefaultServiceQuotaCommand,
  GetServiceQuotaCommand,
  NoSuchResourceException,
  ServiceQuotasClient,
} from '@aws-sdk/client-service-quotas';
import { ratesOf } from '../assembly.ts';
import { BOUNDED, callAws } from '../call.ts';
import { type Check, count, fine, warning } from '../check.ts';

const SUBJECT = 'SNS publish quota';
/** "Messages Published per Second". https://github.com/brennerm/aws-quota-checker/blob/master/aws_quota/check/sns.py */
const QUOTA = 'L-F8E2BA85';

const DEFAULT_IN_MOST = 300;

/** The route on which clients publish. Its rate is `tidings:publishesPerSecond`. */
const PUBLISH_ROUTE = 'ANY /channels/{channel+}';

/** Compares the quota with the rate of publishes. */
export const checkSns: Check = async ({ identity, assembly }) => {
  const rate = ratesOf(assembly.stacks).find(({ route }) => route === PUBLISH_ROUTE)?.rate ?? 0;
  const quota = (await applied()) ?? (await byDefault());
  const has = `${count(quota)} messages a second in ${identity.region}, for the whole account; tidings:publishesPerSecond is ${count(rate)}`;
  if (quota >= rate) return [fine(SUBJECT, has)];
  const text =
    `${has}. Above the quota the hub sends hints to its own queues directly; your own subscribers of its topic get them later, and ` +
    'other topics of the account are throttled';
  const fix =
    `-c tidings:publishesPerSecond=${quota}, or aws service-quotas request-service-quota-increase --service-code sns ` +
    `--quota-code ${QUOTA} --desired-value ${rate}`;
  return [warning(SUBJECT, text, fix)];
};

const WHICH = { ServiceCode: 'sns', QuotaCode: QUOTA };

/** Returns the quota of this account. Undefined if it was never changed. */
async function applied(): Promise<number | undefined> {
  try {
    const { Quota } = await callAws('servicequotas:GetServiceQuota', () =>
      new ServiceQuotasClient(BOUNDED).send(new GetServiceQuotaCommand(WHICH)),
    );
    return Quota?.Value;
  } catch (error) {
    if (error instanceof NoSuchResourceException) return undefined;
    throw error;
  }
}

/** Returns the default quota in this Region: 300 in most. https://docs.aws.amazon.com/general/latest/gr/sns.html#limits_sns */
async function byDefault(): Promise<number> {
  const { Quota } = await callAws('servicequotas:GetAWSDefaultServiceQuota', () =>
    new ServiceQuotasClient(BOUNDED).send(new GetAWSDefaultServiceQuotaCommand(WHICH)),
  );
  return Quota?.Value ?? DEFAULT_IN_MOST;
}
