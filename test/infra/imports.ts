/**
 * The imports of a file of the project.
 * @module
 */
import { readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

/** The folder of the project. */
export const ROOT = join(import.meta.dirname, '../..');

export interface Import {
  /** A path from the root of the project, or a package. */
  readonly target: string;
  /** True for `import type` and `export type`. */
  readonly isTypeOnly: boolean;
}

/** Returns what a file imports or exports from other files and packages. */
export function importsOf(file: string): Import[] {
  const source = readFileSync(join(ROOT, file), 'utf8');
  const statements = source.matchAll(
    /(?:^|\n)\s*(?:import|export)\s(type\s)?[^'";]*?\bfrom\s*'([^']+)'|\bimport\(?\s*'([^']+)'/g,
  );
  return [...statements].map(([, type, from, bare]) => {
    const target = from ?? bare ?? '';
    return {
      target: target.startsWith('.') ? normalize(join(dirname(file), target)) : target,
      isTypeOnly: type !== undefined,
    };
  });
}
