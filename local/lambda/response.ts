/**
 * Reads what a process posts to the Runtime API: a result, a stream, or an error.
 * @module
 */
import type { IncomingMessage } from 'node:http';
import { PassThrough, type Readable } from 'node:stream';
import { objectOr, parseJson, stringOr } from '../template/json.ts';

/** Lambda's limit for a response that is not streamed. https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html */
export const MAX_PAYLOAD_BYTES = 6 * 1024 * 1024;

/** The outcome of an invocation. */
export type InvocationOutcome =
  | { readonly kind: 'answer'; readonly payload: Buffer }
  /** A streamed response. `body` fails if the function or its process fails. */
  | { readonly kind: 'stream'; readonly contentType: string; readonly body: Readable }
  | Failure
  | { readonly kind: 'throttled' };

/** The error of a function or of its process, by the names that Lambda gives it. */
export interface Failure {
  /** Tells it from other outcomes. */
  readonly kind: 'failure';
  /** Such as `Runtime.ExitError`, or the name of the error. */
  readonly type: string;
  /** The text of the error. */
  readonly message: string;
}

/** Takes what a process has posted. */
export interface ResponseReceiver {
  /** Is called once, for a stream as soon as it begins. */
  outcome(outcome: InvocationOutcome): void;
  /** Is called when the whole body was read; not at all if the process ends before. */
  complete(): void;
}

/**
 * Reads one posted body.
 * @param what `response` or `error`
 */
export function receiveResponse(request: IncomingMessage, what: string, receiver: ResponseReceiver): void {
  if (request.headers['lambda-runtime-function-response-mode'] === 'streaming')
    receiveStream(request, receiver);
  else receiveWhole(request, what, receiver);
}

function receiveWhole(request: IncomingMessage, what: string, receiver: ResponseReceiver): void {
  const chunks: Buffer[] = [];
  let size = 0;
  request.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size <= MAX_PAYLOAD_BYTES) chunks.push(chunk);
  });
  request.on('end', () => {
    receiver.outcome(
      what === 'response' ? answer(chunks, size) : failure(Buffer.concat(chunks).toString('utf8')),
    );
    receiver.complete();
  });
}

function answer(chunks: Buffer[], size: number): InvocationOutcome {
  const [only, ...rest] = chunks;
  if (size <= MAX_PAYLOAD_BYTES) {
    return {
      kind: 'answer',
      payload: only !== undefined && rest.length === 0 ? only : Buffer.concat(chunks, size),
    };
  }
  const message = `Response payload size exceeded maximum allowed payload size (${MAX_PAYLOAD_BYTES} bytes).`;
  return { kind: 'failure', type: 'Function.ResponseSizeTooLarge', message };
}

function failure(body: string): InvocationOutcome {
  const { errorType, errorMessage } = objectOr(parseJson(body));
  return { kind: 'failure', type: stringOr(errorType, 'Error'), message: stringOr(errorMessage, body) };
}

/** Each chunk is passed on at once, so that the client sees each write of the function. */
function receiveStream(request: IncomingMessage, receiver: ResponseReceiver): void {
  const body = new PassThrough();
  body.on('error', () => {}); // an error without a reader must not end the stack
  request.pipe(body, { end: false });
  request.on('end', () => {
    const type = request.trailers['lambda-runtime-function-error-type'];
    if (type === undefined) body.end();
    else body.destroy(new Error(`the function failed after it had begun to answer: ${type}`));
    receiver.complete();
  });
  request.on('close', () => {
    if (!request.complete) body.destroy(new Error('the process ended after it had begun to answer'));
  });
  receiver.outcome({ kind: 'stream', contentType: request.headers['content-type'] ?? '', body });
}

/** Reads a stream to its end, for callers that cannot stream. */
export async function bufferOutcome(outcome: InvocationOutcome): Promise<InvocationOutcome> {
  if (outcome.kind !== 'stream') return outcome;
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of outcome.body) {
      if (!Buffer.isBuffer(chunk)) continue;
      size += chunk.length;
      if (size <= MAX_PAYLOAD_BYTES) chunks.push(chunk);
    }
  } catch (error) {
    return {
      kind: 'failure',
      type: 'Runtime.StreamError',
      message: error instanceof Error ? error.message : String(error),
    };
  }
  return answer(chunks, size);
}

/** Returns the outcome of an invocation, or undefined after the timeout. The function goes on then. */
export function wholeOutcome(
  starting: Promise<InvocationOutcome>,
  timeoutMs: number,
): Promise<InvocationOutcome | undefined> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => resolve(undefined), timeoutMs);
    starting
      .then(bufferOutcome)
      .then(resolve, reject)
      .finally(() => clearTimeout(timer));
  });
}
