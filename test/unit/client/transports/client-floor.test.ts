/**
 * The client against answers that no hub gives, with a clock that stands still. Each message is delivered once, endless
 * answers are bounded, and the client pauses between requests.
 * @module
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { connectOver, type Hub } from '../../../../client/connect.ts';
import type { Transport } from '../../../../client/index.ts';
import { type StillHost, settled, stillHost } from '../../../support/client/still-host.ts';
import { offsetAt } from '../../../support/domain/fake-log.ts';

const CHANNEL = 'chat/room1';
const MINUTE_MS = 60_000;

/** Requests per minute of a client that gets only useless answers. One each half a second would be 120. */
const MOST_A_MINUTE = 45;

let host: StillHost;
let hub: Hub;
let seen: unknown[];
let errors: string[];
beforeEach(() => {
  host = stillHost();
  seen = [];
  errors = [];
});
afterEach(async () => {
  hub.close();
  await settled();
  expect(host.timers()).toBe(0);
});

function subscribe(transports: readonly Transport[], offset = '-1', on = host): void {
  hub = connectOver(on, { url: 'https://hub.example', transports });
  hub.subscribe(CHANNEL, {
    offset,
    onMessages: ({ messages }) => void seen.push(...messages),
    onError: ({ code }) => void errors.push(code),
  });
}

interface Said {
  readonly next: number;
  readonly messages?: readonly unknown[];
  readonly isUpToDate?: boolean;
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

function page({ next, messages = [], isUpToDate = true, status = 200, headers }: Said): Response {
  const body = status === 200 ? JSON.stringify(messages) : null;
  const upToDate: Record<string, string> = isUpToDate ? { 'Stream-Up-To-Date': 'true' } : {};
  return new Response(body, {
    status,
    headers: {
      'Content-Type': 'application/json',
      'Stream-Next-Offset': offsetAt(next),
      ...upToDate,
      ...headers,
    },
  });
}

/** A body without an end. `pulled` returns how many bytes were read. */
function endless(text: string, type: string): { readonly response: Response; readonly pulled: () => number } {
  const chunk = new TextEncoder().encode(text);
  let pulled = 0;
  const body = new ReadableStream({
    pull(controller) {
      pulled += chunk.length;
      controller.enqueue(chunk);
    },
  });
  const headers = { 'Content-Type': type, 'Stream-Next-Offset': offsetAt(1) };
  return { response: new Response(body, { headers }), pulled: () => pulled };
}

const EVENTS = { 'Content-Type': 'text/event-stream' };
const stream = (text: string): Response => new Response(text, { headers: EVENTS });
/** A stream that reports its beginning, and then sends nothing until it is aborted. */
const silent = (channels: number, signal: AbortSignal | null | undefined): Response => {
  const body = new ReadableStream({
    start(controller) {
      const id = Array.from({ length: channels }, () => offsetAt(0)).join('.');
      controller.enqueue(new TextEncoder().encode(`id: ${id}\n\n`));
      signal?.addEventListener('abort', () => controller.error(new DOMException('aborted', 'AbortError')));
    },
  });
  return new Response(body, { headers: EVENTS });
};
const event = (at: number, said?: object): string =>
  `id: ${offsetAt(at)}\n${said ? `data: ${JSON.stringify(said)}\n` : ''}\n`;

const READERS = [['poll'], ['long-poll'], ['sse'], ['sse', 'long-poll', 'poll']] as const;

describe.each(READERS.map((each) => [each.join(), each] as const))('by %s', (_name, transports) => {
  test.each<[string, () => Response]>([
    ['the same page for every offset', () => page({ next: 3, messages: ['a', 'b', 'c'] })],
    [
      'the same page, never up to date',
      () => page({ next: 3, messages: ['a', 'b', 'c'], isUpToDate: false }),
    ],
  ])('%s: each message once', async (_what, answer) => {
    host.respond = answer;
    subscribe(transports);
    await host.pass(10 * MINUTE_MS);
    expect([seen, errors]).toEqual([['a', 'b', 'c'], []]);
    expect(host.requests.length).toBeLessThan(10 * MOST_A_MINUTE);
  });

  test.each<[string, (asked: string) => Response]>([
    ['nothing, and never up to date', () => page({ next: 3, isUpToDate: false })],
    ['nothing, up to date, at once', () => page({ next: 3 })],
    ['204 at once', () => page({ next: 3, status: 204 })],
    ['304 without an ETag, at another offset', () => page({ next: 9, status: 304 })],
    ['an offset that goes backwards', () => page({ next: 1, messages: ['old'] })],
    ['messages, and an offset that goes backwards', () => page({ next: 1, messages: ['old'] })],
    ['messages to "now"', () => page({ next: 3, messages: ['old'] })],
    [
      'a body that is not a list',
      () => Response.json({}, { headers: { 'Stream-Next-Offset': offsetAt(4) } }),
    ],
    ['a page without an offset', () => Response.json(['x'])],
    ['html', () => new Response('<h1>Sign in</h1>', { headers: { 'Content-Type': 'text/html' } })],
    ['an empty stream', () => stream('')],
    [
      '503 with a Retry-After below 0',
      () => new Response('', { status: 503, headers: { 'Retry-After': '-5' } }),
    ],
    ...[500, 502, 503, 504, 429].map((status): [string, () => Response] => [
      `${status} of the gateway, which does not say when to come back`,
      () => Response.json({ message: 'Service Unavailable' }, { status }),
    ]),
    ['503 with a Retry-After of 0', () => new Response('', { status: 503, headers: { 'Retry-After': '0' } })],
  ])('%s: nothing is delivered, and the client pauses between requests', async (what, answer) => {
    const offset = what.includes('now') ? 'now' : offsetAt(3);
    host.respond = answer;
    subscribe(transports, offset);
    await host.pass(10 * MINUTE_MS);
    expect([seen, errors]).toEqual([[], []]);
    expect(host.requests.length).toBeGreaterThan(10);
    expect(host.requests.length).toBeLessThan(10 * MOST_A_MINUTE);
  });

  test('pages that move the offset without messages are requested with pauses', async () => {
    host.respond = (url) => {
      const at = Number(/offset=(\d{12})/.exec(url)?.[1] ?? 0);
      return page({ next: at + 1, isUpToDate: false });
    };
    subscribe(transports, offsetAt(0));
    await host.pass(10 * MINUTE_MS);
    expect([seen, errors]).toEqual([[], []]);
    expect(host.requests.length).toBeLessThan(10 * MOST_A_MINUTE);
  });

  test('a Retry-After of a year counts as five minutes', async () => {
    host.respond = () => new Response('', { status: 503, headers: { 'Retry-After': '31536000' } });
    subscribe(transports, offsetAt(0));
    await host.pass(5.5 * MINUTE_MS);
    host.respond = (url) => (url.includes('/events') ? stream('') : page({ next: 1, messages: ['late'] }));
    await host.pass(5 * MINUTE_MS);
    expect(seen).toEqual(['late']);
  });

  test('an endless page is cancelled', async () => {
    const { response, pulled } = endless('["aaaaaaaaaaaaaaaa",'.repeat(3_000), 'application/json');
    const answers = [response];
    host.respond = () => answers.pop() ?? Promise.reject(new TypeError('network'));
    subscribe(transports);
    for (let before = -1; pulled() !== before; await settled()) before = pulled();
    await host.pass(MINUTE_MS);
    expect([seen, errors]).toEqual([[], []]);
    expect(pulled()).toBeGreaterThan(1_000_000);
    expect(pulled()).toBeLessThan(5_000_000);
  });
});

describe('a stream', () => {
  const from = (answer: () => Response): void => {
    host.respond = (url) => (url.includes('/events') ? answer() : page({ next: 0 }));
  };

  test.each([
    ['a line', 'data: ', 'x'.repeat(65_536)],
    ['an event of many lines', '', `data: ${'x'.repeat(1_000)}\n`.repeat(60)],
    ['an event with only ids', '', `id: ${'1'.repeat(1_000)}\n`.repeat(60)],
    ['a comment', ':', 'x'.repeat(65_536)],
    ['a field name', '', 'x'.repeat(65_536)],
  ])('%s without an end: the stream is cancelled, and opened again later', async (_name, begin, more) => {
    const bodies: (() => number)[] = [];
    from(() => {
      const { response, pulled } = endless(begin + more, 'text/event-stream');
      bodies.push(pulled);
      return response;
    });
    subscribe(['sse'], offsetAt(0));
    await host.pass(2 * MINUTE_MS);
    expect(bodies.length).toBeGreaterThan(1);
    expect(bodies.length).toBeLessThan(2 * MOST_A_MINUTE);
    for (const pulled of bodies) expect(pulled()).toBeLessThan(3_000_000);
    from(() => stream(event(0) + event(1, { channel: CHANNEL, message: 'after' })));
    await host.pass(MINUTE_MS);
    expect([seen, errors]).toEqual([['after'], []]);
  });

  test.each([
    ['ends at once', () => stream('')],
    ['ends after its first event', () => stream(event(0))],
    [
      'ends after an absurd retry',
      () => stream(`retry: 0\n\nretry: -1\n\nretry: 99999999999\n\n${event(0)}`),
    ],
    ['goes backwards', () => stream(event(2) + event(1))],
    ['has a message that ends where it begins', () => stream(event(0, { channel: CHANNEL, message: 'x' }))],
    ['has an event without an offset', () => stream('data: {"channel":"chat/room1","message":"x"}\n\n')],
    ['has offsets of other channels', () => stream(`id: ${offsetAt(1)}.${offsetAt(1)}\ndata: {}\n\n`)],
    [
      'has an id that is not an offset',
      () => stream('id: 7\ndata: {"channel":"chat/room1","message":"x"}\n\n'),
    ],
    ['is of another channel', () => stream(event(1, { channel: 'chat/other', message: 'x' }))],
    ['has an event without a message', () => stream(event(1, { channel: CHANNEL }))],
    ['has data that is not JSON', () => stream(`id: ${offsetAt(1)}\ndata: {\n\n`)],
    [
      'reports its channel as gone, but it is not',
      () => stream(`event: gone\n${event(0, { channel: CHANNEL })}`),
    ],
    ['reports that all channels are complete, but they are not', () => new Response(null, { status: 204 })],
    ['is a page', () => page({ next: 5, messages: ['x'] })],
    ['has no body', () => new Response(null, { headers: EVENTS })],
  ])(
    'that %s each time: nothing is delivered, and the client pauses between streams',
    async (_what, answer) => {
      from(answer);
      subscribe(['sse'], offsetAt(0));
      await host.pass(10 * MINUTE_MS);
      expect([seen, errors]).toEqual([[], []]);
      expect(host.requests.length).toBeGreaterThan(10);
      expect(host.requests.length).toBeLessThan(10 * MOST_A_MINUTE);
    },
  );

  test('for eight channels is opened once', async () => {
    const names = Array.from({ length: 8 }, (_, at) => `chat/${at}`);
    host.respond = (url, { signal }) => (url.includes('/events') ? silent(8, signal) : page({ next: 0 }));
    hub = connectOver(host, { url: 'https://hub.example', transports: ['sse'] });
    for (const name of names) hub.subscribe(name, { onMessages() {} });
    await host.pass(20_000);
    const zero = offsetAt(0);
    expect(host.requests.filter((url) => url.includes('/events'))).toEqual([
      `https://hub.example/events?${names.map((name) => `channel=${name}`).join('&')}&offset=${names.map(() => zero).join('.')}`,
    ]);
  });

  test('that ends at once each time is replaced by the next transport', async () => {
    host.respond = (url) =>
      url.includes('/events') ? stream(event(0)) : page({ next: 1, messages: ['polled'] });
    hub = connectOver(host, { url: 'https://hub.example', transports: ['sse', 'poll'] });
    const by: string[] = [];
    hub.subscribe(CHANNEL, {
      offset: offsetAt(0),
      onMessages() {},
      onTransport: (name) => void by.push(name),
    });
    host.respond = (url) => (url.includes('/events') ? stream(event(0)) : page({ next: 0 }));
    await host.pass(MINUTE_MS);
    expect(by.slice(0, 2)).toEqual(['sse', 'poll']);
  });

  test('a thousand readers whose streams end at the same moment come back at different moments', async () => {
    const comeBack: number[] = [];
    for (let reader = 0; reader < 40; reader++) {
      let seed = reader / 40;
      const each = stillHost(() => {
        seed = (seed * 7.77 + 0.123) % 1;
        return seed;
      });
      let opened = 0;
      each.respond = (url) => {
        if (!url.includes('/events')) return page({ next: 0 });
        opened += 1;
        if (opened === 2) comeBack.push(each.now());
        const body = new ReadableStream({
          start(controller) {
            controller.enqueue(new TextEncoder().encode(event(0)));
            const beat = (): void =>
              void each.after(15_000, () => (each.now() < MINUTE_MS ? tick() : controller.close()));
            const tick = (): void => {
              controller.enqueue(new TextEncoder().encode(': \n\n'));
              beat();
            };
            if (opened === 1) beat();
          },
        });
        return new Response(body, { headers: EVENTS });
      };
      const reading = connectOver(each, { url: 'https://hub.example', transports: ['sse'] });
      reading.subscribe(CHANNEL, { offset: offsetAt(0), onMessages() {} });
      await each.pass(1.5 * MINUTE_MS);
      reading.close();
      await settled();
    }
    hub = connectOver(host, { url: 'https://hub.example' });
    expect(comeBack).toHaveLength(40);
    expect(new Set(comeBack.map(Math.round)).size).toBeGreaterThan(20);
    expect(Math.max(...comeBack) - Math.min(...comeBack)).toBeGreaterThan(500);
  });
});
