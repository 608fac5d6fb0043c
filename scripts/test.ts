/**
 * `npm test`: runs all checks and tests, and ends in one line. `npm run check` and `npm run format` run only its first
 * step.
 * @module
 */
import { spawn } from 'node:child_process';
import { createReadStream, existsSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs';
import { resolve } from 'node:path';
import { checkWords } from './prose/find-words.ts';
import { waitFor } from './terminal/waiting.ts';
import { conformanceResult, type TestCounts } from './test/conformance.ts';
import { unusedGrants } from './test/grants.ts';
import { unseenAnswers } from './test/openapi.ts';
import { threatResults } from './test/threats.ts';

const HELP = `usage: npm test [-- PROJECT…] [--thorough]

Checks format, lint, types and plain words, then runs all tests: unit, contract, infra, local, flow, faults, commands, and
the Durable Streams conformance suite. At the end it checks that every grant of every role was used, every answer of
docs/openapi.yaml seen, and every threat of SECURITY.md tested. Named projects run alone.

  --thorough                        runs all cases of the random tests; without it a tenth of them runs
  HUB_STAGE=dev npm test -- flow    runs the wire tests against the deployed hub of that stage`;

/** The projects of vitest.config.ts, which can be named. */
const PROJECTS = ['unit', 'contract', 'infra', 'local', 'flow', 'faults', 'commands'];

/** This project starts hubs one after the other, and mostly waits for them. So it runs in parallel with all others. */
const BESIDE = 'commands';

const RESULTS = resolve('.tidings/test');
const print = (line: string): void => void process.stdout.write(`${line}\n`);

const names = process.argv.slice(2).filter((arg) => arg !== '--thorough');
if (process.argv.includes('--thorough')) process.env.THOROUGH = 'true';
if (names.includes('--help')) print(HELP);
else if (names[0] === 'format') process.exitCode = (await format()) ? 0 : 1;
else if (names[0] === 'check') finish(await check());
else if (names.length > 0) finish(...(await some()));
else finish(await check(), ...(await everything()), await grants(), await answers(), await threats());

function format(): Promise<boolean> {
  return waitFor('correcting the format', run('biome', ['check', '--write', '.']), { isShared: true });
}

async function some(): Promise<TestCounts[]> {
  const unknown = names.find((name) => ![...PROJECTS, 'conformance'].includes(name));
  if (unknown !== undefined) {
    print(`tidings: no tests are named ${unknown}; there are ${PROJECTS.join(', ')} and conformance`);
    return [{ passed: 0, failed: 1 }];
  }
  forgetResults();
  const projects = names.filter((name) => name !== 'conformance');
  return [
    ...(projects.length > 0 ? [await tests('tests', projects)] : []),
    ...(names.includes('conformance') ? [await conformance()] : []),
  ];
}

/** Runs two vitest processes in parallel. The output of the second one is printed when both have ended. */
async function everything(): Promise<TestCounts[]> {
  forgetResults();
  const log = resolve(RESULTS, `${BESIDE}.log`);
  const output = openSync(log, 'w');
  const others = PROJECTS.filter((name) => name !== BESIDE);
  const counts = await Promise.all([
    tests('tests', others),
    tests(BESIDE, [BESIDE], output).then(async (first) => add(first, await conformance(output))),
  ]);
  for await (const chunk of createReadStream(log)) process.stdout.write(chunk);
  return counts;
}

/** The steps run in parallel: none needs another. */
async function check(): Promise<TestCounts> {
  return add(
    ...(await Promise.all([
      step('types', async () =>
        add(
          await passes('tsc', []),
          await passes('tsc', ['-p', 'console']),
          await passes('tsc', ['-p', 'examples']),
        ),
      ),
      step('format and lint', () => passes('biome', ['ci', '--error-on-warnings', '.'])),
      step('plain words', async () => checkWords(resolve('.'))),
    ])),
  );
}

function tests(name: string, projects: readonly string[], output?: number): Promise<TestCounts> {
  const selected = projects.flatMap((project) => ['--project', project]);
  const options = ['--reporter=default', '--reporter=json', ...selected];
  return step(name, async () => (await vitest(name, options, output)).counts);
}

/** Runs the foreign suite. Exactly the listed tests must fail. */
function conformance(output?: number): Promise<TestCounts> {
  return step('Durable Streams conformance', async () => {
    // Failures are expected in this suite, so people read the summary below, and not that of vitest.
    const options = ['--reporter=json', '--config', 'test/conformance/vitest.config.ts', '--silent'];
    const { report } = await vitest('conformance', options, output);
    const { counts, lines } = conformanceResult(report);
    for (const line of lines) print(line);
    return counts;
  });
}

function grants(): Promise<TestCounts> {
  return step('grants', async () => {
    const { used, unused } = unusedGrants();
    for (const grant of unused) print(`never used in the whole run: ${grant}`);
    return { passed: used, failed: unused.length + (used === 0 ? 1 : 0) };
  });
}

function answers(): Promise<TestCounts> {
  return step('answers', async () => {
    const { seen, unseen } = unseenAnswers();
    for (const answer of unseen) print(`documented in docs/openapi.yaml, and never seen: ${answer}`);
    return { passed: seen, failed: unseen.length };
  });
}

function threats(): Promise<TestCounts> {
  return step('threats', async () => {
    const { counts, lines } = threatResults(['tests', BESIDE].map(reportOf));
    for (const line of lines) print(line);
    return counts;
  });
}

async function vitest(
  name: string,
  options: readonly string[],
  output?: number,
): Promise<{ readonly report: unknown; readonly counts: TestCounts }> {
  const ok = await run('vitest', ['run', `--outputFile.json=${fileOf(name)}`, ...options], output);
  const report = reportOf(name);
  if (report === undefined) return { report, counts: { passed: 0, failed: 1 } };
  const counts = typeof report === 'object' && report !== null ? report : {};
  const { numPassedTests, numFailedTests } = { numPassedTests: 0, numFailedTests: 0, ...counts };
  // A run can also fail outside its tests, by an unhandled rejection or a file that does not load.
  return {
    report,
    counts: { passed: numPassedTests, failed: ok ? numFailedTests : Math.max(1, numFailedTests) },
  };
}

function fileOf(name: string): string {
  return resolve(RESULTS, `${name}.json`);
}

/** Returns the JSON report of a run. Undefined if there is none. */
function reportOf(name: string): unknown {
  return existsSync(fileOf(name)) ? JSON.parse(readFileSync(fileOf(name), 'utf8')) : undefined;
}

/** Removes the results of earlier runs, which prove nothing for this one. */
function forgetResults(): void {
  for (const directory of [RESULTS, resolve('.tidings/grants'), resolve('.tidings/openapi')])
    rmSync(directory, { recursive: true, force: true });
  mkdirSync(RESULTS, { recursive: true });
}

/**
 * Returns true if the program succeeds.
 * @param output the file descriptor for its output; default: the terminal
 */
function run(program: string, args: readonly string[], output: number | 'inherit' = 'inherit') {
  const child = spawn(program, args, { stdio: ['inherit', output, output] });
  return new Promise<boolean>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status) => resolve(status === 0));
  });
}

async function passes(program: string, args: readonly string[]): Promise<TestCounts> {
  return (await run(program, args)) ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
}

async function step(name: string, work: () => Promise<TestCounts>): Promise<TestCounts> {
  print(`\n── ${name}`);
  const started = performance.now();
  const { passed, failed } = await waitFor(name, work(), { isShared: true });
  const seconds = ((performance.now() - started) / 1_000).toFixed(1);
  print(`── ${name}: ${passed} passed, ${failed} failed, ${seconds} s`);
  return { passed, failed };
}

function add(...counts: readonly TestCounts[]): TestCounts {
  return {
    passed: counts.reduce((sum, { passed }) => sum + passed, 0),
    failed: counts.reduce((sum, { failed }) => sum + failed, 0),
  };
}

function finish(...counts: readonly TestCounts[]): void {
  const { passed, failed } = add(...counts);
  process.exitCode = failed === 0 ? 0 : 1;
  print(`\n${passed} passed, ${failed} failed`);
}
