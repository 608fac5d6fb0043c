/**
 * The text that people read in a file: a page without its code, or the comments and sentences of a source file.
 * @module
 */
import { extname } from 'node:path';
import { parseSync, Visitor } from 'rolldown/utils';

interface Span {
  readonly start: number;
  readonly end: number;
}

/** Stands for a character that is no prose. No pattern matches it, so no match reaches across code. */
const CODE = '\u0001';
const THREE_WORDS = /[a-z]\S*\s+\S*[a-z]\S*\s+\S*[a-z]/i;
const SOURCE = new Set(['.ts', '.tsx', '.mjs', '.cjs', '.js']);

/**
 * Returns the file's text with everything but prose blanked: a match has the same offset as in the file.
 * @throws Error if a source file does not parse
 */
export function proseOf(file: string, text: string): string {
  if (!SOURCE.has(extname(file))) return withoutCode(text);
  const spans = spansOf(file, text);
  const pieces: string[] = [];
  let end = 0;
  for (const span of spans) {
    pieces.push(blank(text.slice(end, span.start)), withoutCode(text.slice(span.start, span.end)));
    end = span.end;
  }
  return [...pieces, blank(text.slice(end))].join('');
}

/** Comments, and texts of three words or more: titles of tests, errors, help. A shorter text is a name or a value. */
function spansOf(file: string, text: string): Span[] {
  const { program, comments, errors } = parseSync(file, text);
  const [error] = errors;
  if (error !== undefined) throw new Error(`${file} does not parse: ${error.message}`);
  const texts: Span[] = [];
  const note = (span: Span) => {
    if (THREE_WORDS.test(text.slice(span.start, span.end))) texts.push(span);
  };
  new Visitor({
    Literal(node) {
      if (typeof node.value === 'string') note(node);
    },
    TemplateElement: note,
    JSXText: note,
  }).visit(program);
  return [...comments, ...texts].sort((a, b) => a.start - b.start);
}

/** Code in back-ticks, fenced code, URLs, paths and targets of links are names, which prose must repeat as they are. */
function withoutCode(text: string): string {
  return text
    .replace(/^```[\s\S]*?^```/gm, blank)
    .replace(/`[^`\n]+`/g, blank)
    .replace(/\]\([^)\s]+\)/g, blank)
    .replace(/\b[a-z][a-z+.-]*:\/\/[^\s)>'"]+/gi, blank)
    .replace(/[\w.-]+\/[\w./*-]+|\b[\w-]+\.(?:test\.)?(?:ts|md|mjs|js|json)\b/g, blank)
    .replace(/^[ \t]*(?:\/?\*+|\/\/)|\/\*+|\*\/|\/\//gm, (mark) => ' '.repeat(mark.length));
}

/** White space stays, so that consecutive comments read as one text. */
function blank(text: string): string {
  return text.replace(/\S/g, CODE);
}
