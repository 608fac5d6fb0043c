/**
 * Notes on standard error, and what a command says while it waits. So nobody waits in silence.
 * @module
 */
import { printableLines } from './printable.ts';
import { cut } from './table.ts';

/** Time without a word, in milliseconds. Most commands have ended before. */
const SILENT_MS = 1_500;
/** Time until the same line shows another number of seconds on a terminal, in milliseconds. */
const REFRESH_MS = 1_000;
const COLUMNS = 80;
/** Times until the next lines in a file or a pipe, in milliseconds. A deployment takes minutes, and its log should not be long. */
const NEXT_LINES_MS = [5_000, 10_000, 20_000, 30_000];
const LATER_LINES_MS = 60_000;

/** True while the last line of the terminal says what the command waits for. */
let isWaiting = false;
/** True while some work is waited for. Work within it says nothing more. */
let isWithin = false;

/** Prints a line on standard error, so that standard output has only results. */
export function note(line: string): void {
  clearWaiting();
  process.stderr.write(`${printableLines(line)}\n`);
}

/** Removes the line that says what the command waits for, before something else is printed. */
export function clearWaiting(): void {
  if (!isWaiting) return;
  isWaiting = false;
  process.stderr.write('\r\u001b[2K');
}

/** What is known of some work. */
export interface Work {
  /** Returns how far it is. */
  readonly howFar?: (() => string) | undefined;
  /** True if another program writes to the same terminal. It would write into a line that changes in place. */
  readonly isShared?: boolean;
}

/**
 * Waits for some work. If the work takes longer than a moment, says what it is and how long it has taken: on a terminal in one
 * line that changes, elsewhere in a line now and then.
 */
export async function waitFor<T>(
  step: string,
  work: Promise<T>,
  { howFar, isShared = false }: Work = {},
): Promise<T> {
  if (isWithin) return await work;
  isWithin = true;
  const isLive = process.stderr.isTTY && !isShared;
  const started = performance.now();
  let lines = 0;
  const tell = (): void => {
    const far = howFar === undefined ? '' : `, ${howFar()}`;
    const line = `${step} … ${timeOf(performance.now() - started)}${far}`;
    if (isLive) process.stderr.write(`\r\u001b[2K${cut(line, (process.stderr.columns ?? COLUMNS) - 1)}`);
    else note(line);
    isWaiting = isLive;
    timer = setTimeout(tell, isLive ? REFRESH_MS : (NEXT_LINES_MS[lines++] ?? LATER_LINES_MS));
  };
  let timer = setTimeout(tell, SILENT_MS);
  try {
    return await work;
  } finally {
    isWithin = false;
    clearTimeout(timer);
    clearWaiting();
  }
}

/** Returns milliseconds as people say them: `7 s`, `2 min 5 s`. */
export function timeOf(ms: number): string {
  const seconds = Math.round(ms / 1_000);
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}
