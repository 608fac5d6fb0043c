/**
 * Checks a run of the Durable Streams conformance suite. Exactly the tests that test/conformance/expected-failures.json names
 * must fail. So a new failure is noticed, and a new pass too.
 * @module
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const LIST = fileURLToPath(new URL('../../test/conformance/expected-failures.json', import.meta.url));

/** The counts of one step of `npm test`. */
export interface TestCounts {
  /** Tests that passed. */
  readonly passed: number;
  /** Tests that failed. */
  readonly failed: number;
}

/** The result of the suite. */
export interface ConformanceResult {
  /** Counts without the expected failures. Each difference from the list counts as a failure. */
  readonly counts: TestCounts;
  /** Differences from the list, for people. */
  readonly lines: readonly string[];
}

/** Compares a report with the list. @param report the JSON report of Vitest */
export function conformanceResult(report: unknown): ConformanceResult {
  const expected = new Set(expectedFailures());
  const results = [...resultsOf(report)];
  const lines: string[] = [];
  let listed = 0;
  for (const { name, status } of results) {
    if (status === 'failed' && expected.has(name)) listed++;
    else if (status === 'failed') lines.push(`fails and is not listed: ${name}`);
    else if (status === 'passed' && expected.has(name))
      lines.push(`passes and is listed as failing: ${name}`);
  }
  // A test that was skipped did not run.
  const completed = results.filter(({ status }) => status === 'passed' || status === 'failed');
  const ran = new Set(completed.map(({ name }) => name));
  for (const name of expected) if (!ran.has(name)) lines.push(`is listed and did not run: ${name}`);
  if (completed.length === 0) lines.push('no test of the suite ran');
  const passed = results.filter(({ name, status }) => status === 'passed' && !expected.has(name)).length;
  const summary = `${passed} pass, ${listed} fail as listed in test/conformance/expected-failures.json`;
  return { counts: { passed, failed: lines.length }, lines: [...lines, summary] };
}

/** Returns the names in the list, which is grouped by the missing part of the protocol. */
function expectedFailures(): string[] {
  const groups: unknown = JSON.parse(readFileSync(LIST, 'utf8'));
  return Object.values(typeof groups === 'object' && groups !== null ? groups : {})
    .flat()
    .map(String);
}

interface Result {
  readonly name: string;
  readonly status: string;
}

function* resultsOf(report: unknown): Generator<Result> {
  for (const file of listIn(report, 'testResults')) {
    for (const test of listIn(file, 'assertionResults')) {
      if (typeof test !== 'object' || test === null || !('fullName' in test) || !('status' in test)) continue;
      yield { name: String(test.fullName), status: String(test.status) };
    }
  }
}

function listIn(value: unknown, key: string): unknown[] {
  if (typeof value !== 'object' || value === null) return [];
  const found: unknown = Object.entries(value).find(([name]) => name === key)?.[1];
  return Array.isArray(found) ? found : [];
}
