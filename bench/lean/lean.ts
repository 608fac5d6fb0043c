/**
 * What a function costs before and beside its calls: the processor time of its import, and that of an append.
 *
 * Method: every measurement is the processor time of a process of its own, pinned to one core where `taskset` exists. Medians of
 * ROUNDS rounds; in each round all processes run once, one after the other. A loopback server answers for AWS at once.
 * - Import: from the start of Node until the handler is imported, compared with a handler that imports nothing. Both have loaded
 *   node:http before, as Lambda's runtime does.
 * - Append: APPENDS calls of the publish handler with the event of API Gateway, after WARM_UP others, each with a token.
 * @module
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { median } from '../numbers.ts';
import { serveAws } from './aws-server.ts';
import { type BundledFunction, functionsIn } from './bundled-functions.ts';

const ROUNDS = 7;
const IMPORTED = ['Publish', 'Socket', 'Push', 'Read', 'Hold'];
const APPENDS = 1_000;
const WARM_UP = 1_000;
const CORE = '0';

const IMPORT = `
  process.getBuiltinModule('node:http');
  await import(process.argv[1]);
  const { userCPUTime, systemCPUTime } = process.resourceUsage();
  process.stdout.write('\\n' + (userCPUTime + systemCPUTime) / 1_000);
  process.exit();`;

/** An assembly to measure. */
export interface MeasuredAssembly {
  /** Its name in the result. */
  readonly name: string;
  /** Its directory. */
  readonly directory: string;
}

/** Runs the benchmark, and prints its result. The first assembly is compared with the others. */
export async function lean(
  assemblies: readonly MeasuredAssembly[],
  print: (line: string) => void,
): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'tidings-lean-'));
  const aws = await serveAws();
  try {
    const empty = join(directory, 'empty.mjs');
    writeFileSync(empty, 'export const handler = async () => ({});\n');
    const measured = assemblies.map(({ name, directory }) => ({ name, functions: functionsIn(directory) }));
    print(`lean: ${ROUNDS} rounds, ${APPENDS} appends each\n`);
    await measureImports(measured, { file: empty, environment: {} }, aws.environment, print);
    print('');
    await measureAppends(measured, aws.environment, print);
  } finally {
    aws.close();
    rmSync(directory, { recursive: true });
  }
}

type Functions = ReadonlyMap<string, BundledFunction>;
interface Measured {
  readonly name: string;
  readonly functions: Functions;
}
type Environment = Readonly<Record<string, string>>;

async function measureImports(
  measured: readonly Measured[],
  empty: BundledFunction,
  aws: Environment,
  print: (line: string) => void,
): Promise<void> {
  const all = new Map<string, BundledFunction>([['an empty handler', empty]]);
  for (const { name, functions } of measured)
    for (const wanted of IMPORTED) all.set(`${wanted}, ${name}`, functionIn(functions, wanted));
  const results = await rounds(all, ({ file, environment }) =>
    run(['--input-type=module', '-e', IMPORT, pathToFileURL(file).href], { ...environment, ...aws }),
  );
  const floor = median(results.get('an empty handler') ?? []);
  for (const [name, times] of results) {
    const ms = median(times);
    print(`import of ${name.padEnd(22)} ${ms.toFixed(1).padStart(6)} ms  ${(ms / floor).toFixed(2)} times`);
  }
}

async function measureAppends(
  measured: readonly Measured[],
  aws: Environment,
  print: (line: string) => void,
): Promise<void> {
  const all = new Map(measured.map(({ name, functions }) => [name, functionIn(functions, 'Publish')]));
  const program = join(import.meta.dirname, 'append-process.ts');
  const results = await rounds(all, ({ file, environment }) =>
    run([program, pathToFileURL(file).href, String(WARM_UP), String(APPENDS)], { ...environment, ...aws }),
  );
  const [first = []] = results.values();
  for (const [name, times] of results) {
    const ms = median(times);
    const ratio = (median(first) / ms).toFixed(2);
    print(
      `append, ${name.padEnd(24)} ${ms.toFixed(3)} ms of processor time; the first is ${ratio} times that`,
    );
  }
}

function functionIn(functions: Functions, name: string): BundledFunction {
  const found = functions.get(name);
  if (!found) throw new Error(`the assembly has no function ${name}`);
  return found;
}

/** Returns the results of each by name. */
async function rounds(
  all: ReadonlyMap<string, BundledFunction>,
  measure: (one: BundledFunction) => Promise<number>,
): Promise<ReadonlyMap<string, number[]>> {
  const results = new Map<string, number[]>([...all.keys()].map((name) => [name, []]));
  for (let round = 0; round < ROUNDS; round++)
    for (const [name, one] of all) results.get(name)?.push(await measure(one));
  return results;
}

/** Runs Node, and returns the number in the last line of its output. */
async function run(args: readonly string[], environment: Environment): Promise<number> {
  const pinned = process.platform === 'linux' ? ['taskset', '-c', CORE] : [];
  const [command = '', ...rest] = [...pinned, process.execPath, ...args];
  const env = { ...environment, PATH: process.env.PATH ?? '' };
  const { stdout } = await promisify(execFile)(command, rest, { env });
  return Number(stdout.trim().split('\n').at(-1));
}
