/**
 * Reads the imports of a source file, for the tests of the dependency rules.
 * @module
 */
import { readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

/** The folder of the project. */
export const ROOT = join(import.meta.dirname, '../../..');

/** One import or re-export. */
export interface Import {
  /** Path of a file from the root of the project, or name of a package. */
  readonly target: string;
  /** True for `import type` and `export type`. */
  readonly isTypeOnly: boolean;
}

/** Returns the imports and re-exports of a file, dynamic imports with a literal name included. */
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
