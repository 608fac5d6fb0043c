/**
 * The threats of test/threats.json, each with the tests that prove it harmless, or the reason why it is none here
 * (SECURITY.md). A test that is named and was not run proves nothing.
 * @module
 */
import { readFileSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import { fieldsOf } from '../../protocol/fields.ts';
import type { TestCounts } from './conformance.ts';

const FILE = resolve('test/threats.json');

interface Threat {
  readonly id: string;
  readonly threat: string;
  /** Each is a file, and after `: ` what the names of the tests meant begin with; without that all of the file. */
  readonly tests: readonly string[];
  /** Why it does not apply, where there are no tests. */
  readonly reason: string | undefined;
}

interface Ran {
  readonly file: string;
  readonly name: string;
  readonly passed: boolean;
}

/** @param reports what vitest wrote of its runs */
export function judgeThreats(reports: readonly unknown[]): {
  readonly tally: TestCounts;
  readonly lines: readonly string[];
} {
  const ran = reports.flatMap(testsOf);
  const verdicts = threatsOf(JSON.parse(readFileSync(FILE, 'utf8'))).map((threat) => verdictOf(threat, ran));
  return {
    tally: {
      passed: verdicts.filter(({ isProven }) => isProven).length,
      failed: verdicts.filter(({ isProven }) => !isProven).length,
    },
    lines: verdicts.map(({ line }) => line),
  };
}

function verdictOf({ id, threat, tests, reason }: Threat, ran: readonly Ran[]) {
  const name = `${id.padEnd(4)} ${threat}`;
  if (reason !== undefined)
    return { isProven: tests.length === 0, line: `${name}: does not apply: ${reason}` };
  const found = tests.map((spec) => ({ spec, tests: meantBy(spec, ran) }));
  const missing = found.filter((one) => one.tests.length === 0).map(({ spec }) => spec);
  const all = found.flatMap((one) => one.tests);
  const failed = all.filter(({ passed }) => !passed);
  const isProven = tests.length > 0 && missing.length === 0 && failed.length === 0;
  const where = tests.map((spec) => spec.replace(/^test\//, '')).join(' · ');
  const problem = [
    ...missing.map((spec) => `no test ran of ${spec}`),
    ...failed.map((one) => `failed: ${one.name}`),
  ];
  return {
    isProven,
    line: `${name}: ${isProven ? `passed (${all.length} tests)` : `NOT PROVEN, ${problem.join('; ')}`}: ${where}`,
  };
}

function meantBy(spec: string, ran: readonly Ran[]): readonly Ran[] {
  const [file = '', beginning = ''] = spec.split(': ', 2);
  return ran.filter((one) => one.file === file && one.name.startsWith(beginning));
}

function testsOf(report: unknown): Ran[] {
  const { testResults } = fieldsOf(report);
  if (!Array.isArray(testResults)) return [];
  return testResults.map(fieldsOf).flatMap(({ name, assertionResults }) =>
    (Array.isArray(assertionResults) ? assertionResults : []).map(fieldsOf).map(({ fullName, status }) => ({
      file: relative(resolve('.'), String(name)),
      name: String(fullName),
      passed: status === 'passed',
    })),
  );
}

function threatsOf(value: unknown): Threat[] {
  if (!Array.isArray(value)) throw new Error(`${FILE} is no list`);
  return value.map(fieldsOf).map(({ id, threat, tests = [], reason }) => {
    if (typeof id !== 'string' || typeof threat !== 'string' || !Array.isArray(tests))
      throw new Error(`${FILE} holds ${JSON.stringify(id)}, which has no id, threat or tests`);
    return { id, threat, tests: tests.map(String), reason: typeof reason === 'string' ? reason : undefined };
  });
}
