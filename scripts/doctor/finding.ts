/**
 * The result of a check: fine, a warning or a failure.
 * @module
 */

export interface Finding {
  readonly verdict: 'fine' | 'warning' | 'failure';
  /** The subject of the check, in two or three words. */
  readonly subject: string;
  /** What the check found and, for a warning or a failure, what will happen. */
  readonly text: string;
  /** The command or option that fixes it. */
  readonly fix?: string;
}

export const fine = (subject: string, text: string): Finding => ({ verdict: 'fine', subject, text });

/** The deployment succeeds, but something may surprise the operator. */
export const warning = (subject: string, text: string, fix: string): Finding => ({
  verdict: 'warning',
  subject,
  text,
  fix,
});

/** The deployment would fail, or data would be left behind. */
export const failure = (subject: string, text: string, fix: string): Finding => ({
  verdict: 'failure',
  subject,
  text,
  fix,
});

/** Formats a number with separators: `10,000`. */
export const count = (number: number): string => number.toLocaleString('en');
