/**
 * Invoking a function of Lambda. Its API has the function in the path, and the event and the answer as bodies.
 * https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
 * @module
 */
import { encodeSegment } from '../sockets/sigv4.ts';
import { type CallOptions, callsTo, jsonErrorIn } from './signed-calls.ts';

/**
 * Invokes the function and returns its answer. An error of the function is an answer, too: an object with `errorMessage`.
 * @throws CallError if Lambda did not run the function
 */
export type InvokeFunction = (event: string, options: CallOptions) => Promise<string>;

/** Returns the invocation of one function. */
export function functionCalls(): (arn: string) => InvokeFunction {
  const calls = callsTo({ service: 'lambda', contentType: 'application/octet-stream', errorIn: jsonErrorIn });
  return (arn) => calls(undefined, `/2015-03-31/functions/${encodeSegment(arn)}/invocations`);
}
