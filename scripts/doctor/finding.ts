/**
 * What a check found: fine, a warning or a failure, in words.
 * @module
 */

export interface Finding {
  readonly verdict: 'fine' | 'warning' | 'failure';
  /** What was looked at, in two or three words. */
  readonly about: string;
  /** What is so or, for a warning and a failure, what will happen. */
  readonly says: string;
  /** The command or option that cures it. */
  readonly cure?: string;
}

export const fine = (about: string, says: string): Finding => ({ verdict: 'fine', about, says });

/** The deployment succeeds, and something is not as one may expect. */
export const warning = (about: string, says: string, cure: string): Finding => ({
  verdict: 'warning',
  about,
  says,
  cure,
});

/** The deployment would fail, or data would be left behind. */
export const failure = (about: string, says: string, cure: string): Finding => ({
  verdict: 'failure',
  about,
  says,
  cure,
});

/** A number as people read it: `10,000`. */
export const count = (number: number): string => number.toLocaleString('en');
