/**
 * The retry budget (PROTOCOL.md §8): retries never make more load than first attempts.
 * @module
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { connectOver } from '../../../client/connect.ts';
import { EARNED, MOST_TOKENS, retryBudget, TOKEN_MS } from '../../../client/retry-budget.ts';
import { openWire, stored } from '../../support/client/live-socket.ts';
import { settled, stillHost } from '../../support/client/still-host.ts';
import { offsetAt } from '../../support/domain/fake-log.ts';
import { seededRandom } from '../../support/domain/random.ts';

const { signal } = new AbortController();

/** How often a budget has let retries start. */
function starts(budget: ReturnType<typeof retryBudget>) {
  const counted = {
    started: 0,
    want: (ms = 0) => void budget.wait(ms, signal).then(() => counted.started++),
  };
  return counted;
}

describe('the budget', () => {
  test('lets ten retries start at once, and then one in ten seconds', async () => {
    const host = stillHost();
    const retries = starts(retryBudget(host));
    for (let n = 0; n < 15; n++) retries.want();
    await settled();
    expect(retries.started).toBe(MOST_TOKENS);
    for (let more = 1; more <= 5; more++) {
      await host.pass(TOKEN_MS - 1);
      expect(retries.started).toBe(MOST_TOKENS + more - 1);
      await host.pass(1);
      expect(retries.started).toBe(MOST_TOKENS + more);
    }
    expect(host.timers()).toBe(0);
  });

  test('has a token for five first attempts that were answered, and never more than ten', async () => {
    const budget = retryBudget(stillHost());
    const retries = starts(budget);
    for (let n = 0; n < 1_000; n++) budget.answered(false);
    for (let n = 0; n < 20; n++) retries.want();
    await settled();
    expect(retries.started).toBe(MOST_TOKENS);
    for (let n = 1; n <= 15; n++) {
      budget.answered(false);
      await settled();
      expect(retries.started).toBe(MOST_TOKENS + Math.floor(n * EARNED + 1e-9));
    }
  });

  test('gives a retry that was answered its token back, so that all come back at once when the hub does', async () => {
    const budget = retryBudget(stillHost());
    const retries = starts(budget);
    for (let n = 0; n < MOST_TOKENS + 50; n++) retries.want();
    await settled();
    for (let answers = 0; answers < 50; answers++) {
      expect(retries.started).toBe(MOST_TOKENS + answers);
      budget.answered(true);
      await settled();
    }
    expect(retries.started).toBe(MOST_TOKENS + 50);
  });

  test('takes no token for a retry whose subscription has ended, while it waits or before', async () => {
    const host = stillHost();
    const budget = retryBudget(host);
    for (let n = 0; n < MOST_TOKENS; n++) await budget.wait(0, signal);
    const over = new AbortController();
    const ended = Array.from({ length: 20 }, (_, n) => budget.wait(n * 100, over.signal));
    const retries = starts(budget);
    retries.want(2_500);
    await host.pass(1_000);
    over.abort();
    await Promise.all(ended);
    await budget.wait(0, over.signal);
    await host.pass(TOKEN_MS);
    expect([retries.started, host.timers()]).toEqual([1, 0]);
  });
});

/** A publish every few milliseconds on some channels, and a hub that answers, refuses, breaks or is silent. */
const days = fc.record({
  seed: fc.integer({ min: 0, max: 1_000_000 }),
  publishes: fc.integer({ min: 1, max: 120 }),
  channels: fc.integer({ min: 1, max: 20 }),
  everyMs: fc.integer({ min: 1, max: 3_000 }),
  /** Parts of the attempts that are answered, in phases of equal length. */
  healths: fc.array(fc.constantFrom(0, 0.1, 1 / 3, 0.7, 1), { minLength: 1, maxLength: 4 }),
  retryAfter: fc.constantFrom(undefined, '1', '5'),
});

test('over random days the retries of publishes are at most the first attempts and a small constant', async () => {
  await fc.assert(
    fc.asyncProperty(days, async ({ seed, publishes, channels, everyMs, healths, retryAfter }) => {
      const random = seededRandom(seed);
      const host = stillHost(random);
      const hub = connectOver(host, { url: 'https://hub.example', transports: ['poll'] });
      const lasts = publishes * everyMs + 90_000;
      const seen = new Set<string>();
      let retries = 0;
      host.respond = (_url, { headers }) => {
        const key = new Headers(headers).get('Idempotency-Key') ?? '';
        if (seen.has(key)) retries += 1;
        seen.add(key);
        const phase = Math.min(healths.length - 1, Math.floor((host.now() / lasts) * healths.length));
        if (random() < (healths[phase] ?? 0)) return stored();
        if (random() < 0.3) return Promise.reject(new TypeError('fetch failed'));
        const headersOf: Record<string, string> =
          retryAfter === undefined ? {} : { 'Retry-After': retryAfter };
        return new Response('busy', { status: random() < 0.5 ? 503 : 429, headers: headersOf });
      };
      for (let n = 0; n < publishes; n++) {
        hub.publish(`c${n % channels}`, [n]).catch(() => {});
        await host.pass(everyMs);
        expect(retries).toBeLessThanOrEqual(seen.size + MOST_TOKENS + host.now() / TOKEN_MS);
      }
      await host.pass(90_000);
      expect(retries).toBeLessThanOrEqual(seen.size + MOST_TOKENS + host.now() / TOKEN_MS);
      hub.close();
      await settled();
      expect(host.timers()).toBe(0);
    }),
    { numRuns: 60 },
  );
}, 60_000);

test.each([1, 8])(
  'a hub that is down for an hour gets few requests of a client with %i subscriptions',
  async (many) => {
    const host = stillHost(seededRandom(many));
    const hub = connectOver(host, { url: 'https://hub.example' });
    for (let n = 0; n < many; n++) hub.subscribe(`c${n}`, { onMessages() {} });
    const HOUR_MS = 3_600_000;
    await host.pass(10_000);
    for (let passed = 0; passed < HOUR_MS; passed += 5_000) {
      for (const wire of host.open()) wire.end();
      await host.pass(5_000);
    }
    const asked = host.requests.length + host.wires.length;
    expect(asked).toBeLessThanOrEqual(many + 1 + MOST_TOKENS + host.now() / TOKEN_MS);
    hub.close();
    await settled();
    expect(host.timers()).toBe(0);
  },
);

test.each(['sse', 'long-poll', 'poll'] as const)(
  'a hub without sockets is read by %s at once, also by many subscriptions',
  async (transport) => {
    const host = stillHost();
    const MANY = 40;
    host.respond = (url) => {
      if (url.includes('/events')) return new Response('busy', { status: 503 });
      return Response.json([], {
        headers: { 'Stream-Next-Offset': offsetAt(1), 'Stream-Up-To-Date': 'true' },
      });
    };
    const hub = connectOver(host, { url: 'https://hub.example', transports: ['websocket', transport] });
    for (let n = 0; n < MANY; n++) hub.subscribe(`c${n}`, { onMessages() {} });
    await settled();
    for (const wire of host.open()) wire.end();
    await host.pass(100);
    const read = new Set(host.requests.map((url) => /channels\/(c\d+)/.exec(url)?.[1]));
    expect(read.size).toBe(MANY);
    hub.close();
    await settled();
    expect(host.timers()).toBe(0);
  },
);

test('a publish that the hub refuses on a socket waits before it is sent over HTTP; one without an answer does not', async () => {
  for (const [code, waits] of [
    ['unavailable', true],
    ['too_many_requests', true],
    ['internal', true],
    [undefined, false],
  ] as const) {
    const host = stillHost();
    const hub = connectOver(host, { url: 'https://hub.example' });
    const wire = await openWire(host, hub);
    const posts: number[] = [];
    host.respond = (_url, { method }) => {
      if (method === 'POST') posts.push(host.now());
      return stored();
    };
    const published = hub.publish('chat/room1', [1]);
    await settled();
    const at = host.now();
    if (code === undefined) wire.end();
    else wire.answer('publish', { type: 'error', code, message: 'busy' });
    await host.pass(2_600);
    expect(await published).toEqual({ offset: offsetAt(1) });
    expect((posts[0] ?? 0) - at >= 1_000).toBe(waits);
    hub.close();
    await settled();
  }
});
