/**
 * The structure of the source: no import circles, no large folders, no long files, no base name twice.
 * @module
 */
import { globSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { importsOf, ROOT } from './imports.ts';

const SOURCE =
  '{lambda,lib,local,client,console,protocol,scripts,bench,bin,examples}/**/*.{ts,tsx,mjs,cjs,js}';
const files = globSync(SOURCE, { cwd: ROOT }).sort();
const withTests = [...files, ...globSync('test/**/*.{ts,mjs}', { cwd: ROOT }).sort()];

/** Files directly in one folder. A reader must be able to see a folder as a whole. */
const MAX_FILES = 16;

/** A file that is longer has more than one idea. */
const MAX_LINES = 350;

/** Files of lambda/, lib/ and local/ that have the same base name, because they are two ends of one thing. */
const TWO_ENDS: Readonly<Record<string, readonly string[]>> = {
  // The function that is deployed, and the code that runs in it.
  'console.ts': ['lambda/console.ts', 'lib/functions/console.ts'],
  'deliver.ts': ['lambda/deliver.ts', 'lib/functions/deliver.ts'],
  'dispatch.ts': ['lambda/dispatch.ts', 'lib/functions/dispatch.ts'],
  'fold.ts': ['lambda/fold.ts', 'lambda/hub/keyed/fold.ts', 'lib/functions/fold.ts'],
  'hold.ts': ['lambda/hold.ts', 'lib/functions/hold.ts'],
  'intake.ts': ['lambda/intake.ts', 'lib/messaging/intake.ts'],
  'presence.ts': ['lambda/presence.ts', 'lib/messaging/presence.ts'],
  'publish.ts': ['lambda/publish.ts', 'lib/functions/publish.ts'],
  'push.ts': ['lambda/push.ts', 'lib/functions/push.ts'],
  'read.ts': ['lambda/read.ts', 'lib/functions/read.ts'],
  'socket.ts': ['lambda/socket.ts', 'lib/functions/socket.ts'],
  'stream.ts': ['lambda/stream.ts', 'lib/functions/stream.ts'],
  'webhooks.ts': ['lambda/webhooks.ts', 'lib/functions/webhooks.ts'],
  // The gateway that is deployed, and its emulator.
  'edge.ts': ['lib/gateways/edge.ts', 'local/cloudfront/edge.ts'],
  'http-api.ts': ['lib/gateways/http-api.ts', 'local/apigateway/http-api.ts'],
  // The template writes it, the functions read it.
  'door.ts': ['lambda/http/door.ts', 'lib/gateways/door.ts'],
  'origins.ts': ['lambda/access/origins.ts', 'lib/gateways/origins.ts'],
  'token-keys.ts': ['lambda/aws/token-keys.ts', 'lib/storage/token-keys.ts'],
};

type Graph = ReadonlyMap<string, readonly string[]>;

/** Returns the imports of files among each other. Imports of types count: a reader has to follow them too. */
const graphOf = (names: readonly string[]): Graph =>
  new Map(
    names.map((file) => [
      file,
      importsOf(file)
        .map(({ target }) => target)
        .filter((target) => names.includes(target)),
    ]),
  );

/** Returns the shortest circle through each file that is in one: the files in the order of their imports, the first one again at the end. */
function circlesIn(graph: Graph): string[] {
  const circles = [...graph.keys()].flatMap((file) => pathBack(graph, file) ?? []);
  const shortest = new Map(circles.map((path) => [[...new Set(path)].sort().join(), path]));
  return [...shortest.values()].map((path) => path.join(' → '));
}

/** Returns the shortest path of imports that leads from a file back to itself, or undefined. */
function pathBack(graph: Graph, from: string): [string[]] | undefined {
  const seen = new Set<string>();
  let paths = [[from]];
  while (paths.length > 0) {
    const longer = paths.flatMap((path) =>
      (graph.get(path.at(-1) ?? '') ?? []).map((next) => [...path, next]),
    );
    const back = longer.find((path) => path.at(-1) === from);
    if (back !== undefined) return [back];
    paths = longer.filter((path, index) => {
      const isFirst = longer.findIndex((other) => other.at(-1) === path.at(-1)) === index;
      return isFirst && !seen.has(path.at(-1) ?? '');
    });
    for (const path of paths) seen.add(path.at(-1) ?? '');
  }
  return undefined;
}

describe('no file imports itself by way of others, type-only imports included', () => {
  test('in the whole source', () => {
    const graph = graphOf(files);
    expect([...graph.values()].flat().length).toBeGreaterThan(1_000);
    expect(circlesIn(graph)).toEqual([]);
  });

  test('a circle is found, with its path', () => {
    const graph = new Map([
      ['a', ['b', 'c']],
      ['b', ['c']],
      ['c', ['d']],
      ['d', ['b']],
      ['e', ['a', 'e']],
    ]);
    expect(circlesIn(graph)).toEqual(['d → b → c → d', 'e → e']);
  });
});

test(`no folder of source or tests has more than ${MAX_FILES} files`, () => {
  const counts = new Map<string, number>();
  for (const file of withTests) counts.set(dirname(file), (counts.get(dirname(file)) ?? 0) + 1);
  expect([...counts].filter(([, count]) => count > MAX_FILES)).toEqual([]);
});

test(`no file of source or tests has more than ${MAX_LINES} lines`, () => {
  const linesOf = (file: string) => readFileSync(join(ROOT, file), 'utf8').split('\n').length - 1;
  expect(withTests.length).toBeGreaterThan(600);
  expect(withTests.filter((file) => linesOf(file) > MAX_LINES)).toEqual([]);
});

test('no two files of lambda/, lib/ and local/ have the same base name, except two ends of one thing', () => {
  const named = new Map<string, string[]>();
  for (const file of files.filter((name) => /^(lambda|lib|local)\//.test(name)))
    named.set(basename(file), [...(named.get(basename(file)) ?? []), file]);
  const shared = [...named].filter(([, same]) => same.length > 1);
  expect(Object.fromEntries(shared)).toEqual(TWO_ENDS);
});
