/**
 * Runs all checks. A check only reads.
 * @module
 */

import type { Assembly } from './assembly.ts';
import { AccessDenied } from './call.ts';
import type { Check, CheckInput } from './check.ts';
import { checkApiGateway } from './checks/api-gateway.ts';
import { checkBootstrap } from './checks/bootstrap.ts';
import { checkCloudFront } from './checks/cloudfront.ts';
import { checkConcurrency } from './checks/concurrency.ts';
import { checkNames } from './checks/names.ts';
import { checkRegion } from './checks/region.ts';
import { checkSns } from './checks/sns.ts';
import { checkStacks } from './checks/stacks.ts';
import { checkUpdate } from './checks/update.ts';
import { readDeployed } from './deployed.ts';
import { type Finding, warning } from './finding.ts';
import type { Identity } from './identity.ts';

/** By subject, which names a check that fails with an error. */
const OF_ACCOUNT: Readonly<Record<string, Check>> = {
  Region: checkRegion,
  bootstrap: checkBootstrap,
  'Lambda concurrency': checkConcurrency,
  CloudFront: checkCloudFront,
  'API Gateway quota': checkApiGateway,
  'SNS publish quota': checkSns,
};

/** Checks that compare with the deployed stacks. They do not run if those cannot be read. */
const OF_STACKS: Readonly<Record<string, Check>> = {
  stacks: checkStacks,
  names: checkNames,
  update: checkUpdate,
};

/** Runs all checks at the same time. Returns the findings in the order of the checks. */
export async function runChecks(identity: Identity, assembly: Assembly): Promise<readonly Finding[]> {
  const unread: Finding[] = [];
  const deployed = await readDeployed(assembly).catch((error: unknown) => {
    unread.push(unknown('stacks', error));
    return undefined;
  });
  const checks = { ...OF_ACCOUNT, ...(deployed === undefined ? {} : OF_STACKS) };
  const input = { identity, assembly, deployed: deployed ?? [] };
  const found = await Promise.all(Object.entries(checks).map((check) => runCheck(check, input)));
  return [...found.flat(), ...unread];
}

async function runCheck([subject, check]: [string, Check], input: CheckInput): Promise<readonly Finding[]> {
  try {
    return await check(input);
  } catch (error) {
    return [unknown(subject, error)];
  }
}

/** Returns a warning for a check that could not be made: that alone does not stop a deployment. */
function unknown(subject: string, error: unknown): Finding {
  if (error instanceof AccessDenied)
    return warning(
      subject,
      `could not be checked: ${error.message}`,
      `allow ${error.action} (docs/deploy.md lists what the doctor reads)`,
    );
  const reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return warning(subject, `could not be checked: ${reason}`, 'run it again');
}
