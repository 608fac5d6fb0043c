/**
 * One consultation: who calls, what would be deployed, and all findings, printed.
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
  /** Where the assembly is; undefined if there is none. */
  readonly directory: string | undefined;
  /** True if a deployment would fail. */
  readonly hasFailed: boolean;
}

/** @throws Error with one sentence if there are no credentials or no Region, before anything is built */
export async function runDoctor(options: Options): Promise<DoctorResult> {
  const identity = await readIdentity();
  printIdentity(identity);
  const directory = await synthesize(options).catch((error: unknown) => {
    if (!(error instanceof TemplateRefused)) throw error;
    return error;
  });
  if (process.stderr.isTTY) process.stderr.write('asking AWS…\n\n');
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
