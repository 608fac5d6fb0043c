/**
 * One consultation: who calls, what would be deployed, and all findings, printed.
 * @module
 */
import { readAssembly } from './assembly.ts';
import { problemFinding } from './checks/region.ts';
import { examine } from './examine.ts';
import type { Options } from './options.ts';
import { printFindings, printWho, summaryOf } from './print.ts';
import { Refused, synthesize } from './synthesize.ts';
import { whoAmI } from './who.ts';

export interface Consultation {
  /** Where the assembly is; undefined if there is none. */
  readonly directory: string | undefined;
  /** True if a deployment would fail. */
  readonly hasFailed: boolean;
}

/** @throws Error with one sentence if there are no credentials or no Region, before anything is built */
export async function consult(options: Options): Promise<Consultation> {
  const who = await whoAmI();
  printWho(who);
  const directory = await synthesize(options).catch((error: unknown) => {
    if (!(error instanceof Refused)) throw error;
    return error;
  });
  if (process.stderr.isTTY) process.stderr.write('asking AWS…\n\n');
  const findings =
    directory instanceof Refused
      ? directory.message.split('\n').map(problemFinding)
      : await examine(who, readAssembly(directory));
  printFindings(findings);
  process.stdout.write(`\n${summaryOf(findings)}\n`);
  return {
    directory: directory instanceof Refused ? undefined : directory,
    hasFailed: findings.some(({ verdict }) => verdict === 'failure'),
  };
}
