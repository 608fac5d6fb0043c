/**
 * The documents as a newcomer uses them: the README is short, the index has all pages, headings name things, links work, and commands
 * can be pasted.
 * @module
 */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../../..');
const PAGES = globSync(['*.md', '{docs,client,examples,.github}/**/*.md'], { cwd: ROOT }).sort();
/** Bytes. Newcomers read a page of this size to its end. */
const MAX_README = 8_192;

const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');

/** Returns a page without its code blocks, in which brackets are no links. */
const proseOf = (file: string): string => read(file).replace(/^```[\s\S]*?^```/gm, '');

/** Returns the targets of the links and pictures of a page. */
const linksOf = (file: string): string[] =>
  [...proseOf(file).matchAll(/\]\(([^()\s]+)\)/g)].map(([, target = '']) => target);

/** Returns the anchors that GitHub gives to the headings of a page. */
const anchorsOf = (file: string): Set<string> =>
  new Set(
    [...proseOf(file).matchAll(/^#{1,6} (.+)$/gm)].map(([, heading = '']) =>
      heading
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );

/** Returns true if a relative link of a page leads to a file of the project, and to a heading in it. */
function isValid(from: string, target: string): boolean {
  const [path = '', anchor] = target.split('#');
  const file = path === '' ? from : normalize(join(dirname(from), path));
  if (file.startsWith('..') || !existsSync(join(ROOT, file))) return false;
  return anchor === undefined || (file.endsWith('.md') && anchorsOf(file).has(anchor));
}

test('README.md is short', () => {
  expect(Buffer.byteLength(read('README.md'))).toBeLessThan(MAX_README);
});

// A decision is a sentence; a section is about a thing, and its name is in a table of contents.
test('headings are nouns, not questions', () => {
  const headings = PAGES.filter((page) => !page.startsWith('docs/adr/')).flatMap((page) =>
    [...proseOf(page).matchAll(/^#{1,6} (.+)$/gm)].map(([, heading = '']) => `${page}: ${heading}`),
  );
  expect(headings.length).toBeGreaterThan(100);
  expect(
    headings.filter((heading) => /: ([\d.]+ )?(What|How|Why|When|Where|Who|Which)\b/.test(heading)),
  ).toEqual([]);
});

test('docs/README.md has every page of docs/', () => {
  const listed = linksOf('docs/README.md').map((target) => join('docs', target));
  const pages = PAGES.filter((page) => /^docs\/[^/]+\.md$/.test(page) && page !== 'docs/README.md');
  expect(pages.length).toBeGreaterThan(5);
  expect(pages.filter((page) => !listed.includes(page))).toEqual([]);
});

// In an interactive zsh, the shell of macOS, `#` does not begin a comment, and the words after it would be arguments of the command.
test.each(PAGES.filter((page) => /^(README\.md|docs|client|examples)/.test(page)))(
  '%s: no command to paste ends with a comment',
  (page) => {
    const blocks = [...read(page).matchAll(/^```sh\n([\s\S]*?)^```/gm)].map(([, block = '']) => block);
    const lines = blocks.flatMap((block) => block.split('\n'));
    expect(lines.filter((line) => /(^|\s)#/.test(line))).toEqual([]);
  },
);

describe('every link leads to a file, and to a heading', () => {
  test.each(PAGES)('%s', (page) => {
    const links = linksOf(page).filter((target) => !/^[a-z]+:/.test(target));
    expect(links.filter((target) => !isValid(page, target))).toEqual([]);
  });

  test('the check finds broken links', () => {
    expect(linksOf('README.md').length).toBeGreaterThan(20);
    expect(isValid('docs/README.md', '../PROTOCOL.md#8-limits')).toBe(true);
    expect(isValid('docs/README.md', '../PROTOCOL.md#no-such-heading')).toBe(false);
    expect(isValid('docs/README.md', 'no-such-page.md')).toBe(false);
  });
});
