/**
 * How many hints SNS takes: each publish is hinted at, and the quota is the account's in the Region.
 * @module
 */
import { GetServiceQuotaCommand, ServiceQuotasClient } from '@aws-sdk/client-service-quotas';
import { ask, BOUNDED } from '../ask.ts';
import { ratesOf } from '../assembly.ts';
import { fine, warning } from '../finding.ts';
import type { Check } from '../situation.ts';

const ABOUT = 'SNS publish quota';
/** "Messages Published per Second". https://github.com/awslabs/aws-quota-checker (aws_quota/check/sns.py) */
const QUOTA = 'L-F8E2BA85';

/** Defaults, messages a second. https://docs.aws.amazon.com/general/latest/gr/sns.html#limits_sns */
const DEFAULTS: Readonly<Record<string, number>> = {
  'us-east-1': 30_000,
  'us-west-2': 9_000,
  'eu-west-1': 9_000,
  'us-east-2': 1_500,
  'us-west-1': 1_500,
  'ap-south-1': 1_500,
  'ap-northeast-1': 1_500,
  'ap-northeast-2': 1_500,
  'ap-southeast-1': 1_500,
  'ap-southeast-2': 1_500,
  'eu-central-1': 1_500,
};
const DEFAULT_ELSEWHERE = 300;

/** The route of publishers: its rate is `tidings:publishesPerSecond`. */
const PUBLISH_ROUTE = 'ANY /channels/{channel+}';

export const checkSns: Check = async ({ who, assembly }) => {
  const rate = ratesOf(assembly.stacks).find(({ route }) => route === PUBLISH_ROUTE)?.rate ?? 0;
  const applied = await appliedQuota();
  const quota = applied ?? DEFAULTS[who.region] ?? DEFAULT_ELSEWHERE;
  const source = applied === undefined ? ', by default' : '';
  if (quota >= rate)
    return [
      fine(
        ABOUT,
        `${count(quota)} messages a second in ${who.region}${source}; tidings:publishesPerSecond is ${count(rate)}`,
      ),
    ];
  const says =
    `${count(quota)} messages a second for the whole account in ${who.region}${source}, and tidings:publishesPerSecond is ${count(rate)}. ` +
    'A publish beyond that is stored, answered 503 and to be repeated with its Idempotency-Key';
  const cure =
    `-c tidings:publishesPerSecond=${quota}, or aws service-quotas request-service-quota-increase --service-code sns ` +
    `--quota-code ${QUOTA} --desired-value ${rate}`;
  return [warning(ABOUT, says, cure)];
};

/** The account's own value, where Service Quotas knows one. */
async function appliedQuota(): Promise<number | undefined> {
  try {
    const { Quota } = await ask('servicequotas:GetServiceQuota', () =>
      new ServiceQuotasClient(BOUNDED).send(
        new GetServiceQuotaCommand({ ServiceCode: 'sns', QuotaCode: QUOTA }),
      ),
    );
    return Quota?.Value;
  } catch (error) {
    if (error instanceof Error && error.name === 'NoSuchResourceException') return undefined;
    throw error;
  }
}

const count = (number: number): string => number.toLocaleString('en');
