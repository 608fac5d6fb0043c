/**
 * Runs the doctor in an account with recorded answers: as a process, or in this one.
 * @module
 */
import { resolve } from 'node:path';
import { vi } from 'vitest';
import { parseOptions } from '../../../scripts/doctor/options.ts';
import { runDoctor } from '../../../scripts/doctor/run.ts';
import { type Answers, startRecordedAws } from '../deployed/aws.ts';
import { runIn } from '../support.ts';

export interface Said {
  readonly code: number | null;
  readonly output: string;
  /** The operations that it called. */
  readonly asked: ReadonlySet<string>;
}

/** Returns the path of the file with the expected output. */
export const shown = (name: string): string => resolve(import.meta.dirname, `${name}.txt`);

/** Runs `npm run doctor`. */
export async function askDoctor(
  cwd: string,
  region: string,
  answers: Answers,
  ...args: readonly string[]
): Promise<Said> {
  const aws = await startRecordedAws(region, answers);
  const command = runIn({ cwd, env: aws.env }, 'scripts/doctor.ts', ...args);
  const code = await command.ended;
  aws.close();
  return { code, output: command.output(), asked: aws.asked };
}

/**
 * Runs the doctor on an assembly in this process, which loads the SDK once. The exit code is 1 if a deployment would fail, as of
 * the command.
 */
export async function examine(region: string, answers: Answers, assembly: string): Promise<Said> {
  const aws = await startRecordedAws(region, answers);
  const before = process.env;
  let output = '';
  const print = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    output += String(text);
    return true;
  });
  process.env = aws.env;
  try {
    const { hasFailed } = await runDoctor(parseOptions(['--app', assembly]));
    return { code: hasFailed ? 1 : 0, output, asked: aws.asked };
  } finally {
    process.env = before;
    print.mockRestore();
    aws.close();
  }
}
