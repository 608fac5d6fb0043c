/**
 * A check: sends requests to the hub over the wire, and reports the result.
 * @module
 */
import type { Session } from './session.ts';

/** The result cannot be seen from outside. */
export interface Unseen {
  readonly unseen: string;
}

export interface Check {
  /** Its number for `--only`, from 1. */
  readonly number: number;
  readonly title: string;
  /** What is promised. */
  readonly expected: string;
  /** Returns what came. @throws Error whose message is what came, if that is not what was expected */
  readonly run: (session: Session) => Promise<string | Unseen>;
}

export type Result = 'pass' | 'FAIL' | 'unseen';

export interface Outcome {
  readonly check: Check;
  readonly result: Result;
  readonly came: string;
}

/** @param came why the check can say nothing, and what would let it */
export const unseen = (came: string): Unseen => ({ unseen: came });

/** Checks one expectation. @throws Error with what came, if it is not as expected */
export function expectThat(isAsExpected: boolean, came: string): asserts isAsExpected {
  if (!isAsExpected) throw new Error(came);
}

/** Runs a check. Never throws: an error becomes the verdict FAIL. */
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

/** Returns the message of an error, with its cause: `fetch failed` alone does not tell the reason. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === 'TimeoutError') return 'no answer in time';
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}
