/**
 * The projects into which the client is built, with the options that their templates set. They were looked up in
 * November 2026. Each has the URL of its template.
 * @module
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

export interface Consumer {
  readonly name: string;
  /** The URL of the template. */
  readonly source: string;
  readonly type: 'module' | 'commonjs';
  /** The configuration files. The last one is compiled. */
  readonly configs: Readonly<Record<string, object>>;
  /** Returns the code that imports the client. `module` is its path or name. */
  readonly importOf: (names: string, module: string) => string;
}

/** The configuration that `tsc --init` of TypeScript 5.9 and later writes. */
const INIT = {
  module: 'nodenext',
  target: 'esnext',
  types: [],
  sourceMap: true,
  declaration: true,
  declarationMap: true,
  noUncheckedIndexedAccess: true,
  exactOptionalPropertyTypes: true,
  strict: true,
  jsx: 'react-jsx',
  verbatimModuleSyntax: true,
  isolatedModules: true,
  noUncheckedSideEffectImports: true,
  moduleDetection: 'force',
  skipLibCheck: true,
};

/** The options that the templates of Vite share. */
const VITE = {
  target: 'es2023',
  module: 'esnext',
  lib: ['ES2023', 'DOM'],
  types: ['vite/client'],
  allowArbitraryExtensions: true,
  skipLibCheck: true,
  moduleResolution: 'bundler',
  allowImportingTsExtensions: true,
  verbatimModuleSyntax: true,
  moduleDetection: 'force',
  noEmit: true,
  noUnusedLocals: true,
  noUnusedParameters: true,
  erasableSyntaxOnly: true,
  noFallthroughCasesInSwitch: true,
};

const importing = (names: string, module: string): string => `import ${names} from '${module}';`;
/** For a CommonJS file, in which `verbatimModuleSyntax` forbids `import … from`. */
const requiring = (names: string, module: string): string =>
  `import client = require('${module}');\nconst ${names} = client;`;

export const CONSUMERS: readonly Consumer[] = [
  {
    name: 'Vite vanilla-ts',
    source: 'https://github.com/vitejs/vite/blob/main/packages/create-vite/template-vanilla-ts/tsconfig.json',
    type: 'module',
    configs: { 'tsconfig.json': { compilerOptions: VITE, include: ['src'] } },
    importOf: importing,
  },
  {
    name: 'Vite react-ts',
    source:
      'https://github.com/vitejs/vite/blob/main/packages/create-vite/template-react-ts/tsconfig.app.json',
    type: 'module',
    configs: {
      'tsconfig.app.json': {
        compilerOptions: {
          ...VITE,
          tsBuildInfoFile: './node_modules/.tmp/tsconfig.app.tsbuildinfo',
          jsx: 'react-jsx',
        },
        include: ['src'],
      },
    },
    importOf: importing,
  },
  {
    name: 'Next',
    source:
      'https://github.com/vercel/next.js/blob/canary/packages/create-next-app/templates/app/ts/tsconfig.json',
    type: 'commonjs',
    configs: {
      'tsconfig.json': {
        compilerOptions: {
          target: 'ES2017',
          lib: ['dom', 'dom.iterable', 'esnext'],
          allowJs: true,
          skipLibCheck: true,
          strict: true,
          noEmit: true,
          esModuleInterop: true,
          module: 'esnext',
          moduleResolution: 'bundler',
          resolveJsonModule: true,
          isolatedModules: true,
          jsx: 'react-jsx',
          incremental: true,
          plugins: [{ name: 'next' }],
          paths: { '@/*': ['./*'] },
        },
        include: [
          'next-env.d.ts',
          '**/*.ts',
          '**/*.tsx',
          '.next/types/**/*.ts',
          '.next/dev/types/**/*.ts',
          '**/*.mts',
        ],
        exclude: ['node_modules'],
      },
    },
    importOf: importing,
  },
  {
    name: 'Angular',
    source:
      'https://github.com/angular/angular-cli/tree/main/packages/schematics/angular (workspace/files/tsconfig.json.template, application/files/common-files/tsconfig.app.json.template)',
    type: 'commonjs',
    configs: {
      'tsconfig.json': {
        compileOnSave: false,
        compilerOptions: {
          noImplicitOverride: true,
          noPropertyAccessFromIndexSignature: true,
          noImplicitReturns: true,
          noFallthroughCasesInSwitch: true,
          skipLibCheck: true,
          isolatedModules: true,
          experimentalDecorators: true,
          importHelpers: true,
          target: 'ES2022',
          module: 'preserve',
        },
        angularCompilerOptions: {
          enableI18nLegacyMessageIdFormat: false,
          strictInjectionParameters: true,
          strictInputAccessModifiers: true,
        },
        files: [],
      },
      'tsconfig.app.json': {
        extends: './tsconfig.json',
        compilerOptions: { types: [] },
        include: ['src/**/*.ts'],
        exclude: ['src/**/*.spec.ts'],
      },
    },
    importOf: importing,
  },
  {
    name: 'nodenext',
    source: 'tsc --init of TypeScript 5.9 and later',
    type: 'module',
    configs: { 'tsconfig.json': { compilerOptions: INIT } },
    importOf: importing,
  },
  {
    name: 'nodenext in a CommonJS package',
    source: 'tsc --init of TypeScript 5.9 and later',
    type: 'commonjs',
    configs: { 'tsconfig.json': { compilerOptions: INIT } },
    importOf: requiring,
  },
  {
    name: 'commonjs',
    source:
      'tsc --init of TypeScript up to 5.8: https://github.com/microsoft/TypeScript/tree/v5.8.3/tests/baselines/reference/config/initTSConfig',
    type: 'commonjs',
    configs: {
      'tsconfig.json': {
        compilerOptions: {
          target: 'es2016',
          module: 'commonjs',
          esModuleInterop: true,
          forceConsistentCasingInFileNames: true,
          strict: true,
          skipLibCheck: true,
        },
      },
    },
    importOf: importing,
  },
];

/** The code of an application. Its last line is an error if the types are known. */
const program = (imports: string): string => `${imports}
async function main(hub: Hub): Promise<void> {
  const onMessages = ({ messages, next }: Batch): void => console.log(messages.length, next);
  const onError = (error: Error): void => console.log(error instanceof TidingsError && error.code);
  const subscription = hub.subscribe('chat/room1', { offset: '-1', onMessages, onError });
  const { offset } = await hub.publish('chat/room1', [{ text: 'hello' }]);
  for await (const batch of hub.messages('chat/room1', { offset })) onMessages(batch);
  subscription.close();
  // @ts-expect-error: a channel is a string
  hub.subscribe(1, { onMessages });
}
main(connect({ url: 'https://hub.example', token: async () => 'token' })).catch(console.log);
`;

/**
 * Writes the project into the directory. Returns the path of the configuration to compile.
 * @param module the path or name of the client
 */
export function writeConsumer(directory: string, consumer: Consumer, module: string): string {
  const { type, configs, importOf } = consumer;
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), text);
  };
  write(
    'package.json',
    JSON.stringify({ name: 'consumer', private: true, ...(type === 'module' && { type }) }),
  );
  for (const [path, config] of Object.entries(configs)) write(path, JSON.stringify(config));
  const types = `import type { Batch, Hub } from '${module}';`;
  write('src/main.ts', program(`${importOf('{ connect, TidingsError }', module)}\n${types}`));
  return join(directory, Object.keys(configs).at(-1) ?? '');
}
