/**
 * One run of the doctor: prints the identity and all findings.
 * @module
 */
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
  const identity = await readIdentity();
  printIdentity(identity);
  const directory = await synthesize(options).catch((error: unknown) => {
    if (!(error instanceof TemplateRefused)) throw error;
    return error;
  });
  if (process.stderr.isTTY) process.stderr.write('calling AWS…\n\n');
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
  const deployed = await readDeployed(assembly).catch((error: unknown) => {
    unread.push(uncheckedFinding('stacks', error));
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
