/**
 * What a check is: it asks the hub something over the wire, and says what came.
 * @module
 */
import type { Session } from './session.ts';

/** What came is no answer to the question, since that cannot be seen from outside. */
export interface Unseen {
  readonly unseen: string;
}

export interface Check {
  /** What `--only` calls it by, from 1 on. */
  readonly number: number;
  readonly title: string;
  /** What is promised. */
  readonly expected: string;
  /** Returns what came. @throws Error whose message is what came, if that is not what was expected */
  readonly run: (session: Session) => Promise<string | Unseen>;
}

export type Verdict = 'pass' | 'FAIL' | 'unseen';

export interface Outcome {
  readonly check: Check;
  readonly verdict: Verdict;
  readonly came: string;
}

/** @param came why the check can say nothing, and what would let it */
export const unseen = (came: string): Unseen => ({ unseen: came });

/** @throws Error that says what came, unless that is as expected */
export function expectThat(isAsExpected: boolean, came: string): asserts isAsExpected {
  if (!isAsExpected) throw new Error(came);
}

/** Runs a check. It never throws: what goes wrong is what came. */
export async function outcomeOf(check: Check, session: Session): Promise<Outcome> {
  try {
    const came = await check.run(session);
    return typeof came === 'string'
      ? { check, verdict: 'pass', came }
      : { check, verdict: 'unseen', came: came.unseen };
  } catch (error) {
    return { check, verdict: 'FAIL', came: reasonOf(error) };
  }
}

/** `fetch failed` says nothing: what it was is in the cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === 'TimeoutError') return 'no answer in time';
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}
