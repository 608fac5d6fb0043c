/**
 * The check of plain words: it finds every word of its list in what people read, and in nothing else.
 * @module
 */
import { describe, expect, test } from 'vitest';
import { findWords, lineOf } from '../../scripts/prose/find-words.ts';
import { WORDS } from '../../scripts/prose/words.ts';

describe.each(WORDS)('$pattern', ({ example, instead }) => {
  test.each<[string, string, string]>([
    ['a page', 'page.md', `# Title\n\n${example}\n`],
    ['a line comment', 'a.ts', `const a = 1;\n\n// ${example}\n`],
    ['a docstring', 'a.ts', `/**\n *\n * ${example}\n */\nexport const a = 1;\n`],
    ['the title of a test', 'a.test.ts', `import { test } from 'vitest';\n\ntest('${example}', () => {});\n`],
    ['a template', 'a.mjs', `const a = 1;\n\nsay(\`\${a} ${example} \${a}\`);\n`],
  ])('is found in %s', (_, file, text) => {
    const findings = findWords(file, text);
    expect(findings.map(({ line }) => line)).toEqual([3]);
    expect(findings.map(lineOf)).toEqual([expect.stringContaining(`${file}:3 `)]);
    expect(findings.map(lineOf)).toEqual([expect.stringContaining(`write ${instead}`)]);
  });
});

test.each<[string, string, string]>([
  ['identifiers', 'a.ts', 'const door = errand.lane; const seats = { his: whom(door) };'],
  ['short texts, which are names or values', 'a.ts', `const a = ['door', "his seat", \`errand\`];`],
  ['regular expressions', 'a.ts', 'const a = /door his seat anew/;'],
  ['code in back-ticks', 'a.ts', '// The attribute `lane` keeps its name.'],
  ['blocks of code', 'page.md', '```sh\nnpm start -- --harsh door\n```\n'],
  ['addresses', 'page.md', 'See https://example.com/door and [this](docs/door.md).'],
  ['paths', 'page.md', 'The file lambda/door.ts and door.test.ts.'],
  ['the front door', 'page.md', 'A front door is a CloudFront distribution.'],
  ['letters of an alphabet', 'page.md', 'It has letters and digits. A letter or a digit begins it.'],
  ['longer words', 'page.md', 'Heat, hearing, recommend, planes, legal, doorstep.'],
])('%s are not found', (_, file, text) => {
  expect(findWords(file, text)).toEqual([]);
});

test('a match may cross the end of a line, and never code', () => {
  expect(findWords('page.md', 'It follows the\nletter.').map(({ found }) => found)).toEqual(['the letter']);
  const comment = '/**\n * The hub has it\n * wait.\n */\n// And in\n// vain.\n';
  expect(findWords('a.ts', comment).map(({ line, found }) => [line, found])).toEqual([
    [2, 'has it wait'],
    [5, 'in vain'],
  ]);
  expect(findWords('a.ts', 'f(/* sent in */ a /* vain, */);\n// It is in\nconst a = 1;\n// vain.')).toEqual(
    [],
  );
});

test('a source that does not parse fails the check', () => {
  expect(() => findWords('a.ts', 'const = ;')).toThrow('a.ts does not parse');
});
