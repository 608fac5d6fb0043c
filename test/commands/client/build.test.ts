/**
 * `npm run build`: its package is installed in, or copied into, projects of every usual kind, compiled and run.
 * @module
 */
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { build } from 'esbuild';
import { jwtVerify } from 'jose';
import { publint } from 'publint';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { run, temporaryDirectory } from '../support.ts';
import { CONSUMERS, type Consumer, writeConsumer } from './consumers.ts';
import { type Application, installPacked, ROOT } from './packed.ts';

const directory = temporaryDirectory();
const { path: cwd } = directory;
const installed = join(cwd, 'app/node_modules/tidings-client');
afterAll(() => directory.remove());

let application: Application;
const spawned: Application['spawned'] = (...args) => application.spawned(...args);
const compile: Application['compile'] = (...args) => application.compile(...args);

beforeAll(async () => {
  // The types that the templates of Vite name.
  application = await installPacked(cwd, ['vite']);
});

const placeOf = ({ name }: Consumer, how: string): string =>
  join(cwd, 'app', how, name.toLowerCase().replaceAll(' ', '-'));

describe.each(CONSUMERS)('$name, with the options of its template', (consumer) => {
  test('compiles when the package is installed', () => {
    compile(writeConsumer(placeOf(consumer, 'installed'), consumer, 'tidings-client'));
  });

  test('compiles when the folder is copied', () => {
    const place = placeOf(consumer, 'copied');
    cpSync(application.built, join(place, 'src/tidings'), { recursive: true });
    const file = consumer.type === 'module' ? 'index.js' : 'index.cjs';
    compile(writeConsumer(place, consumer, `./tidings/${file}`));
  });

  test('compiles when the types of the package are checked as well', () => {
    const config = writeConsumer(placeOf(consumer, 'checked'), consumer, 'tidings-client');
    compile(config, '--skipLibCheck', 'false', '--types', '');
  });
});

test('the sources compile in a project of Vite', () => {
  const [vite] = CONSUMERS;
  if (vite === undefined) throw new Error('there is no project of Vite');
  const place = placeOf(vite, 'sources');
  // An application without React leaves its hooks out.
  const isNeeded = (path: string): boolean => !path.endsWith('client/react');
  for (const folder of ['client', 'protocol'])
    cpSync(join(ROOT, folder), join(place, 'src', folder), { recursive: true, filter: isNeeded });
  compile(writeConsumer(place, vite, './client/index.ts'));
});

describe('the packed package', () => {
  test('has nothing that publint or arethetypeswrong finds', async () => {
    const tarball = readFileSync(application.tarball);
    const { messages } = await publint({ pkgDir: installed, level: 'suggestion', pack: false });
    expect(messages).toEqual([]);
    const checked = await checkPackage(createPackageFromTarballData(new Uint8Array(tarball)));
    expect(checked.types).toMatchObject({ kind: 'included' });
    expect('problems' in checked && checked.problems).toEqual([]);
  });

  test('has no dependency, and React only if the application has it', () => {
    const manifest = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'));
    expect(manifest).not.toHaveProperty('dependencies');
    expect(manifest).toMatchObject({
      sideEffects: false,
      peerDependenciesMeta: { react: { optional: true } },
    });
    expect(Object.keys(manifest.peerDependencies)).toEqual(['react']);
    expect(readdirSync(join(cwd, 'app/node_modules')).filter((name) => !name.startsWith('.'))).toEqual([
      'tidings-client',
      'vite',
    ]);
  });

  const print = `const client = connect({ url: 'http://127.0.0.1:1', token: 'x' });
    client.close();
    mint({ key: 'k'.repeat(64), audience: 'tidings:dev', capability: { a: ['publish'] }, ttlSeconds: 60, sub: 'ada' })
      .then((token) => console.log(typeof TidingsError, token));`;

  test.each([
    [
      'import',
      'main.mjs',
      `import { connect, TidingsError } from 'tidings-client';\nimport { mint } from 'tidings-client/mint';\n${print}`,
    ],
    [
      'require',
      'main.cjs',
      `const { connect, TidingsError } = require('tidings-client');\nconst { mint } = require('tidings-client/mint');\n${print}`,
    ],
  ])('runs in Node by %s', async (_how, file, code) => {
    writeFileSync(join(cwd, 'app', file), code);
    const [kind, token = ''] = spawned(process.execPath, file).trim().split(' ');
    const { payload } = await jwtVerify(token, Buffer.from('k'.repeat(64)), { audience: 'tidings:dev' });
    expect([kind, payload.sub, payload.capability]).toEqual(['function', 'ada', { a: ['publish'] }]);
  });

  test('publishes to a hub and reads from it, with both kinds of modules', async () => {
    const hub = run(cwd, 'scripts/start.ts', '--port', '0');
    onTestFinished(async () => {
      hub.process.kill('SIGINT');
      await hub.ended;
    });
    await expect.poll(() => hub.output(), { timeout: 120_000, interval: 50 }).toContain('is ready');
    const { url, token } = JSON.parse(readFileSync(join(cwd, '.tidings/local.json'), 'utf8'));
    const talk = `async function talk() {
      const hub = connect(${JSON.stringify({ url, token })});
      await hub.publish('built', [process.argv[1].slice(-4)]);
      for await (const { messages } of hub.messages('built', { offset: '-1' })) {
        console.log(JSON.stringify(messages));
        break;
      }
      hub.close();
    }
    talk();`;
    writeFileSync(join(cwd, 'app/talk.mjs'), `import { connect } from 'tidings-client';\n${talk}`);
    writeFileSync(join(cwd, 'app/talk.cjs'), `const { connect } = require('tidings-client');\n${talk}`);
    expect(JSON.parse(spawned(process.execPath, 'talk.mjs'))).toEqual(['.mjs']);
    expect(JSON.parse(spawned(process.execPath, 'talk.cjs'))).toEqual(['.mjs', '.cjs']);
  });

  test('has source maps that contain the sources', () => {
    for (const file of [
      'index.js.map',
      'index.cjs.map',
      'mint.js.map',
      'mint.cjs.map',
      'react.js.map',
      'react.cjs.map',
    ]) {
      const { sources, sourcesContent } = JSON.parse(readFileSync(join(installed, file), 'utf8'));
      expect(
        sources.some((source: string) => /(client\/index|scripts\/mint|react\/react)\.ts$/.test(source)),
      ).toBe(true);
      expect(sourcesContent).toHaveLength(sources.length);
    }
  });

  const bundled = async (code: string) => {
    const stdin = { contents: code, resolveDir: join(cwd, 'app') };
    const options = { bundle: true, write: false, platform: 'browser', logLevel: 'silent' } as const;
    return (await build({ stdin, ...options })).outputFiles[0]?.text ?? '';
  };

  test('is not in a bundle that does not use it, and mint() is never in a page', async () => {
    expect(await bundled(`import { connect } from 'tidings-client'; connect({ url: 'x' })`)).toContain(
      'tidings.v1',
    );
    expect(await bundled(`import { connect } from 'tidings-client';`)).not.toContain('tidings.v1');
    await expect(bundled(`import { mint } from 'tidings-client/mint'; mint({})`)).rejects.toThrow(
      'tidings-client',
    );
  });
});
