/**
 * One run of the doctor: prints the identity and all findings.
 * @module
 */
import { readAssembly } from './assembly.ts';
import { problemFinding } from './checks/region.ts';
import { readIdentity } from './identity.ts';
import type { Options } from './options.ts';
import { printFindings, printIdentity, summaryOf } from './print.ts';
import { runChecks } from './run-checks.ts';
import { synthesize, TemplateRefused } from './synthesize.ts';

export interface DoctorResult {
  /** The directory of the assembly; undefined if the template was refused. */
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
    hasFailed: findings.some(({ verdict }) => verdict === 'failure'),
  };
}
