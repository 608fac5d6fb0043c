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
  once(event: 'drain' | 'close', listener: () => void): unknown;
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

/** Runs the work of one request, of which that is the context. */
export type During = (context: unknown, work: () => Promise<void>) => Promise<void>;

export function streamHandler(door: HttpDoor, during: During): (event: unknown) => Promise<unknown> {
  const respondTo = responder(door);
  return awslambda.streamifyResponse(async (event, stream, context) => {
    await during(context, async () => {
      const response = await respondTo(event);
      const headers = Object.fromEntries(response.headers);
      const head = { statusCode: response.status, headers };
      await pipe(response, awslambda.HttpResponseStream.from(stream, head));
    });
  });
}

async function pipe(response: Response, stream: ResponseStream): Promise<void> {
  // Status and headers go out with the first write, be it an empty one.
  if (!response.body) stream.write('');
  const reader = response.body?.getReader();
  for (let step = await reader?.read(); step?.value && !stream.destroyed; step = await reader?.read()) {
    if (!stream.write(step.value)) await drained(stream);
  }
  // Who has gone needs no further batches; on Lambda nobody tells us, and the stream's lifetime ends it.
  await reader?.cancel();
  stream.end();
}

async function drained(stream: ResponseStream): Promise<void> {
  await new Promise<void>((resolve) => {
    stream.once('drain', resolve);
    stream.once('close', resolve);
  });
}
