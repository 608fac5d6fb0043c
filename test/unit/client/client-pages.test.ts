/**
 * Pages on slow and broken lines, with a clock that stands still. A page may take long, but it must not stop.
 * @module
 */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { connectOver, type Hub } from '../../../client/connect.ts';
import type { Batch } from '../../../client/index.ts';
import { type StillHost, settled, stillHost } from '../../support/client/still-host.ts';
import { offsetAt } from '../../support/domain/fake-log.ts';

const CHANNEL = 'chat/room1';

let host: StillHost;
let hub: Hub;
let batches: Batch[];
let errors: string[];
beforeEach(() => {
  host = stillHost();
  batches = [];
  errors = [];
});
afterEach(async () => {
  hub.close();
  await settled();
});

function subscribe(transport: 'poll' | 'long-poll' | 'sse', offset = offsetAt(0)): void {
  hub = connectOver(host, { url: 'https://hub.example', transports: [transport] });
  hub.subscribe(CHANNEL, {
    offset,
    onMessages: (batch) => void batches.push(batch),
    onError: ({ code }) => void errors.push(code),
  });
}

const headersOf = (next: number, type = 'application/json') => ({
  'Content-Type': type,
  'Stream-Next-Offset': offsetAt(next),
  'Stream-Up-To-Date': 'true',
});

/**
 * A body that comes at this many bytes per second, in chunks of one second. It ends with the request, as a real body
 * does.
 */
function slow(
  bytes: Uint8Array,
  perSecond: number,
  signal: AbortSignal | null | undefined,
  pauseMs = 1_000,
): ReadableStream {
  let at = 0;
  return new ReadableStream({
    start(controller) {
      const stop = (): void => controller.error(new DOMException('aborted', 'AbortError'));
      signal?.addEventListener('abort', stop);
      const step = (): void => {
        if (signal?.aborted) return;
        controller.enqueue(bytes.subarray(at, at + perSecond));
        at += perSecond;
        if (at < bytes.length) host.after(pauseMs, step);
        else controller.close();
      };
      step();
    },
  });
}

const LARGE = Array.from({ length: 60 }, (_, at) => `${at}:${'x'.repeat(20_000)}`);

test.each(['poll', 'long-poll', 'sse'] as const)(
  'by %s a page of 1.2 MB arrives at 15 KB/s, at the first attempt',
  async (transport) => {
    const bytes = new TextEncoder().encode(JSON.stringify(LARGE));
    host.respond = (url, { signal }) =>
      url.includes(offsetAt(0))
        ? new Response(slow(bytes, 15_000, signal), { headers: headersOf(60) })
        : new Promise<Response>(() => {});
    subscribe(transport);
    await host.pass(85_000);
    expect(batches.flatMap(({ messages }) => messages)).toEqual(LARGE);
    expect(host.requests.filter((url) => url.includes(offsetAt(0)))).toHaveLength(1);
  },
);

test('a body that stops for 30 s is cancelled, and read again', async () => {
  let tries = 0;
  host.respond = (_url, { signal }) => {
    tries += 1;
    // The first body comes up to its second chunk, which never comes.
    const bytes = new TextEncoder().encode('["late"]');
    const body = slow(bytes, tries === 1 ? 4 : 100, signal, tries === 1 ? 3_600_000 : 1_000);
    return new Response(body, { headers: headersOf(tries) });
  };
  subscribe('poll');
  await host.pass(29_000);
  expect(tries).toBe(1);
  await host.pass(5_000);
  expect(batches.flatMap(({ messages }) => messages)).toEqual(['late']);
});

test('a body that comes byte by byte is cancelled after ten minutes', async () => {
  let tries = 0;
  host.respond = (_url, { signal }) => {
    tries += 1;
    return new Response(slow(new Uint8Array(10_000).fill(32), 1, signal), { headers: headersOf(1) });
  };
  subscribe('poll');
  await host.pass(599_000);
  expect(tries).toBe(1);
  await host.pass(20_000);
  expect([tries, errors]).toEqual([2, []]);
});

test('reads that get no answer delay the others by at most 20 s', async () => {
  let published = 0;
  host.respond = (url) => {
    if (!url.includes(CHANNEL)) return new Promise<Response>(() => {});
    const from = Number(/offset=(\d{12})/.exec(url)?.[1] ?? 0);
    const messages = Array.from({ length: published - from }, (_, at) => from + at);
    return Response.json(messages, { headers: headersOf(published) });
  };
  subscribe('poll');
  for (const name of ['swallowed/1', 'swallowed/2', 'swallowed/3'])
    hub.subscribe(name, { onMessages() {}, onError: ({ code }) => void errors.push(code) });
  for (let minute = 0; minute < 5; minute++) {
    published += 1;
    await host.pass(60_000);
    expect(batches.flatMap(({ messages }) => messages)).toHaveLength(published);
  }
  expect(errors).toEqual([]);
});

test('a long poll without an answer is cancelled after 45 s, and the next one begins', async () => {
  let published = 0;
  host.respond = (url) => {
    if (url.includes('live=long-poll')) return new Promise<Response>(() => {});
    return Response.json(published === 0 ? [] : ['late'], { headers: headersOf(published) });
  };
  subscribe('long-poll');
  await host.pass(30_000);
  published = 1;
  await host.pass(10_000);
  expect(batches).toEqual([]);
  await host.pass(10_000);
  expect(batches.flatMap(({ messages }) => messages)).toEqual(['late']);
});

test('a byte order mark at the beginning of a text message is part of the message', async () => {
  const text = '\ufefftitle,price\r\n';
  host.respond = (url) => {
    if (!url.includes(offsetAt(0))) return new Promise<Response>(() => {});
    return new Response(text, { headers: headersOf(1, 'text/csv') });
  };
  subscribe('poll');
  await host.pass(1_000);
  expect(batches).toMatchObject([{ messages: [text], encoding: 'text' }]);
});

test('text and bytes come over a stream as they were published', async () => {
  const text = '\ufeffa\r\nb\rc\n\nd';
  const events = [
    `id: ${offsetAt(0)}\n\n`,
    `id: ${offsetAt(1)}\ndata: ${JSON.stringify({ channel: CHANNEL, text })}\n\n`,
    `id: ${offsetAt(2)}\ndata: ${JSON.stringify({ channel: CHANNEL, base64: 'AAEC/w==' })}\n\n`,
    `id: ${offsetAt(3)}\ndata: ${JSON.stringify({ channel: CHANNEL, message: null })}\n\n`,
  ];
  host.respond = (url) => {
    if (!url.includes('/events')) return Response.json([], { headers: headersOf(0) });
    return new Response(events.join(''), { headers: { 'Content-Type': 'text/event-stream' } });
  };
  subscribe('sse');
  await host.pass(1_000);
  expect(batches.map(({ messages, encoding, from, next }) => [messages, encoding, from, next])).toEqual([
    [[text], 'text', offsetAt(0), offsetAt(1)],
    [['AAEC/w=='], 'base64', offsetAt(1), offsetAt(2)],
    [[null], 'json', offsetAt(2), offsetAt(3)],
  ]);
});
