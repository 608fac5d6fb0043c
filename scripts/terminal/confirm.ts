/**
 * The question before something is lost for good.
 * @module
 */
import { createInterface } from 'node:readline/promises';
import { UsageError } from '../cli.ts';
import { printable } from './printable.ts';

/**
 * Asks on a terminal. Without a terminal nobody can answer, so the command needs `--yes`.
 * @param question what is lost, as a question
 * @throws UsageError without a terminal
 * @throws Error if the answer is not yes
 */
export async function confirm(question: string, isSure: boolean): Promise<void> {
  if (isSure) return;
  if (!process.stdin.isTTY || !process.stderr.isTTY)
    throw new UsageError(`${question} Nobody can answer here: --yes does it without the question`);
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await terminal.question(`${printable(question)} Type yes: `);
    if (!/^y(es)?$/i.test(answer.trim())) throw new Error('nothing was changed');
  } finally {
    terminal.close();
  }
}
