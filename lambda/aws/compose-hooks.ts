/**
 * The handlers of the hook, as functions of Lambda.
 * @module
 */
import { Refusal } from '../../protocol/errors.ts';
import { hooksEnv } from '../env.ts';
import type { Handler } from '../hub/hook.ts';
import { nameOf } from './aws-client.ts';
import { functionCalls, type InvokeFunction } from './calls/function-calls.ts';
import { isPassing } from './calls/retries.ts';

/** Errors that end soon: the time of the call is over, and the function is being updated. */
const ALSO_PASSING = ['AbortError', 'ResourceConflictException'];

/** Returns the handlers that the environment names; none if it names none. */
export function hooksInAws(environment: Readonly<Record<string, string | undefined>>): readonly Handler[] {
  const settings = hooksEnv.readIfSet(environment);
  if (!settings) return [];
  const invocationOf = functionCalls();
  return settings.HOOKS.map(([pattern, arn, timeoutMs]) => {
    const call = invocationOf(arn);
    return { pattern, invoke: (event) => invoke(call, event, timeoutMs) };
  });
}

async function invoke(call: InvokeFunction, event: string, withinMs: number): Promise<string> {
  try {
    return await call(event, { withinMs });
  } catch (error) {
    if (isPassing(error) || ALSO_PASSING.includes(nameOf(error)))
      throw new Refusal('unavailable', 'the hook of the channel is late or busy; retry');
    throw error;
  }
}
