import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { cachedAssembly } from '../../scripts/hub/cached-assembly.ts';

/** A project whose app counts how often it ran, and refuses one context. */
const APP = `
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
appendFileSync('runs', '.');
if (process.env.CDK_CONTEXT_JSON.includes('refused')) throw new Error('this context is refused');
mkdirSync(process.env.CDK_OUTDIR, { recursive: true });
writeFileSync(process.env.CDK_OUTDIR + '/manifest.json', process.env.CDK_CONTEXT_JSON);
`;

let project: string;
let directory: string;
beforeEach(() => {
  project = mkdtempSync(join(tmpdir(), 'tidings-'));
  directory = join(project, 'assemblies');
  writeFileSync(join(project, 'cdk.json'), JSON.stringify({ app: 'node app.mjs' }));
  writeFileSync(join(project, 'app.mjs'), APP);
  mkdirSync(join(project, 'lib'));
  writeFileSync(join(project, 'lib/stack.ts'), 'one');
});
afterEach(() => rmSync(project, { recursive: true }));

const assemblyOf = (context = {}) => cachedAssembly(project, directory, context);
const runs = () => readFileSync(join(project, 'runs'), 'utf8').length;

test('one assembly serves every start with the same sources and context', async () => {
  const first = await assemblyOf();
  expect(existsSync(join(first, 'manifest.json'))).toBe(true);
  expect(await assemblyOf()).toBe(first);
  expect(runs()).toBe(1);
});

test('another context, and a changed, new or removed source, have an assembly of their own', async () => {
  const first = await assemblyOf();
  const other = await assemblyOf({ 'tidings:stage': 'test' });
  writeFileSync(join(project, 'lib/stack.ts'), 'two');
  const changed = await assemblyOf();
  writeFileSync(join(project, 'lib/more.ts'), '');
  const more = await assemblyOf();
  expect(new Set([first, other, changed, more]).size).toBe(4);
  expect(runs()).toBe(4);
  rmSync(join(project, 'lib/more.ts'));
  expect(await assemblyOf()).toBe(changed);
});

test('starts at the same time get the same assembly, and nothing unfinished stays', async () => {
  const [one, two] = await Promise.all([assemblyOf(), assemblyOf()]);
  expect(one).toBe(two);
  expect(readdirSync(directory)).toHaveLength(1);
});

test('an app that refuses its context leaves nothing, and is asked again', async () => {
  for (const _ of [1, 2]) {
    await expect(assemblyOf({ refused: true })).rejects.toThrow('this context is refused');
    expect(readdirSync(directory)).toEqual([]);
  }
  expect(runs()).toBe(2);
});

test('assemblies that nobody used for half a day are removed by the next start', async () => {
  const old = await assemblyOf({ n: 1 });
  const yesterday = new Date(Date.now() - 13 * 3_600_000);
  utimesSync(old, yesterday, yesterday);
  const recent = await assemblyOf({ n: 2 });
  expect([existsSync(old), existsSync(recent)]).toEqual([false, true]);
});
