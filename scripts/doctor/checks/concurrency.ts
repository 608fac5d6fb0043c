/**
 * The concurrent executions of Lambda that the account has, and that the hub would reserve.
 * @module
 */
import { GetAccountSettingsCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { reservedBy } from '../assembly.ts';
import { BOUNDED, callAws } from '../call.ts';
import { type Check, count, type Finding, failure, fine, warning } from '../check.ts';

const SUBJECT = 'Lambda concurrency';

/**
 * The concurrent executions that Lambda always leaves unreserved. An account with fewer can reserve nothing.
 * https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html
 * https://github.com/aws-samples/one-observability-demo/issues/278
 */
const ALWAYS_UNRESERVED = 100;

/**
 * The default quota. A new account may have less.
 * https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
 */
const USUAL = 1_000;

const raise = (to: number): string =>
  `aws service-quotas request-service-quota-increase --service-code lambda --quota-code L-B99A9384 --desired-value ${to}`;

/** Compares what the hub reserves with what the account has left. */
export const checkConcurrency: Check = async ({ identity, assembly, deployed }) => {
  const { AccountLimit = {} } = await callAws('lambda:GetAccountSettings', () =>
    new LambdaClient(BOUNDED).send(new GetAccountSettingsCommand({})),
  );
  const quota = AccountLimit.ConcurrentExecutions ?? 0;
  // The deployed hub already holds its reservations, and an update replaces them.
  const free =
    (AccountLimit.UnreservedConcurrentExecutions ?? 0) + reservedBy(deployed.filter(({ isLive }) => isLive));
  const wanted = reservedBy(assembly.stacks);
  return [wanted > 0 ? reservedFinding(wanted, quota, free) : sharedFinding(quota, free, identity.region)];
};

function reservedFinding(wanted: number, quota: number, free: number): Finding {
  const unreservable = Math.min(ALWAYS_UNRESERVED, quota);
  const room = Math.max(0, free - unreservable);
  if (wanted <= room)
    return fine(
      SUBJECT,
      `${wanted} of the account's ${count(quota)} are reserved, and ${count(free - wanted)} are left`,
    );
  const text =
    `tidings:maxHolds and tidings:maxStreams reserve ${wanted}. The account has ${count(quota)}, of which ${count(free)} are ` +
    `unreserved, and Lambda keeps ${unreservable} of those: ${room} can be reserved. CloudFormation rolls the hub back`;
  const fix = `-c tidings:maxHolds=0 -c tidings:maxStreams=0 reserves nothing; or ${raise(Math.max(USUAL, quota + wanted - room))}`;
  return failure(SUBJECT, text, fix);
}

function sharedFinding(quota: number, free: number, region: string): Finding {
  if (free >= ALWAYS_UNRESERVED)
    return fine(
      SUBJECT,
      `nothing is reserved, and the account has ${count(free)} for all functions in ${region}`,
    );
  const text =
    `the account has ${count(quota)} concurrent executions in ${region}, ${count(free)} of them unreserved. A held request takes ` +
    `one while it waits, so ${count(free)} held requests leave none for publishers`;
  return warning(SUBJECT, text, raise(Math.max(USUAL, quota)));
}
