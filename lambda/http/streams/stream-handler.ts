/**
 * The edge of the handler that streams: writes a web Response to Lambda's response stream.
 * https://docs.aws.amazon.com/lambda/latest/dg/configuration-response-streaming.html
 * @module
 */
import { answerEvent, type HttpRoutes } from '../http-handler.ts';

/** The members of a Node stream that are used. Lambda's runtime passes a stream. */
interface ResponseStream {
  write(chunk: Uint8Array | string): boolean;
  end(): void;
  on(event: 'drain' | 'close', listener: () => void): unknown;
  off(event: 'drain' | 'close', listener: () => void): unknown;
  readonly destroyed?: boolean;
}

type StreamHandler = (event: unknown, stream: ResponseStream, context: unknown) => Promise<void>;

/** Lambda's runtime adds this object to the global scope of a function that streams. */
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
 * The longest wait for a reader that takes no data, in milliseconds. Then the stream ends, long before the timeout of the
 * function, which would count as an error. The runtime client also waits for the reader after the stream has ended. In that
 * time a slow reader takes the rest, or Lambda notices that the connection is lost.
 * https://github.com/aws/aws-lambda-nodejs-runtime-interface-client (`await rapidResponse`, after the handler)
 */
const UNREAD_MS = 15_000;

/** No write waits when less than this is left until the timeout of the function, in milliseconds. */
const END_MARGIN_MS = 5_000;

/** Bytes of one write. Even a slow reader takes them within UNREAD_MS. */
const PIECE_BYTES = 64 * 1024;

/**
 * Makes the Lambda handler of routes whose answers are streamed.
 * @param during runs the work of one request, whose Lambda context it gets
 */
export function streamHandler(
  routes: HttpRoutes,
  during: (context: unknown, work: () => Promise<void>) => Promise<void>,
): (event: unknown) => Promise<unknown> {
  return awslambda.streamifyResponse(async (event, stream, context) => {
    await during(context, async () => {
      const response = await answerEvent(routes, event);
      const headers = Object.fromEntries(response.headers);
      const head = { statusCode: response.status, headers };
      await pipe(response, awslambda.HttpResponseStream.from(stream, head), () => maxWaitMs(context));
    });
  });
}

/** Returns how long a write may wait from now on, in milliseconds; 0 or less: it must not wait. */
const maxWaitMs = (context: unknown): number =>
  isTimed(context) ? Math.min(UNREAD_MS, Number(context.getRemainingTimeInMillis()) - END_MARGIN_MS) : 0;

/** https://docs.aws.amazon.com/lambda/latest/dg/nodejs-context.html */
const isTimed = (context: unknown): context is { getRemainingTimeInMillis(): unknown } =>
  typeof context === 'object' &&
  context !== null &&
  'getRemainingTimeInMillis' in context &&
  typeof context.getRemainingTimeInMillis === 'function';

/** Writes the body until it ends, or the reader disconnects or takes no more data. A reader then reconnects. */
async function pipe(response: Response, stream: ResponseStream, maxWait: () => number): Promise<void> {
  // The runtime sends the status and the headers with the first write, even with an empty one.
  if (!response.body) stream.write('');
  const reader = response.body?.getReader();
  for (let step = await reader?.read(); step?.value && !stream.destroyed; step = await reader?.read()) {
    if (!(await writeAll(step.value, stream, maxWait))) break;
  }
  // Releases the quota slot of the caller.
  await reader?.cancel();
  stream.end();
}

/** Writes a whole chunk, so that no event is cut. Returns false if the reader did not take it in time. */
async function writeAll(chunk: Uint8Array, stream: ResponseStream, maxWait: () => number): Promise<boolean> {
  let isTaken = true;
  for (let at = 0; at < chunk.length && !stream.destroyed; at += PIECE_BYTES) {
    const isFull = !stream.write(chunk.subarray(at, at + PIECE_BYTES));
    if (isFull && isTaken) isTaken = await waitForDrain(stream, maxWait());
  }
  return isTaken;
}

/** Waits until the stream takes more or has closed. Returns false if neither happens within `ms` milliseconds. */
async function waitForDrain(stream: ResponseStream, ms: number): Promise<boolean> {
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
