/**
 * Synthesizes the template, unless an assembly of the same sources and context is there already.
 * @module
 */
import { createHash } from 'node:crypto';
import {
  existsSync,
  globSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
} from 'node:fs';
import { join } from 'node:path';
import { synth } from '../../local/synth.ts';

/** Everything that the assembly is made of, relative to the project. */
const SOURCES = [
  '{bin,lib,lambda,protocol}/**/*',
  // The page of the console.
  '{console,client}/**/*',
  'bench/prices.ts',
  'cdk.json',
  'package-lock.json',
];

/** An assembly that nobody used for so long is removed, in milliseconds: half a day. One has 15 MB. */
const UNUSED_MS = 12 * 3_600_000;

/**
 * Returns the directory of an assembly, which must not be changed.
 * @param directory where the assemblies are
 * @param context context keys over those of cdk.json
 * @param sources patterns of all files that the assembly is made of, relative to the project
 * @throws Error with the sentence of the app, if it refuses the context
 */
export async function cachedAssembly(
  project: string,
  directory: string,
  context: Readonly<Record<string, unknown>>,
  sources: readonly string[] = SOURCES,
): Promise<string> {
  mkdirSync(directory, { recursive: true });
  removeUnused(directory);
  const assembly = join(directory, hashOf(project, context, sources));
  // As long as this process lives: its hub starts functions from there at any time.
  setInterval(() => touch(assembly), UNUSED_MS / 12).unref();
  if (existsSync(assembly)) {
    touch(assembly);
    return assembly;
  }
  // Under another name until it is complete: another process may look for it, and this one may be killed.
  const unfinished = `${assembly}-${process.pid}-${performance.now()}`;
  try {
    await synth({ projectDir: project, outdir: unfinished, context });
    renameSync(unfinished, assembly);
  } catch (error) {
    // Another process may have been faster: its assembly is the same.
    if (!existsSync(assembly)) throw error;
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
  return assembly;
}

function hashOf(
  project: string,
  context: Readonly<Record<string, unknown>>,
  sources: readonly string[],
): string {
  const hash = createHash('sha256').update(`${process.version}\n${JSON.stringify(context)}\n`);
  for (const file of globSync(sources, { cwd: project }).sort()) {
    if (statSync(join(project, file)).isFile())
      hash.update(`${file}\n`).update(readFileSync(join(project, file)));
  }
  return hash.digest('hex').slice(0, 32);
}

function removeUnused(directory: string): void {
  for (const name of readdirSync(directory)) {
    const assembly = join(directory, name);
    const { mtimeMs } = statSync(assembly, { throwIfNoEntry: false }) ?? { mtimeMs: Date.now() };
    if (Date.now() - mtimeMs > UNUSED_MS) rmSync(assembly, { recursive: true, force: true });
  }
}

function touch(assembly: string): void {
  const now = new Date();
  if (existsSync(assembly)) utimesSync(assembly, now, now);
}
