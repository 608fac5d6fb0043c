/**
 * The parts of the client that need no network: the gap rule, the backoff, the failover, event streams, the bundle.
 * @module
 */
import { build } from 'esbuild';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cursorAt, decideByOffset, type Frame } from '../../../client/cursor.ts';
import { TidingsError } from '../../../client/errors.ts';
import { httpWith } from '../../../client/http.ts';
import { retryBudget } from '../../../client/retry-budget.ts';
import { backoff, jittered } from '../../../client/timers.ts';
import { tokensOf } from '../../../client/token.ts';
import { eventsIn } from '../../../client/transports/event-stream.ts';
import { type Flow, retrying, runWithFailover, type Transport } from '../../../client/transports/failover.ts';
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
    const running = attach({ cursor, flow, check: async () => {} });
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

describe('the backoff', () => {
  test('is random from half a second up to a limit that doubles, at most 30 s', () => {
    expect([0, 1, 2, 3, 10, 2_000].map((failures) => backoff(failures, 0))).toEqual(Array(6).fill(500));
    const most = [0, 1, 2, 3, 4, 2_000].map((failures) => backoff(failures, 1));
    expect(most).toEqual([2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
    expect([0, 0.5, 1].map((random) => jittered(60_000, random))).toEqual([45_000, 60_000, 75_000]);
  });
});

describe('the failover', () => {
  /** A transport that the test controls. */
  const rung = (name: Transport) => {
    const flows: Flow[] = [];
    return { name, flows, run: (flow: Flow) => new Promise<void>(() => flows.push(flow)) };
  };

  test('the next transport runs while the one before does not work', async () => {
    const names: string[] = [];
    const [top, middle, last] = [rung('websocket'), rung('sse'), rung('poll')];
    const over = new AbortController();
    const running = runWithFailover([top, middle, last], over.signal, (name) => names.push(name));
    expect([top, middle].map(({ flows }) => flows.length)).toEqual([1, 0]);
    top.flows[0]?.down();
    top.flows[0]?.down();
    middle.flows[0]?.up();
    middle.flows[0]?.down();
    last.flows[0]?.up();
    expect([top, middle, last].map(({ flows }) => flows.length)).toEqual([1, 1, 1]);
    expect([middle, last].map(({ flows }) => flows[0]?.hasNext)).toEqual([true, false]);
    top.flows[0]?.up();
    expect([middle, last].map(({ flows }) => flows[0]?.signal.aborted)).toEqual([true, true]);
    last.flows[0]?.up();
    top.flows[0]?.down();
    expect(middle.flows).toHaveLength(2);
    over.abort();
    await running;
    expect([middle.flows[1]?.signal.aborted, names]).toEqual([true, ['sse', 'poll', 'websocket']]);
  });

  test('without a transport the subscription ends', async () => {
    const { signal } = new AbortController();
    await expect(runWithFailover([], signal, () => {})).rejects.toMatchObject({
      code: 'not_supported',
      status: 501,
    });
  });

  const trouble = (code: 'unavailable' | 'forbidden' | 'not_supported', retryAfterMs = 0) =>
    new TidingsError(code, code, { retryAfterMs });
  const flowOf = (hasNext: boolean) => {
    const over = new AbortController();
    const told: string[] = [];
    const flow = {
      signal: over.signal,
      hasNext,
      up: () => void told.push('up'),
      down: () => void told.push('down'),
    };
    return { flow, told, over };
  };

  test('a transport that fails is replaced by the next, and tried again after a minute', async () => {
    const host = stillHost();
    const { flow, told, over } = flowOf(true);
    let tries = 0;
    const running = retrying({ host, budget: retryBudget(host) }, flow, async () => {
      tries += 1;
      throw trouble('not_supported');
    });
    await host.pass(59_000);
    expect([tries, told]).toEqual([1, ['down']]);
    await host.pass(2_000);
    expect(tries).toBe(2);
    over.abort();
    await running;
    expect(host.timers()).toBe(0);
  });

  test('the last one follows Retry-After, and ends only with a lasting error', async () => {
    const host = stillHost();
    const { flow } = flowOf(false);
    const outcomes = [trouble('unavailable', 20_000), trouble('unavailable'), trouble('forbidden')];
    let tries = 0;
    const running = retrying({ host, budget: retryBudget(host) }, flow, async () => {
      tries += 1;
      throw outcomes.shift();
    });
    const ended = expect(running).rejects.toMatchObject({ code: 'forbidden', status: 403 });
    await host.pass(19_900);
    expect(tries).toBe(1);
    // A random time more, so that those that were refused together do not come back together.
    await host.pass(1_600);
    expect(tries).toBe(2);
    await host.pass(10_000);
    await ended;
  });

  test('one that fails after it has worked is tried again soon', async () => {
    const host = stillHost();
    const { flow, told, over } = flowOf(true);
    const running = retrying({ host, budget: retryBudget(host) }, flow, async (up) => {
      if (told.length === 0) up();
      throw new TypeError('network');
    });
    await host.pass(2_000);
    expect(told).toEqual(['up', 'down']);
    over.abort();
    await running;
  });
});

describe('an event stream', () => {
  const read = async (chunks: readonly string[]) => {
    const events: string[] = [];
    const bytes = (async function* () {
      for (const chunk of chunks) yield new TextEncoder().encode(chunk);
    })();
    for await (const { name, data, id } of eventsIn(bytes, () => {}))
      events.push(`${name}=${data}${id === undefined ? '' : ` (${id})`}`);
    return events;
  };

  test('is parsed by the standard, wherever its chunks are cut', async () => {
    const text =
      'event: data\ndata:[1,\ndata: 2]\n\n: beat\n\nevent: control\r\ndata: {"ü\u2028":1}\r\n\r\ndata\rdata:x\r\rid: 1\n\ndata: cut';
    const whole = await read([text]);
    expect(whole).toEqual(['data=[1,\n2]', 'control={"ü\u2028":1}', 'message=\nx', 'message= (1)']);
    expect(await read([...text])).toEqual(whole);
  });
});

/** The limit of the minified bundle, in bytes. It is about 15 KB when compressed. */
const MOST_BYTES = 41_500;

test('the browser bundle builds without a warning, imports nothing of Node, and is small', async () => {
  const { warnings, outputFiles, metafile } = await build({
    entryPoints: ['client/index.ts'],
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    write: false,
    metafile: true,
  });
  expect(warnings).toEqual([]);
  const inputs = Object.keys(metafile.inputs);
  expect(inputs.filter((file) => !/^(client|protocol)\//.test(file))).toEqual([]);
  const [output] = outputFiles;
  expect(output?.text).not.toMatch(/\bnode:|\bprocess\.|\bBuffer\b|\brequire\(/);
  expect(output?.contents.byteLength).toBeLessThan(MOST_BYTES);
});
