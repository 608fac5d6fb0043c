/**
 * `npm test`: runs all checks and tests, and ends in one line. `npm run check` and `npm run format` run only its first
 * step.
 * @module
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { resolve } from 'node:path';
import { conformanceResult, type TestCounts } from './test/conformance.ts';
import { unusedGrants } from './test/grants.ts';
import { threatResults } from './test/threats.ts';

const HELP = `usage: npm test [-- PROJECT…]

Checks format, lint and types, then runs all tests: unit, contract, infra, local, flow, faults, commands, and the Durable
Streams conformance suite. At the end it checks that every grant of every role was used, and every threat of SECURITY.md
tested. Named projects run alone.

  HUB_STAGE=dev npm test -- flow    runs the wire tests against the deployed hub of that stage`;

/** The projects of vitest.config.ts, which can be named. */
const PROJECTS = ['unit', 'contract', 'infra', 'local', 'flow', 'faults', 'commands'];

const RESULTS = resolve('.tidings/test');
const print = (line: string): void => void process.stdout.write(`${line}\n`);

const args = process.argv.slice(2);
if (args.includes('--help')) print(HELP);
else if (args[0] === 'format') process.exitCode = run('biome', 'check', '--write', '.') ? 0 : 1;
else if (args[0] === 'check') finish(check());
else if (args.length > 0) finish(...some(args));
else finish(check(), tests([]), conformance(), grants(), threats());

function some(names: readonly string[]): TestCounts[] {
  const unknown = names.find((name) => ![...PROJECTS, 'conformance'].includes(name));
  if (unknown !== undefined) {
    print(`tidings: no tests are named ${unknown}; there are ${PROJECTS.join(', ')} and conformance`);
    return [{ passed: 0, failed: 1 }];
  }
  const projects = names.filter((name) => name !== 'conformance');
  return [
    ...(projects.length > 0 ? [tests(projects)] : []),
    ...(names.includes('conformance') ? [conformance()] : []),
  ];
}

function check(): TestCounts {
  return add(
    step('format and lint', () => countsOf(run('biome', 'ci', '--error-on-warnings', '.'))),
    step('types', () => countsOf(run('tsc'))),
  );
}

function tests(projects: readonly string[]): TestCounts {
  rmSync(resolve('.tidings/grants'), { recursive: true, force: true });
  return step('tests', () => vitest('tests', ...projects.flatMap((name) => ['--project', name])).counts);
}

/** Runs the foreign suite. Exactly the listed tests must fail. */
function conformance(): TestCounts {
  return step('Durable Streams conformance', () => {
    const { report } = vitest('conformance', '--config', 'test/conformance/vitest.config.ts', '--silent');
    const { counts, lines } = conformanceResult(report);
    for (const line of lines) print(line);
    return counts;
  });
}

function grants(): TestCounts {
  return step('grants', () => {
    const { used, unused } = unusedGrants();
    for (const grant of unused) print(`never used in the whole run: ${grant}`);
    return { passed: used, failed: unused.length + (used === 0 ? 1 : 0) };
  });
}

function threats(): TestCounts {
  return step('threats', () => {
    const file = resolve(RESULTS, 'tests.json');
    const { counts, lines } = threatResults(
      existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined,
    );
    for (const line of lines) print(line);
    return counts;
  });
}

function vitest(
  name: string,
  ...more: readonly string[]
): { readonly report: unknown; readonly counts: TestCounts } {
  const file = resolve(RESULTS, `${name}.json`);
  // A suite with expected failures is judged by its report, and people read the summary below.
  const reporters = name === 'tests' ? ['--reporter=default', '--reporter=json'] : ['--reporter=json'];
  mkdirSync(RESULTS, { recursive: true });
  rmSync(file, { force: true });
  const ok = run('vitest', 'run', ...reporters, `--outputFile.json=${file}`, ...more);
  if (!existsSync(file)) return { report: undefined, counts: { passed: 0, failed: 1 } };
  const report: unknown = JSON.parse(readFileSync(file, 'utf8'));
  const counts = typeof report === 'object' && report !== null ? report : {};
  const { numPassedTests, numFailedTests } = { numPassedTests: 0, numFailedTests: 0, ...counts };
  // A run can also fail outside its tests, by an unhandled rejection or a file that does not load.
  return {
    report,
    counts: { passed: numPassedTests, failed: ok ? numFailedTests : Math.max(1, numFailedTests) },
  };
}

function run(program: string, ...programArgs: readonly string[]): boolean {
  return spawnSync(program, programArgs, { stdio: 'inherit' }).status === 0;
}

function step(name: string, work: () => TestCounts): TestCounts {
  print(`\n── ${name}`);
  const started = performance.now();
  const counts = work();
  print(
    `── ${name}: ${counts.passed} passed, ${counts.failed} failed, ${((performance.now() - started) / 1_000).toFixed(1)} s`,
  );
  return counts;
}

function countsOf(ok: boolean): TestCounts {
  return ok ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
}

function add(...parts: readonly TestCounts[]): TestCounts {
  return {
    passed: parts.reduce((sum, { passed }) => sum + passed, 0),
    failed: parts.reduce((sum, { failed }) => sum + failed, 0),
  };
}

function finish(...parts: readonly TestCounts[]): void {
  const { passed, failed } = add(...parts);
  process.exitCode = failed === 0 ? 0 : 1;
  print(`\n${passed} passed, ${failed} failed`);
}
