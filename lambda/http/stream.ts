/**
 * The edge of the door that streams: a web Response to Lambda's response stream.
 * https://docs.aws.amazon.com/lambda/latest/dg/configuration-response-streaming.html
 * @module
 */
import { type HttpDoor, responder } from './app.ts';

/** The part of a Node stream that is needed; the runtime hands one over. */
interface ResponseStream {
  write(chunk: Uint8Array | string): boolean;
  end(): void;
  on(event: 'drain' | 'close', listener: () => void): unknown;
  off(event: 'drain' | 'close', listener: () => void): unknown;
  readonly destroyed?: boolean;
}

type StreamHandler = (event: unknown, stream: ResponseStream, context: unknown) => Promise<void>;

/** What the runtime puts into the global scope of a function that streams. */
declare const awslambda: {
  streamifyResponse(handler: StreamHandler): (event: unknown) => Promise<unknown>;
  readonly HttpResponseStream: {
    from(
      stream: ResponseStream,
      head: { statusCode: number; headers: Record<string, string> },
    ): ResponseStream;
  };
};

/**
 * How long a reader may take nothing of what waits for it, in milliseconds. Then its stream ends, long before Lambda would end the
 * function: the runtime client waits for the reader after the stream has ended, too, and a timeout counts as an error. So
 * there is time left in which a reader that lives takes the rest, or a network that is gone is noticed.
 * https://github.com/aws/aws-lambda-nodejs-runtime-interface-client (`await rapidResponse`, after the handler)
 */
const UNREAD_MS = 15_000;

/** How long before Lambda ends the function no write waits any more, in milliseconds. */
const END_MARGIN_MS = 5_000;

/** What is written at a time, in bytes: also a slow reader takes so much within UNREAD_MS. */
const PIECE_BYTES = 64 * 1024;

/** Runs the work of one request, of which that is the context. */
export type During = (context: unknown, work: () => Promise<void>) => Promise<void>;

export function streamHandler(door: HttpDoor, during: During): (event: unknown) => Promise<unknown> {
  const respondTo = responder(door);
  return awslambda.streamifyResponse(async (event, stream, context) => {
    await during(context, async () => {
      const response = await respondTo(event);
      const headers = Object.fromEntries(response.headers);
      const head = { statusCode: response.status, headers };
      await pipe(response, awslambda.HttpResponseStream.from(stream, head), () => patienceOf(context));
    });
  });
}

/** How long a write may wait from now on, in milliseconds. 0 or less: not at all. */
const patienceOf = (context: unknown): number =>
  isTimed(context) ? Math.min(UNREAD_MS, Number(context.getRemainingTimeInMillis()) - END_MARGIN_MS) : 0;

/** https://docs.aws.amazon.com/lambda/latest/dg/nodejs-context.html */
const isTimed = (context: unknown): context is { getRemainingTimeInMillis(): unknown } =>
  typeof context === 'object' &&
  context !== null &&
  'getRemainingTimeInMillis' in context &&
  typeof context.getRemainingTimeInMillis === 'function';

/** Writes the body, until its end, or until its reader has gone or takes nothing any more: the reader comes again. */
async function pipe(response: Response, stream: ResponseStream, patience: () => number): Promise<void> {
  // Status and headers go out with the first write, be it an empty one.
  if (!response.body) stream.write('');
  const reader = response.body?.getReader();
  for (let step = await reader?.read(); step?.value && !stream.destroyed; step = await reader?.read()) {
    if (!(await written(step.value, stream, patience))) break;
  }
  // Gives the caller's seat back.
  await reader?.cancel();
  stream.end();
}

/** Writes all of a chunk, so that no event is cut. False if the reader did not take it in time. */
async function written(chunk: Uint8Array, stream: ResponseStream, patience: () => number): Promise<boolean> {
  let isTaken = true;
  for (let at = 0; at < chunk.length && !stream.destroyed; at += PIECE_BYTES) {
    const isFull = !stream.write(chunk.subarray(at, at + PIECE_BYTES));
    if (isFull && isTaken) isTaken = await drained(stream, patience());
  }
  return isTaken;
}

/** Waits until the stream takes more, or has closed. False if neither happens in that time, in milliseconds. */
async function drained(stream: ResponseStream, ms: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const end = (isTaken: boolean) => () => {
      clearTimeout(timer);
      stream.off('drain', taken);
      stream.off('close', taken);
      resolve(isTaken);
    };
    const taken = end(true);
    const timer = setTimeout(end(false), ms);
    stream.on('drain', taken);
    stream.on('close', taken);
  });
}
