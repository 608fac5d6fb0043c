/**
 * The stack of a defect in a minified bundle names the source, and so do those of its causes.
 * @module
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { showSources } from '../../../lambda/aws/telemetry/source-map.ts';

const MODULE = join(import.meta.dirname, '../../../lambda/aws/telemetry/source-map.ts');
/** The errors are made in lines 4 and 6, and its own module is part of the bundle, as on Lambda. */
const SOURCE = `import { showSources } from ${JSON.stringify(MODULE)};
/** A comment that is not in the bundle. */
const explainedByALongName = (): Error => {
  return new Error('the reason');
};
const defect = (): Error => new Error('the defect', { cause: explainedByALongName() });

export function failing(): Error {
  const error = defect();
  showSources(error);
  return error;
}
`;

const directory = mkdtempSync(join(tmpdir(), 'tidings-'));
beforeAll(async () => {
  writeFileSync(join(directory, 'failing.ts'), SOURCE);
  await build({
    entryPoints: [join(directory, 'failing.ts')],
    outfile: join(directory, 'index.mjs'),
    bundle: true,
    platform: 'node',
    format: 'esm',
    minify: true,
    sourcemap: 'linked',
    sourcesContent: false,
  });
});
afterAll(() => rmSync(directory, { recursive: true }));

test('in the bundle', async () => {
  const bundle: { readonly failing: () => Error } = await import(
    pathToFileURL(join(directory, 'index.mjs')).href
  );
  const error = bundle.failing();
  expect(error.stack).toMatch(/^Error: the defect\n.*\bfailing\.ts:6:\d+/);
  expect(error.stack).toMatch(/\bfailing\.ts:9:\d+/);
  expect(error.cause instanceof Error && error.cause.stack).toMatch(
    /^Error: the reason\n.*\bfailing\.ts:4:\d+/,
  );
  expect(error.stack).not.toContain('index.mjs');
});

test('without a map, and for a value that is no error, nothing changes', () => {
  const error = new Error('a bug');
  const { stack } = error;
  showSources(error);
  expect(error.stack).toBe(stack);
  expect(() => showSources('a text')).not.toThrow();
});
