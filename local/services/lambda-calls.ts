/**
 * The Lambda API: functions that invoke functions of the templates.
 * @see https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
 * @module
 */
import { bufferOutcome, type InvocationOutcome } from '../lambda/response.ts';
import { ACCOUNT, LOCAL_REGION } from '../template/intrinsics.ts';
import type { AwsRequest } from './aws-requests.ts';

/** Invokes a function by its ARN. @throws Error if no template has it */
export type InvokeByArn = (arn: string, payload: Buffer) => Promise<InvocationOutcome>;

/** The answer to a call. */
export interface LambdaAnswer {
  /** The status. */
  readonly status: number;
  /** The headers, beside those of all services. */
  readonly headers: Readonly<Record<string, string>>;
  /** The body. */
  readonly body: string;
}

const INVOKE = /^\/2015-03-31\/functions\/([^/]+)\/invocations$/;

/** Reads a call of Lambda. `method` and `path` say which operation it is. Any other one than Invoke is `Unknown`. */
export function lambdaRequest(method: string, path: string): AwsRequest {
  const name = method === 'POST' ? INVOKE.exec(path)?.[1] : undefined;
  const shown = decodeURIComponent(name ?? '*');
  const arn = /^(arn:|\*)/.test(shown)
    ? shown
    : `arn:aws:lambda:${LOCAL_REGION}:${ACCOUNT}:function:${shown}`;
  const operation = name === undefined ? 'Unknown' : 'Invoke';
  const action = name === undefined ? 'lambda:Unknown' : 'lambda:InvokeFunction';
  return { service: 'lambda', operation, action, resources: [arn], input: {} };
}

/** Invokes the function, and waits for its answer. An error of the function is status 200 with a header. */
export async function invokeFunction(
  { operation, resources: [arn = ''] }: AwsRequest,
  type: string | string[] | undefined,
  payload: Buffer,
  invoke: InvokeByArn,
): Promise<LambdaAnswer> {
  if (operation !== 'Invoke' || (type ?? 'RequestResponse') !== 'RequestResponse')
    return lambdaError(400, 'InvalidRequestContentException', 'only Invoke with an answer runs here');
  let starting: Promise<InvocationOutcome>;
  try {
    starting = invoke(arn, payload);
  } catch {
    return lambdaError(404, 'ResourceNotFoundException', `Function not found: ${arn}`);
  }
  const outcome = await bufferOutcome(await starting);
  if (outcome.kind === 'throttled') return lambdaError(429, 'TooManyRequestsException', 'Rate Exceeded.');
  if (outcome.kind === 'failure') {
    const body = JSON.stringify({ errorMessage: outcome.message, errorType: outcome.type });
    return { status: 200, headers: { 'x-amz-function-error': 'Unhandled' }, body };
  }
  return {
    status: 200,
    headers: {},
    body: outcome.kind === 'answer' ? outcome.payload.toString('utf8') : '',
  };
}

/** Returns an error in the protocol of Lambda. */
export function lambdaError(status: number, type: string, message: string): LambdaAnswer {
  return { status, headers: { 'x-amzn-errortype': type }, body: JSON.stringify({ Message: message }) };
}
