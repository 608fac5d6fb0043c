/**
 * Runs `npm run doctor` as a process, in an account with recorded answers.
 * @module
 */
import { resolve } from 'node:path';
import { type Answers, startRecordedAws } from './aws.ts';
import { runIn } from './support.ts';

export interface Said {
  readonly code: number | null;
  readonly output: string;
  /** The operations that it called. */
  readonly asked: ReadonlySet<string>;
}

/** Returns the path of the file with the expected output. */
export const shown = (name: string): string => resolve(import.meta.dirname, 'doctor', `${name}.txt`);

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
