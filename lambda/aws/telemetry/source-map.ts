/**
 * Stack traces of the bundle as those of the sources. Node itself can do that (`--enable-source-maps`), but then reads the map
 * in every cold start: 8 ms of CPU time and 7 MB. Here the first defect reads it.
 * @module
 */
import { readFileSync } from 'node:fs';
import { SourceMap } from 'node:module';
import { fileURLToPath } from 'node:url';
import { fieldsOf } from '../../../protocol/fields.ts';

/** The file of this module: the bundle, when this runs on Lambda. */
const BUNDLE = import.meta.url;

/** A position in the bundle: a URL or path of this file, line and column. */
const POSITION = /(?:file:\/\/)?(\/[^\s()]+):(\d+):(\d+)/g;

/** The most causes whose stacks are changed, because an error may be its own cause. */
const MAX_CAUSES = 5;

let read: { readonly map: SourceMap | undefined } | undefined;

/** Returns the map beside the bundle; undefined if there is none, as in tests. */
function mapOf(path: string): SourceMap | undefined {
  try {
    return new SourceMap(JSON.parse(readFileSync(`${path}.map`, 'utf8')));
  } catch {
    return undefined;
  }
}

/** Changes the stack of an error, and of its causes, to positions in the sources. */
export function showSources(error: unknown, depth = 0): void {
  if (!(error instanceof Error) || depth > MAX_CAUSES) return;
  const path = fileURLToPath(BUNDLE);
  read ??= { map: mapOf(path) };
  const { map } = read;
  if (!map) return;
  const stack = error.stack ?? '';
  error.stack = stack.replace(POSITION, (position, file: string, line: string, column: string) => {
    if (file !== path) return position;
    const { fileName, lineNumber, columnNumber } = fieldsOf(map.findOrigin(Number(line), Number(column)));
    return fileName === undefined ? position : `${fileName}:${lineNumber}:${columnNumber}`;
  });
  showSources(error.cause, depth + 1);
}
