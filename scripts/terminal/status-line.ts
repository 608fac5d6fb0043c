/**
 * A last line on a terminal that changes in place, below the lines that stay. Elsewhere there is none.
 * @module
 */
import { cut } from './table.ts';
import { clearWaiting } from './waiting.ts';

/** Goes to the beginning of the line, and removes what is there. */
const CLEAR = '\r\u001b[2K';
const COLUMNS = 80;

/** The part of a stream that the line needs. */
export interface Terminal {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  readonly write: (text: string) => unknown;
}

/** The lines of a command, and its status below them. */
export interface StatusLine {
  /** Prints a line that stays, above the status. */
  readonly say: (line: string) => void;
  /** Shows another status. Does nothing where there is no terminal. */
  readonly show: (status: string) => void;
  /** Removes the status. */
  readonly end: () => void;
}

/** Returns a status line on a stream. */
export function statusLineOn(terminal: Terminal): StatusLine {
  let status = '';
  // A line that fills the terminal would wrap, and then only its second half could be removed.
  const shown = (): string => cut(status, (terminal.columns ?? COLUMNS) - 1);
  const hasStatus = (): boolean => terminal.isTTY === true && status !== '';
  return {
    say(line) {
      clearWaiting();
      terminal.write(hasStatus() ? `${CLEAR}${line}\n${shown()}` : `${line}\n`);
    },
    show(next) {
      if (next === status || !terminal.isTTY) return;
      status = next;
      terminal.write(`${CLEAR}${shown()}`);
    },
    end() {
      if (hasStatus()) terminal.write(CLEAR);
      status = '';
    },
  };
}
