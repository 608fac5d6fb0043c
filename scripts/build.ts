/**
 * `npm run build`: makes dist/client, a package with the client and `mint()` that any project can install or copy.
 * @module
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BuildOptions, build } from 'esbuild';
import { fieldsOf } from '../protocol/fields.ts';
import { command } from './cli.ts';
import { waitFor } from './terminal/waiting.ts';

const HELP = `usage: npm run build

Makes dist/client: the client, its React bindings, and mint() for backends, as JavaScript with types and source maps, both as
ECMAScript and as CommonJS modules. Copy the folder into a project, install it with npm install PATH/dist/client, or make one file of it
with npm pack PATH/dist/client. Nothing is published.`;

const PROJECT = fileURLToPath(new URL('..', import.meta.url));
const OUT = resolve('dist/client');

/** The entry points of the package, and their source files. */
const ENTRIES = { index: 'client/index.ts', react: 'client/react/react.ts', mint: 'scripts/mint.ts' };

/** The versions of React that have useSyncExternalStore. An application without React installs none. */
const REACT = '>=18';

/** Both kinds of modules. A CommonJS project in TypeScript needs its own kind of type files. */
const KINDS = [
  { format: 'esm', script: '.js', types: '.d.ts' },
  { format: 'cjs', script: '.cjs', types: '.d.cts' },
] as const;

await command(HELP, {}, async () => {
  rmSync(OUT, { recursive: true, force: true });
  mkdirSync(OUT, { recursive: true });
  for (const { format, script } of KINDS) await build(bundleOf(format, script));
  await waitFor('writing the types', writeTypes(), { isShared: true });
  writeFileSync(join(OUT, 'package.json'), `${JSON.stringify(manifest(), null, 2)}\n`);
  cpSync(join(PROJECT, 'LICENSE'), join(OUT, 'LICENSE'));
  // mint() contains jose, whose licence must be passed on.
  cpSync(join(PROJECT, 'node_modules/jose/LICENSE.md'), join(OUT, 'LICENSE-jose.md'));
  process.stdout.write(`${OUT}\n`);
});

/** Bundles each entry into one file, so that a page without a bundler loads it with one request. */
function bundleOf(format: 'esm' | 'cjs', extension: string): BuildOptions {
  return {
    absWorkingDir: PROJECT,
    entryPoints: ENTRIES,
    outdir: OUT,
    outExtension: { '.js': extension },
    bundle: true,
    format,
    platform: 'neutral',
    target: 'es2022',
    sourcemap: true,
    external: ['react'],
  };
}

/**
 * Writes the types. esbuild writes none, so tsc writes a file for each source into types/. Each entry gets a file that
 * exports its types.
 */
async function writeTypes(): Promise<void> {
  const types = join(OUT, 'types');
  const tsc = ['-p', join(PROJECT, 'tsconfig.build.json'), '--outDir', types];
  const [status] = await once(spawn('tsc', tsc, { stdio: 'inherit' }), 'close');
  if (status !== 0) throw new Error('tsc failed, see above');
  for (const file of globSync('**/*.d.ts', { cwd: types })) {
    const text = readFileSync(join(types, file), 'utf8');
    for (const kind of KINDS) {
      // The sources import ".ts" files, which the package does not contain.
      const path = join(types, file.replace(/\.d\.ts$/, kind.types));
      writeFileSync(path, text.replace(/(from '\.{1,2}\/[^']+)\.ts'/g, `$1${kind.script}'`));
    }
  }
  for (const [entry, source] of Object.entries(ENTRIES)) {
    for (const { script, types } of KINDS) {
      const from = source.replace(/\.ts$/, script);
      writeFileSync(join(OUT, entry + types), `export * from './types/${from}';\n`);
    }
  }
}

function manifest(): object {
  const { version, license, engines } = fieldsOf(
    JSON.parse(readFileSync(join(PROJECT, 'package.json'), 'utf8')),
  );
  return {
    name: 'tidings-client',
    version,
    description: 'The client of a Tidings hub: reads and publishes by the best transport that works',
    private: true,
    license,
    type: 'module',
    sideEffects: false,
    engines,
    main: './index.cjs',
    module: './index.js',
    types: './index.d.ts',
    exports: {
      '.': entryOf('index'),
      './react': entryOf('react'),
      // The signing key must not be in a page, so bundlers for browsers refuse this import.
      './mint': { browser: null, ...entryOf('mint') },
      './package.json': './package.json',
    },
    peerDependencies: { react: REACT },
    peerDependenciesMeta: { react: { optional: true } },
  };
}

function entryOf(name: string): object {
  return {
    import: { types: `./${name}.d.ts`, default: `./${name}.js` },
    require: { types: `./${name}.d.cts`, default: `./${name}.cjs` },
  };
}
