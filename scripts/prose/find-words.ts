/**
 * Finds the words of the list in the prose of the project.
 * @module
 */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { proseOf } from './prose-of.ts';
import { WORDS } from './words.ts';

/** A refused word in a text. */
export interface Finding {
  /** Path of the file, from the root of the project. */
  readonly file: string;
  /** Counts from 1. */
  readonly line: number;
  /** The words as they stand there. */
  readonly found: string;
  /** The reason for which the word is refused. */
  readonly reason: string;
  /** The words to write instead. */
  readonly instead: string;
}

/** Has the words as data, or as examples. */
const EXEMPT = ['scripts/prose/words.ts', 'test/commands/words.test.ts'];
/** The files that people read: documents, sources, descriptions of interfaces. */
const PROSE = [
  '*.md',
  'vitest.config.ts',
  'test/threats.json',
  '{bin,lib,lambda,protocol,local,scripts,bench,client,console,examples,test,docs,.github}/**/*.{md,ts,tsx,mjs,cjs,js,yaml,yml}',
];

const PATTERNS = WORDS.map((word) => ({
  ...word,
  regex: new RegExp(`\\b(?:${word.pattern.replaceAll(' ', '\\s+')})(?!\\w)`, 'gi'),
}));

/** Prints the findings of all files below a folder. Returns how many there are, and one check passed if there are none. */
export function checkWords(root: string): { readonly passed: number; readonly failed: number } {
  const findings = globSync(PROSE, { cwd: root })
    .filter((file) => !EXEMPT.includes(file))
    .sort()
    .flatMap((file) => findWords(file, readFileSync(join(root, file), 'utf8')));
  for (const finding of findings) process.stdout.write(`${lineOf(finding)}\n`);
  return { passed: findings.length === 0 ? 1 : 0, failed: findings.length };
}

/** Returns the findings of one file, in the order of its lines. */
export function findWords(file: string, text: string): Finding[] {
  const prose = proseOf(file, text);
  return PATTERNS.flatMap(({ regex, reason, instead }) =>
    [...prose.matchAll(regex)].map(({ 0: found, index }) => ({
      file,
      line: prose.slice(0, index).split('\n').length,
      found: found.replace(/\s+/g, ' '),
      reason,
      instead,
    })),
  ).sort((a, b) => a.line - b.line);
}

/** Returns one line for people: the place, the word, what to write instead, and why. */
export function lineOf({ file, line, found, reason, instead }: Finding): string {
  return `${file}:${line} "${found.trim()}": write ${instead} (${reason})`;
}
