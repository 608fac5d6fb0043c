/**
 * The bundle of a handler: one minified file with everything that it imports, and its source map.
 * @module
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';

const besideThis = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const ROOT = besideThis('../..');
const UNDICI = dirname(createRequire(import.meta.url).resolve('undici'));

/** A file of a bundle. */
export interface BundleFile {
  /** Its name, without a folder. */
  readonly name: string;
  /** Its text. */
  readonly text: string;
}

/**
 * Returns the bundle of a handler. It has no path of this machine, so that its hash is the same everywhere.
 * esbuild runs in this process: synthesis needs no Docker.
 * @param handler the file under lambda/, without its suffix
 */
export function bundleOf(handler: string): readonly BundleFile[] {
  const { outputFiles } = buildSync({
    entryPoints: [join(ROOT, 'lambda', `${handler}.ts`)],
    outfile: join(ROOT, 'index.mjs'),
    write: false,
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    mainFields: ['module', 'main'],
    alias: {
      'node:http': besideThis('stubs/node-http.cjs'),
      'node:http2': besideThis('stubs/node-http2.cjs'),
      undici: besideThis('stubs/undici.cjs'),
      'undici-lib': join(UNDICI, 'lib'),
    },
    // undici then leaves out its experimental HTTP parser. https://github.com/nodejs/undici/blob/main/lib/dispatcher/client-h1.js
    define: { esbuildDetection: 'true' },
    // Some dependencies are CommonJS, and call require at run time.
    banner: {
      js: "import { createRequire } from 'node:module';const require = createRequire(import.meta.url);",
    },
    minify: true,
    sourcemap: 'linked',
    sourcesContent: false,
    legalComments: 'none',
    logLevel: 'error',
  });
  return outputFiles.map(({ path, text }) => ({
    name: basename(path),
    text: path.endsWith('.map') ? withPlainSources(text) : text,
  }));
}

/** Writes the bundle of a handler into a directory. */
export function writeBundle(handler: string, directory: string): void {
  mkdirSync(directory, { recursive: true });
  for (const { name, text } of bundleOf(handler)) writeFileSync(join(directory, name), text);
}

/** Dependencies may be installed elsewhere than in this folder. */
function withPlainSources(text: string): string {
  const map: { readonly sources: readonly string[] } = JSON.parse(text);
  const sources = map.sources.map((source) => {
    const path = relative(ROOT, resolve(ROOT, source));
    return path.slice(Math.max(0, path.lastIndexOf('node_modules/')));
  });
  return JSON.stringify({ ...map, sources });
}
