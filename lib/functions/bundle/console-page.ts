/**
 * The page of the console: its script and its style, bundled for browsers, with names that have a hash of their text.
 * @module
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';

const FOLDER = fileURLToPath(new URL('../../../console', import.meta.url));

const TYPES: Readonly<Record<string, string>> = {
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
};

/** Characters of a hash in a name: 60 bits. */
const HASH_LENGTH = 10;

/** The page, and the files that it loads (lambda/http/answer-console.ts). */
export interface BuiltConsole {
  /** The HTML. */
  readonly html: string;
  /** The files, with their media types. */
  readonly files: readonly { readonly name: string; readonly type: string; readonly text: string }[];
}

/** Builds the page. It is the same on every machine. */
export function buildConsole(): BuiltConsole {
  const { outputFiles } = buildSync({
    absWorkingDir: FOLDER,
    entryPoints: { app: 'main.tsx', style: 'style.css' },
    outdir: FOLDER,
    write: false,
    bundle: true,
    platform: 'browser',
    target: 'es2022',
    format: 'esm',
    jsx: 'automatic',
    jsxImportSource: 'preact',
    minify: true,
    legalComments: 'none',
    logLevel: 'error',
  });
  const files = outputFiles.map(({ path, text }) => {
    const hash = createHash('sha256')
      .update(text)
      .digest('base64url')
      .replace(/[-_]/g, '')
      .slice(0, HASH_LENGTH);
    const extension = extname(path);
    return { name: `${extension.slice(1)}-${hash}${extension}`, type: TYPES[extension] ?? '', text };
  });
  const template = readFileSync(join(FOLDER, 'page.html'), 'utf8');
  const nameOf = (extension: string): string =>
    files.find(({ name }) => name.endsWith(extension))?.name ?? '';
  const html = template.replace('SCRIPT_NAME', nameOf('.js')).replace('STYLE_NAME', nameOf('.css'));
  return { html, files };
}
