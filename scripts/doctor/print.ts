/**
 * Prints findings, one per line. A warning or a failure has a second line that tells how to fix it.
 * @module
 */

import { styleText } from 'node:util';
import type { Finding } from './check.ts';
import type { Identity } from './identity.ts';

const COLOURS = { fine: 'green', warning: 'yellow', failure: 'red' } as const;
const WIDTH = Math.max(...Object.keys(COLOURS).map((level) => level.length));

/** Prints the account, the Region and the identity. */
export function printIdentity({ account, arn, region }: Identity): void {
  process.stdout.write(`account ${account} in ${region}, as ${arn}\n\n`);
}

/** Prints the findings, in colours on a terminal without NO_COLOR. */
export function printFindings(findings: readonly Finding[]): void {
  for (const { level, subject, text, fix } of findings) {
    const word = styleText(COLOURS[level], level.padEnd(WIDTH), { stream: process.stdout });
    process.stdout.write(`${word}  ${subject}: ${text}\n`);
    if (fix !== undefined) process.stdout.write(`${' '.repeat(WIDTH)}  → ${fix}\n`);
  }
}

/** Returns `10 fine, 1 warning, 1 failure`. */
export function summaryOf(findings: readonly Finding[]): string {
  const count = (level: Finding['level']) => findings.filter((finding) => finding.level === level).length;
  const [warnings, failures] = [count('warning'), count('failure')];
  return [
    `${count('fine')} fine`,
    `${warnings} ${warnings === 1 ? 'warning' : 'warnings'}`,
    `${failures} ${failures === 1 ? 'failure' : 'failures'}`,
  ].join(', ');
}
