/**
 * `npm test`: everything, ending in one line. `npm run check` and `npm run format` are its first step alone.
 * @module
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { resolve } from 'node:path';
import { checkWords } from './prose/find-words.ts';
import { judgeConformance, type TestCounts } from './verdicts/conformance.ts';
import { unusedGrants } from './verdicts/grants.ts';
import { judgeThreats } from './verdicts/threats.ts';

const HELP = `usage: npm test [-- PROJECT…]

Checks format, lint, types and plain words, then runs all tests: unit, contract, infra, local, flow, faults, commands, and
the Durable Streams conformance suite. At the end it checks that every grant of every role was used, and every threat of
SECURITY.md tested. Named projects run alone.

  HUB_STAGE=dev npm test -- flow    runs the wire tests against the deployed hub of that stage`;

/** The projects of vitest.config.ts, and what else can be named. */
const PROJECTS = ['unit', 'contract', 'infra', 'local', 'flow', 'faults', 'commands'];

const RESULTS = resolve('.tidings/test');
const say = (line: string): void => void process.stdout.write(`${line}\n`);

const args = process.argv.slice(2);
if (args.includes('--help')) say(HELP);
else if (args[0] === 'format') process.exitCode = run('biome', 'check', '--write', '.') ? 0 : 1;
else if (args[0] === 'check') finish(check());
else if (args.length > 0) finish(...some(args));
else finish(check(), tests([]), conformance(), grants(), threats());

function some(names: readonly string[]): TestCounts[] {
  const unknown = names.find((name) => ![...PROJECTS, 'conformance'].includes(name));
  if (unknown !== undefined) {
    say(`tidings: no tests are named ${unknown}; there are ${PROJECTS.join(', ')} and conformance`);
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
    step('format and lint', () => tallyOf(run('biome', 'ci', '--error-on-warnings', '.'))),
    step('types', () => tallyOf(run('tsc'))),
    step('plain words', () => checkWords(resolve('.'))),
  );
}

function tests(projects: readonly string[]): TestCounts {
  rmSync(resolve('.tidings/grants'), { recursive: true, force: true });
  return step('tests', () => vitest('tests', ...projects.flatMap((name) => ['--project', name])).tally);
}

/** What fails in the foreign suite must be what is listed, no more and no less. */
function conformance(): TestCounts {
  return step('Durable Streams conformance', () => {
    const { report } = vitest('conformance', '--config', 'test/conformance/vitest.config.ts', '--silent');
    const { tally, lines } = judgeConformance(report);
    for (const line of lines) say(line);
    return tally;
  });
}

function grants(): TestCounts {
  return step('grants', () => {
    const { used, unused } = unusedGrants();
    for (const grant of unused) say(`never used in the whole run: ${grant}`);
    return { passed: used, failed: unused.length + (used === 0 ? 1 : 0) };
  });
}

function threats(): TestCounts {
  return step('threats', () => {
    const file = resolve(RESULTS, 'tests.json');
    const { tally, lines } = judgeThreats(
      existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined,
    );
    for (const line of lines) say(line);
    return tally;
  });
}

function vitest(
  name: string,
  ...more: readonly string[]
): { readonly report: unknown; readonly tally: TestCounts } {
  const file = resolve(RESULTS, `${name}.json`);
  // A suite in which failures are expected is judged by its report; people get the summary of the judge.
  const reporters = name === 'tests' ? ['--reporter=default', '--reporter=json'] : ['--reporter=json'];
  mkdirSync(RESULTS, { recursive: true });
  rmSync(file, { force: true });
  const ok = run('vitest', 'run', ...reporters, `--outputFile.json=${file}`, ...more);
  if (!existsSync(file)) return { report: undefined, tally: { passed: 0, failed: 1 } };
  const report: unknown = JSON.parse(readFileSync(file, 'utf8'));
  const counts = typeof report === 'object' && report !== null ? report : {};
  const { numPassedTests, numFailedTests } = { numPassedTests: 0, numFailedTests: 0, ...counts };
  // A run can also fail outside its tests: an unhandled rejection, a file that does not load.
  return {
    report,
    tally: { passed: numPassedTests, failed: ok ? numFailedTests : Math.max(1, numFailedTests) },
  };
}

function run(program: string, ...programArgs: readonly string[]): boolean {
  return spawnSync(program, programArgs, { stdio: 'inherit' }).status === 0;
}

function step(name: string, work: () => TestCounts): TestCounts {
  say(`\n── ${name}`);
  const started = performance.now();
  const tally = work();
  say(
    `── ${name}: ${tally.passed} passed, ${tally.failed} failed, ${((performance.now() - started) / 1_000).toFixed(1)} s`,
  );
  return tally;
}

function tallyOf(ok: boolean): TestCounts {
  return ok ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
}

function add(...tallies: readonly TestCounts[]): TestCounts {
  return {
    passed: tallies.reduce((sum, { passed }) => sum + passed, 0),
    failed: tallies.reduce((sum, { failed }) => sum + failed, 0),
  };
}

function finish(...tallies: readonly TestCounts[]): void {
  const { passed, failed } = add(...tallies);
  process.exitCode = failed === 0 ? 0 : 1;
  say(`\n${passed} passed, ${failed} failed`);
}
