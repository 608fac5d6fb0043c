/**
 * The imports of a file of the project.
 * @module
 */
import { readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

/** The folder of the project. */
export const ROOT = join(import.meta.dirname, '../..');

/** Returns what a file imports, types included: paths from the root for files of the project, names for packages. */
export function importsOf(file: string): string[] {
  const source = readFileSync(join(ROOT, file), 'utf8');
  const specifiers = source.matchAll(
    /(?:^|\n)\s*(?:import|export)\b[^'";]*?\bfrom\s*'([^']+)'|\bimport\(?\s*'([^']+)'/g,
  );
  return [...specifiers]
    .map(([, from, bare]) => from ?? bare ?? '')
    .map((specifier) => (specifier.startsWith('.') ? normalize(join(dirname(file), specifier)) : specifier));
}
