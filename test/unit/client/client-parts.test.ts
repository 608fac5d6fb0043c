/**
 * The backoff of the client, and its bundle for browsers.
 * @module
 */
import { build } from 'esbuild';
import { describe, expect, test } from 'vitest';
import { backoff, jittered } from '../../../client/timers.ts';

describe('the backoff', () => {
  test('is random from half a second up to a limit that doubles, at most 30 s', () => {
    expect([0, 1, 2, 3, 10, 2_000].map((failures) => backoff(failures, 0))).toEqual(Array(6).fill(500));
    const most = [0, 1, 2, 3, 4, 2_000].map((failures) => backoff(failures, 1));
    expect(most).toEqual([2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
    expect([0, 0.5, 1].map((random) => jittered(60_000, random))).toEqual([45_000, 60_000, 75_000]);
  });
});

/** The limit of the minified bundle, in bytes. It is about 15 KB when compressed. */
const MOST_BYTES = 42_500;

test('the browser bundle builds without a warning, imports nothing of Node, and is small', async () => {
  const { warnings, outputFiles, metafile } = await build({
    entryPoints: ['client/index.ts'],
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    write: false,
    metafile: true,
  });
  expect(warnings).toEqual([]);
  const inputs = Object.keys(metafile.inputs);
  expect(inputs.filter((file) => !/^(client|protocol)\//.test(file))).toEqual([]);
  const [output] = outputFiles;
  expect(output?.text).not.toMatch(/\bnode:|\bprocess\.|\bBuffer\b|\brequire\(/);
  expect(output?.contents.byteLength).toBeLessThan(MOST_BYTES);
});
