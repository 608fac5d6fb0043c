/**
 * Tables for people, at most 100 columns wide. Programs read `--json` instead.
 * @module
 */
import { styleText } from 'node:util';
import { ownValue } from '../../protocol/fields.ts';
import { printable } from './printable.ts';

/** The widest line that a command prints, in columns. */
const MOST_COLUMNS = 100;
const GAP = '  ';

/** Characters that take two columns of a terminal: East Asian ones, and pictures. */
const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u;

/** A column of a table. */
export interface Column {
  /** The head of the column. */
  readonly head: string;
  /** True for a text that is cut if the table is too wide. Ids are never cut, because people copy them. */
  readonly isCut?: boolean;
}

/**
 * Returns a table as lines: the heads, and one line for each row. Cells that are too wide end with `…`. Every text in it is
 * printable.
 */
export function tableOf(columns: readonly Column[], rows: readonly (readonly string[])[]): string[] {
  const cells = rows.map((row) => row.map(printable));
  const widths = columns.map(({ head }, at) =>
    Math.max(widthOf(head), ...cells.map((row) => widthOf(row[at] ?? ''))),
  );
  const all = widths.reduce((sum, width) => sum + width, 0) + GAP.length * (columns.length - 1);
  const over = Math.max(0, all - MOST_COLUMNS);
  const room = widths.map((width, at) => (columns[at]?.isCut ? width : 0));
  const widest = room.indexOf(Math.max(...room));
  const fitting = widths.map((width, at) =>
    at === widest ? Math.max(width - over, columns[at]?.head.length ?? 0) : width,
  );
  const lineOf = (row: readonly string[]): string =>
    row
      .map((cell, at) => padded(cut(cell, fitting[at] ?? 0), fitting[at] ?? 0))
      .join(GAP)
      .trimEnd();
  return [lineOf(columns.map(({ head }) => head)), ...cells.map(lineOf)];
}

/** Returns a text of one line that is indented below another one, and cut to the width of a table. */
export const below = (text: string): string => `${GAP}${cut(printable(text), MOST_COLUMNS - GAP.length)}`;

/** Returns `name  value` lines, for one thing in detail. Long values are not cut. Values that are undefined are left out. */
export function membersOf(members: Readonly<Record<string, string | undefined>>): string[] {
  const known = Object.entries(members).filter(([, value]) => value !== undefined);
  const width = Math.max(...known.map(([name]) => name.length));
  return known.map(([name, value = '']) => `${name.padEnd(width)}${GAP}${printable(value)}`);
}

/** Returns the text, or its beginning and `…` if it is wider. */
export function cut(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  let kept = '';
  let used = 1;
  for (const character of text) {
    used += widthOf(character);
    if (used > width) break;
    kept += character;
  }
  return `${kept}…`;
}

const padded = (text: string, width: number): string => text + ' '.repeat(Math.max(0, width - widthOf(text)));

const widthOf = (text: string): number =>
  [...text].reduce((sum, character) => sum + (WIDE.test(character) ? 2 : 1), 0);

const COLOURS: Readonly<Record<string, 'green' | 'yellow' | 'red'>> = {
  enabled: 'green',
  delivered: 'green',
  pending: 'yellow',
  waiting: 'yellow',
  sending: 'yellow',
  skipped: 'yellow',
  expired: 'yellow',
  disabled: 'red',
  failed: 'red',
};

/** Returns a line in which the status is in colour, on a terminal without NO_COLOR. */
export function coloured(line: string, status: string): string {
  const colour = ownValue(COLOURS, status);
  return colour === undefined
    ? line
    : line.replace(status, styleText(colour, status, { stream: process.stdout }));
}
