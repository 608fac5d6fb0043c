/**
 * The bundles of the functions have nothing that they do not need: each byte is read and compiled in every cold start.
 * @module
 */
import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { bundleOf } from '../../../lib/functions/bundle.ts';
import { fieldsOf } from '../../../protocol/fields.ts';
import { ROOT } from '../source/imports.ts';

const handlers = globSync('lambda/*.ts', { cwd: ROOT })
  .map((file) => basename(file, '.ts'))
  .filter((name) => name !== 'env');

/** Bundles with the AWS SDK had 1,100 to 2,600 KB. */
const MAX_KB = 480;

/** The packages in a bundle, and those that come with them. */
const BUNDLED = ['hono', 'jose', 'undici', '@aws-lambda-powertools/logger'];
const WITH_THEM = ['@aws-lambda-powertools/commons', '@aws/lambda-invoke-store'];

describe.each(handlers)('%s', (handler) => {
  const [code, map] = ['index.mjs', 'index.mjs.map'].map((name) =>
    bundleOf(handler).find((file) => file.name === name),
  );
  const { sources } = fieldsOf(JSON.parse(map?.text ?? ''));
  const files: readonly string[] = Array.isArray(sources) ? sources.map(String) : [];

  test(`has at most ${MAX_KB} KB`, () => {
    const bytes = Buffer.byteLength(code?.text ?? '');
    expect(bytes).toBeGreaterThan(100_000);
    expect(bytes / 1_024).toBeLessThan(MAX_KB);
  });

  test('has only packages that docs/dependencies.md names, and the few files of undici that it uses', () => {
    const packages = files.flatMap((file) => /^node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1] ?? []);
    expect([...new Set(packages)].filter((name) => ![...BUNDLED, ...WITH_THEM].includes(name))).toEqual([]);
    expect(
      files.filter((file) => /undici\/(index\.js|lib\/(cache|mock|interceptor|milo))/.test(file)),
    ).toEqual([]);
  });

  test('has a map to its sources, and no path of this machine', () => {
    expect(files).toContain(`lambda/${handler}.ts`);
    expect(files.filter((file) => !/^(lambda|lib|protocol|node_modules)\//.test(file))).toEqual([]);
    expect(`${code?.text}${map?.text}`).not.toContain(ROOT);
    expect(code?.text).toMatch(/\n\/\/# sourceMappingURL=index\.mjs\.map\n$/);
  });
});

test('docs/dependencies.md lists what is bundled', () => {
  const page = readFileSync(join(ROOT, 'docs/dependencies.md'), 'utf8');
  const [, section = ''] = page.split('\n## Bundled into the functions\n');
  const [table = ''] = section.split('\n## ');
  const named = [...table.matchAll(/^\| (.+?) \|/gm)].flatMap(([, cell = '']) =>
    [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name),
  );
  expect(named.toSorted()).toEqual(BUNDLED.toSorted());
});
