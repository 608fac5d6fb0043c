/**
 * The gap rule (PROTOCOL.md §12.3) and the cursor of a subscription: without a network, on a host that stands still.
 * @module
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cursorAt, decideByOffset, type Frame } from '../../../client/cursor.ts';
import { httpWith } from '../../../client/http.ts';
import { retryBudget } from '../../../client/retry-budget.ts';
import { tokensOf } from '../../../client/token.ts';
import { liveReader } from '../../../client/transports/live.ts';
import { streamsOf } from '../../../client/transports/streams.ts';
import { stillHost } from '../../support/client/still-host.ts';
import { offsetAt } from '../../support/domain/fake-log.ts';

const frame = (from: number, next: number, more: Partial<Frame> = {}): Frame => ({
  channel: 'c',
  pattern: undefined,
  messages: Array.from({ length: next - from }, (_, at) => from + at),
  encoding: 'json',
  from: offsetAt(from),
  next: offsetAt(next),
  closed: false,
  omitted: false,
  isConflated: false,
  ...more,
});

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('the gap rule (PROTOCOL.md §12.3)', () => {
  test.each([
    [5, frame(5, 7), 'next'],
    [5, frame(3, 5), 'old'],
    [5, frame(5, 5), 'next'],
    [5, frame(4, 6), 'gap'],
    [5, frame(6, 7), 'gap'],
    [5, frame(5, 7, { omitted: true }), 'gap'],
    [5, frame(5, 5, { omitted: true }), 'old'],
    [5, frame(3, 5, { closed: true }), 'end'],
    [5, frame(5, 5, { closed: true }), 'end'],
    [5, frame(5, 6, { closed: true }), 'next'],
    [5, frame(3, 4, { closed: true }), 'old'],
  ] as const)('case %#: at %d', (mine, each, decision) => {
    expect(decideByOffset(offsetAt(mine), each)).toBe(decision);
  });

  /** Frames of a log of this many messages: cut, repeated, dropped, omitted and out of order. */
  const schedule = fc.integer({ min: 1, max: 30 }).chain((length) =>
    fc.record({
      length: fc.constant(length),
      begin: fc.integer({ min: 0, max: length }),
      spans: fc.array(
        fc.record({
          from: fc.integer({ min: 0, max: length - 1 }),
          size: fc.integer({ min: 1, max: 5 }),
          isOmitted: fc.boolean(),
          settles: fc.boolean(),
        }),
        { maxLength: 40 },
      ),
      pageSize: fc.integer({ min: 1, max: 7 }),
      failures: fc.array(fc.boolean(), { maxLength: 5 }),
    }),
  );

  test('for all frames and all failed reads, each message comes once, in order', async () => {
    await fc.assert(
      fc.asyncProperty(schedule, async ({ length, begin, spans, pageSize, failures }) => {
        const host = stillHost();
        const { signal } = new AbortController();
        const seen: unknown[] = [];
        const deliver = ({ messages }: { readonly messages: readonly unknown[] }) =>
          void seen.push(...messages);
        const cursor = cursorAt({ channel: 'c', offset: offsetAt(begin), signal, deliver, onEnd() {} });
        let published = begin;
        const failing = [...failures];
        const read = async (offset: string) => {
          await turn();
          if (failing.shift()) throw new Error('a read that fails');
          const from = Number(offset.slice(0, 12));
          const next = Math.min(published, from + pageSize);
          const batch = frame(from, next);
          return {
            batch,
            isUpToDate: next === published,
            etag: undefined,
            cursor: undefined,
            pollAfterMs: undefined,
            isStartOfHistory: false,
          };
        };
        const onRefused = () => expect.unreachable();
        const reader = liveReader({ host, budget: retryBudget(host), cursor, read, signal, onRefused });
        for (const { from, size, isOmitted, settles } of spans) {
          const next = Math.min(length, from + size);
          // A frame of messages that are not in the log yet cannot come.
          published = Math.max(published, next);
          reader.onFrame(isOmitted ? frame(from, next, { omitted: true, messages: [] }) : frame(from, next));
          if (settles) await host.pass(100);
        }
        // Five failures in a row take half a minute.
        await host.pass(60_000);
        for (let reads = 0; reads < 2 * length + 10; reads++) await host.pass(2_000);
        const expected = Array.from({ length: published - begin }, (_, at) => begin + at);
        expect([seen, cursor.offset]).toEqual([expected, offsetAt(published)]);
      }),
      { numRuns: 150 },
    );
  });

  test('a reader behind very many frames reads the dropped ones over HTTP', async () => {
    const host = stillHost();
    const { signal } = new AbortController();
    const seen: unknown[] = [];
    const deliver = ({ messages }: { readonly messages: readonly unknown[] }) => void seen.push(...messages);
    const cursor = cursorAt({ channel: 'c', offset: offsetAt(0), signal, deliver, onEnd() {} });
    const read = async (offset: string) => {
      await turn();
      const from = Number(offset.slice(0, 12));
      return {
        batch: frame(from, 1_000),
        isUpToDate: true,
        etag: undefined,
        cursor: undefined,
        pollAfterMs: undefined,
        isStartOfHistory: false,
      };
    };
    const reader = liveReader({ host, budget: retryBudget(host), cursor, read, signal, onRefused() {} });
    for (let at = 1; at < 1_000; at++) reader.onFrame(frame(at, at + 1));
    await host.pass(60_000);
    reader.onFrame(frame(1_000, 1_001));
    expect(seen).toEqual(Array.from({ length: 1_001 }, (_, at) => at));
  });
});

describe('the cursor', () => {
  test('delivers nothing after the end of the channel, or after the subscription', () => {
    for (const how of ['end', 'close']) {
      const over = new AbortController();
      const seen: unknown[] = [];
      const cursor = cursorAt({
        channel: 'c',
        offset: offsetAt(0),
        signal: over.signal,
        deliver: ({ messages }) => void seen.push(...messages),
        onEnd() {},
      });
      cursor.offer(frame(0, 1, { closed: how === 'end' }));
      if (how === 'close') over.abort();
      expect([cursor.offer(frame(1, 2)), seen, cursor.offset]).toEqual(['old', [0], offsetAt(1)]);
    }
  });

  test('that another transport has moved makes a stream begin again at its offset', async () => {
    const host = stillHost();
    const { signal } = new AbortController();
    const cursor = cursorAt({ channel: 'c', offset: offsetAt(0), signal, deliver() {}, onEnd() {} });
    const over = new AbortController();
    const body = Promise.withResolvers<string>();
    host.respond = async (url) => {
      const text = url.includes(offsetAt(0)) ? await body.promise : '';
      return new Response(text, { headers: { 'Content-Type': 'text/event-stream' } });
    };
    const http = httpWith(host, tokensOf(host, undefined, signal));
    const { attach } = streamsOf({
      host,
      budget: retryBudget(host),
      http,
      streamUrl: 'https://hub',
      reader: () => undefined,
    });
    const flow = { signal: over.signal, hasNext: true, up() {}, down() {} };
    const running = attach({ cursor, flow, onEphemeral() {}, check: async () => {} });
    await host.pass(300);
    cursor.offer(frame(0, 1));
    const event = (at: number, more = '') => `id: ${offsetAt(at)}\n${more}\n`;
    const message = (at: number) => event(at, 'data: {"channel":"c","message":1}\n');
    body.resolve(`${event(0)}${event(2)}${message(3)}`);
    await host.pass(4_000);
    over.abort();
    await running;
    expect(host.requests.slice(0, 2)).toEqual(
      [0, 1].map((at) => `https://hub/events?channel=c&offset=${offsetAt(at)}`),
    );
  });
});
