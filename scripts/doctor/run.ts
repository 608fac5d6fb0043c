/**
 * One run of the doctor: prints the identity and all findings.
 * @module
 */

import { waitFor } from '../terminal/waiting.ts';
import { type Assembly, readAssembly } from './assembly.ts';
import { AccessDenied } from './call.ts';
import { type Check, type CheckInput, type Finding, warning } from './check.ts';
import { checkApiGateway } from './checks/api-gateway.ts';
import { checkBootstrap } from './checks/bootstrap.ts';
import { checkCloudFront } from './checks/cloudfront.ts';
import { checkConcurrency } from './checks/concurrency.ts';
import { checkNames } from './checks/names.ts';
import { checkRegion, problemFinding } from './checks/region.ts';
import { checkSns } from './checks/sns.ts';
import { checkStacks } from './checks/stacks.ts';
import { checkUpdate } from './checks/update.ts';
import { readDeployed } from './deployed.ts';
import { type Identity, readIdentity } from './identity.ts';
import type { Options } from './options.ts';
import { printFindings, printIdentity, summaryOf } from './print.ts';
import { synthesize, TemplateRefused } from './synthesize.ts';

/** The result of one run. */
export interface DoctorResult {
  /** The directory of the assembly. Undefined if the template was refused. */
  readonly directory: string | undefined;
  /** True if a deployment would fail. */
  readonly hasFailed: boolean;
}

/**
 * Builds the template, runs all checks, and prints the findings.
 * @throws Error with one sentence if there are no credentials or no Region, before the template is built
 */
export async function runDoctor(options: Options): Promise<DoctorResult> {
  const identity = await waitFor('asking AWS which account this is', readIdentity());
  printIdentity(identity);
  const directory = await synthesize(options).catch((error: unknown) => {
    if (!(error instanceof TemplateRefused)) throw error;
    return error;
  });
  const findings =
    directory instanceof TemplateRefused
      ? directory.message.split('\n').map(problemFinding)
      : await runChecks(identity, readAssembly(directory));
  printFindings(findings);
  process.stdout.write(`\n${summaryOf(findings)}\n`);
  return {
    directory: directory instanceof TemplateRefused ? undefined : directory,
    hasFailed: findings.some(({ level }) => level === 'failure'),
  };
}

/** The checks of the account, by subject. The subject names a check that fails with an error. */
const OF_ACCOUNT: Readonly<Record<string, Check>> = {
  Region: checkRegion,
  bootstrap: checkBootstrap,
  'Lambda concurrency': checkConcurrency,
  CloudFront: checkCloudFront,
  'API Gateway quota': checkApiGateway,
  'SNS publish quota': checkSns,
};

/** The checks that compare with the deployed stacks. They do not run if the stacks cannot be read. */
const OF_STACKS: Readonly<Record<string, Check>> = {
  stacks: checkStacks,
  names: checkNames,
  update: checkUpdate,
};

/** Runs all checks at the same time. Returns the findings in the order of the checks. */
export async function runChecks(identity: Identity, assembly: Assembly): Promise<readonly Finding[]> {
  const unread: Finding[] = [];
  const deployed = await waitFor('reading the deployed stacks', readDeployed(assembly)).catch(
    (error: unknown) => {
      unread.push(uncheckedFinding('stacks', error));
      return undefined;
    },
  );
  const checks = { ...OF_ACCOUNT, ...(deployed === undefined ? {} : OF_STACKS) };
  const input = { identity, assembly, deployed: deployed ?? [] };
  let done = 0;
  const counted = async (check: [string, Check]): Promise<readonly Finding[]> => {
    const findings = await runCheck(check, input);
    done += 1;
    return findings;
  };
  const all = Object.entries(checks);
  const howFar = (): string => `${done} of ${all.length} done`;
  const found = await waitFor('checking the account', Promise.all(all.map(counted)), { howFar });
  return [...found.flat(), ...unread];
}

async function runCheck([subject, check]: [string, Check], input: CheckInput): Promise<readonly Finding[]> {
  try {
    return await check(input);
  } catch (error) {
    return [uncheckedFinding(subject, error)];
  }
}

/** Returns a warning for a check that could not run. It does not stop a deployment. */
function uncheckedFinding(subject: string, error: unknown): Finding {
  if (error instanceof AccessDenied)
    return warning(
      subject,
      `could not be checked: ${error.message}`,
      `allow ${error.action} (docs/deploy.md lists what the doctor reads)`,
    );
  const reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return warning(subject, `could not be checked: ${reason}`, 'run it again');
}
