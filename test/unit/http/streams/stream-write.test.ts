/**
 * How the stream function writes to a reader that is slow, or takes no more data (PROTOCOL.md §5.2).
 * @module
 */
import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { parseOrigins } from '../../../../lambda/access/origins.ts';
import { accessTo } from '../../../../lambda/access/verify.ts';
import { channelRoutes } from '../../../../lambda/http/channel-routes.ts';
import { streamHandler } from '../../../../lambda/http/streams/stream-handler.ts';

type Handler = (event: unknown, stream: unknown, context: unknown) => Promise<void>;

/** More bytes than one write has. */
const CHUNK = new Uint8Array(200_000).fill(46);
const EVENT = {
  version: '2.0',
  rawPath: '/channels/a',
  rawQueryString: '',
  headers: {},
  isBase64Encoded: false,
  requestContext: { domainName: 'hub.example', http: { method: 'GET' } },
};

/** A reader that takes no data until `isFull` is false. */
function reader() {
  const events = new EventEmitter();
  const reader = { bytes: 0, isFull: true, isEnded: false, destroyed: false };
  const stream = Object.assign(events, {
    write(chunk: Uint8Array) {
      reader.bytes += chunk.length;
      return !reader.isFull;
    },
    end() {
      reader.isEnded = true;
    },
  });
  Object.defineProperty(stream, 'destroyed', { get: () => reader.destroyed });
  return { reader, stream };
}

let left = 0;
let body: { readonly chunks: number; sent: number; isCancelled: boolean };
let handler: Handler;

beforeEach(() => {
  vi.useFakeTimers();
  left = 70_000;
  body = { chunks: 100, sent: 0, isCancelled: false };
  vi.stubGlobal('awslambda', {
    streamifyResponse: (made: Handler) => {
      handler = made;
    },
    HttpResponseStream: { from: (stream: unknown) => stream },
  });
  const chunks = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        body.sent++;
        controller.enqueue(CHUNK);
        if (body.sent === body.chunks) controller.close();
      },
      cancel() {
        body.isCancelled = true;
      },
    },
    { highWaterMark: 0 },
  );
  const anyone = { '*': ['subscribe' as const] };
  const routes = channelRoutes({
    access: accessTo({ keys: async () => [], audience: 'a', anonymous: anyone, clock: () => 0 }),
    origins: parseOrigins('*'),
    logDefect: (error) => expect.unreachable(String(error)),
    logRefusal: () => {},
    routes: { GET: { operation: 'subscribe', parameters: [], answer: async () => new Response(chunks) } },
  });
  void streamHandler(routes, async (_context, work) => await work());
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** Runs the handler for a reader. `context` is that of Lambda. */
function serve(stream: unknown, context: unknown = { getRemainingTimeInMillis: () => left }) {
  const state = { hasReturned: false };
  void handler(EVENT, stream, context).then(() => {
    state.hasReturned = true;
  });
  return state;
}

test('the stream of a reader that takes no data for 15 s ends after a whole chunk', async () => {
  const { reader: r, stream } = reader();
  const served = serve(stream);
  await vi.advanceTimersByTimeAsync(14_900);
  expect([served.hasReturned, body.isCancelled, r.isEnded]).toEqual([false, false, false]);
  await vi.advanceTimersByTimeAsync(200);
  expect([served.hasReturned, body.isCancelled, r.isEnded]).toEqual([true, true, true]);
  expect(r.bytes).toBe(CHUNK.length);
});

test('a write waits no longer than until 5 s before the timeout of the function', async () => {
  const { stream } = reader();
  left = 8_000;
  const served = serve(stream);
  await vi.advanceTimersByTimeAsync(2_900);
  expect(served.hasReturned).toBe(false);
  await vi.advanceTimersByTimeAsync(200);
  expect(served.hasReturned).toBe(true);
});

test.each([null, {}, { getRemainingTimeInMillis: 1 }])(
  'where the time that is left is not known (%j), nothing is waited for',
  async (context) => {
    const { stream } = reader();
    const served = serve(stream, context);
    await vi.advanceTimersByTimeAsync(1);
    expect(served.hasReturned).toBe(true);
  },
);

test('a slow reader gets all chunks, however long that takes', async () => {
  const { reader: r, stream } = reader();
  const served = serve(stream);
  for (let waits = 0; !served.hasReturned; waits++) {
    expect(waits).toBeLessThan(1_000);
    await vi.advanceTimersByTimeAsync(10_000);
    stream.emit('drain');
    await vi.advanceTimersByTimeAsync(0);
  }
  expect([r.bytes, r.isEnded]).toEqual([body.chunks * CHUNK.length, true]);
  expect(stream.listenerCount('drain') + stream.listenerCount('close')).toBe(0);
});

test('a reader that disconnects ends the work at once', async () => {
  const { reader: r, stream } = reader();
  const served = serve(stream);
  await vi.advanceTimersByTimeAsync(1);
  r.destroyed = true;
  stream.emit('close');
  await vi.advanceTimersByTimeAsync(1);
  expect([served.hasReturned, body.isCancelled]).toEqual([true, true]);
  expect(r.bytes).toBeLessThan(CHUNK.length);
});
