/**
 * The refusal that a busy AWS service becomes.
 * @module
 */
import { Refusal } from '../../protocol/errors.ts';
import { isPassing } from './calls/retries.ts';

/** Returns the name of an error, by which AWS tells its errors apart; empty for another value. */
export const nameOf = (error: unknown): string => (error instanceof Error ? error.name : '');

/**
 * Runs one call of AWS.
 * @throws Refusal unavailable with the message for an error that passes; every other error unchanged
 */
export async function call<T>(send: () => Promise<T>, message = 'the store is busy; retry'): Promise<T> {
  try {
    return await send();
  } catch (error) {
    if (isPassing(error)) throw new Refusal('unavailable', message);
    throw error;
  }
}
