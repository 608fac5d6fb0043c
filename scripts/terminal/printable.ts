/**
 * Text of other people, made harmless for a terminal. Names and messages may have escape sequences, which move the cursor or
 * type into a shell, and marks of direction, which show one text as another (https://trojansource.codes).
 * @module
 */

/** Control characters, invisible marks, lone surrogates, private characters, and separators of lines. */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/gu;

/** Returns the text in one line, with each character that a terminal does not show as `\uXXXX`. */
export const printable = (text: string): string => text.replace(UNSAFE, escaped);

/** Returns the text with each such character as `\uXXXX`, except tabs and ends of lines. */
export const printableLines = (text: string): string =>
  text.replace(UNSAFE, (character) => (/[\n\t]/.test(character) ? character : escaped(character)));

/** Returns a value as JSON in one line. The escapes are those of JSON, so every reader of JSON finds the same value. */
export const jsonLine = (value: unknown): string => printable(JSON.stringify(value) ?? 'null');

const escaped = (character: string): string =>
  character
    .split('')
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .join('');
