/**
 * A check: sends requests to the hub over the wire, and reports the result.
 * @module
 */
import type { Session } from './session.ts';

/** The result cannot be seen from outside. */
export interface Unseen {
  /** The answer that came instead. */
  readonly unseen: string;
}

/** A check of the smoke run. */
export interface Check {
  /** Its number for `--only`, from 1. */
  readonly number: number;
  /** A few words. docs/first-hour.md has the same. */
  readonly title: string;
  /** The promise of the contract. */
  readonly expected: string;
  /**
   * Returns what came.
   * @throws Error with what came, if it is not as expected
   */
  readonly run: (session: Session) => Promise<string | Unseen>;
}

/** `unseen` means that the result cannot be seen from outside. */
export type Result = 'pass' | 'FAIL' | 'unseen';

/** The result of one check. */
export interface Outcome {
  /** The check that ran. */
  readonly check: Check;
  /** Its result. */
  readonly result: Result;
  /** The answer that came, in words. */
  readonly came: string;
}

/**
 * Returns the outcome of a check that cannot decide.
 * @param came the reason, and what would let the check decide
 */
export const unseen = (came: string): Unseen => ({ unseen: came });

/**
 * Checks one expectation.
 * @throws Error with what came, if it is not as expected
 */
export function expectThat(isAsExpected: boolean, came: string): asserts isAsExpected {
  if (!isAsExpected) throw new Error(came);
}

/** Runs a check. It never throws: an error becomes the result FAIL. */
export async function outcomeOf(check: Check, session: Session): Promise<Outcome> {
  try {
    const came = await check.run(session);
    return typeof came === 'string'
      ? { check, result: 'pass', came }
      : { check, result: 'unseen', came: came.unseen };
  } catch (error) {
    return { check, result: 'FAIL', came: messageOf(error) };
  }
}

/** Returns the message of an error with its cause, because `fetch failed` alone does not tell the reason. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === 'TimeoutError') return 'no answer in time';
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}
