/**
 * All checks, of which each only reads: nothing is created, changed or deleted.
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

/** By what each is about, for a check that cannot be made. */
const OF_ACCOUNT: Readonly<Record<string, Check>> = {
  Region: checkRegion,
  bootstrap: checkBootstrap,
  'Lambda concurrency': checkConcurrency,
  CloudFront: checkCloudFront,
  'API Gateway quota': checkApiGateway,
  'SNS publish quota': checkSns,
};

/** They compare with what is deployed, so they say nothing where that cannot be read. */
const OF_STACKS: Readonly<Record<string, Check>> = {
  stacks: checkStacks,
  names: checkNames,
  update: checkUpdate,
};

/** Makes all checks at the same time; the findings come in one order. */
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

/** What could not be found out is no reason to refuse a deployment. */
function unknown(subject: string, error: unknown): Finding {
  if (error instanceof AccessDenied)
    return warning(
      subject,
      `is not known: ${error.message}`,
      `allow ${error.action} (docs/deploy.md lists what the doctor reads)`,
    );
  const reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return warning(subject, `is not known: ${reason}`, 'run it again');
}
