/**
 * The threats of test/threats.json. Each has tests that prove that it does no harm, or a reason why it does not apply
 * (SECURITY.md). A named test that did not run proves nothing.
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
  /** Each is a file. After `: ` stands the beginning of the test names. Without it, all tests of the file count. */
  readonly tests: readonly string[];
  /** The reason why it does not apply, if there are no tests. */
  readonly reason: string | undefined;
}

interface Ran {
  readonly file: string;
  readonly name: string;
  readonly passed: boolean;
}

/**
 * Compares the list with a run.
 * @param reports the JSON reports of vitest
 */
export function threatResults(reports: readonly unknown[]): {
  readonly counts: TestCounts;
  readonly lines: readonly string[];
} {
  const ran = reports.flatMap(testsOf);
  const results = threatsOf(JSON.parse(readFileSync(FILE, 'utf8'))).map((threat) => resultOf(threat, ran));
  return {
    counts: {
      passed: results.filter(({ isProven }) => isProven).length,
      failed: results.filter(({ isProven }) => !isProven).length,
    },
    lines: results.map(({ line }) => line),
  };
}

function resultOf({ id, threat, tests, reason }: Threat, ran: readonly Ran[]) {
  const name = `${id.padEnd(4)} ${threat}`;
  if (reason !== undefined)
    return { isProven: tests.length === 0, line: `${name}: does not apply: ${reason}` };
  const found = tests.map((spec) => ({ spec, tests: testsNamedBy(spec, ran) }));
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

function testsNamedBy(spec: string, ran: readonly Ran[]): readonly Ran[] {
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
  if (!Array.isArray(value)) throw new Error(`${FILE} must be a list`);
  return value.map(fieldsOf).map(({ id, threat, tests = [], reason }) => {
    if (typeof id !== 'string' || typeof threat !== 'string' || !Array.isArray(tests))
      throw new Error(`${FILE} has the entry ${JSON.stringify(id)} without an id, a threat or tests`);
    return { id, threat, tests: tests.map(String), reason: typeof reason === 'string' ? reason : undefined };
  });
}
