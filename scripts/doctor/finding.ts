/**
 * What a check found: fine, a warning or a failure, in words.
 * @module
 */

export interface Finding {
  readonly verdict: 'fine' | 'warning' | 'failure';
  /** What was looked at, in two or three words. */
  readonly subject: string;
  /** What is so or, for a warning and a failure, what will happen. */
  readonly text: string;
  /** The command or option that cures it. */
  readonly fix?: string;
}

export const fine = (subject: string, text: string): Finding => ({ verdict: 'fine', subject, text });

/** The deployment succeeds, and something is not as one may expect. */
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

/** A number as people read it: `10,000`. */
export const count = (number: number): string => number.toLocaleString('en');
