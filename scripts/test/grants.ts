/**
 * The grants of the functions' roles that the stacks of a test run have used.
 * @module
 */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';

const DIR = resolve('.tidings/grants');

/** Returns the number of grants that at least one stack used, and the grants that none used. */
export function unusedGrants(): { readonly used: number; readonly unused: readonly string[] } {
  const used = new Map<string, boolean>();
  const files = existsSync(DIR) ? globSync('*.json', { cwd: DIR }) : [];
  for (const file of files) {
    const rows: unknown = JSON.parse(readFileSync(resolve(DIR, file), 'utf8'));
    if (!Array.isArray(rows)) throw new Error(`${file} must be a list of grants`);
    for (const row of rows) {
      const grant = `${row.function}: ${row.action} on ${row.resource}`;
      used.set(grant, used.get(grant) === true || row.used === true);
    }
  }
  return {
    used: [...used.values()].filter(Boolean).length,
    unused: [...used].filter(([, wasUsed]) => !wasUsed).map(([grant]) => grant),
  };
}
