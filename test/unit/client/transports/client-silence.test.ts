/**
 * Sockets that stop without a word, with a clock that stands still: how soon the client finds out, at which cost, and
 * what it sends another way.
 * @module
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { connectOver, type Hub } from '../../../../client/connect.ts';
import { wakefulClock } from '../../../../client/host.ts';
import { closeWhole, confirmNewest, framesOf, openNewest } from '../../../support/client/live-socket.ts';
import { type FakeWire, type StillHost, settled, stillHost } from '../../../support/client/still-host.ts';
import { offsetAt } from '../../../support/domain/fake-log.ts';

const CHANNEL = 'chat/room1';
const MINUTE_MS = 60_000;

let host: StillHost;
let hub: Hub;
let seen: unknown[];
beforeEach(() => {
  host = stillHost();
  seen = [];
});
afterEach(() => closeWhole(host, hub));

function listen(): void {
  hub = connectOver(host, { url: 'https://hub.example' });
  hub.subscribe(CHANNEL, { onMessages: ({ messages }) => void seen.push(...messages) });
}

const opened = (): Promise<FakeWire> => openNewest(host);

const live = (): Promise<FakeWire> => confirmNewest(host);

const frame = framesOf(CHANNEL);

/** A hub that stores publishes, and answers no reads. */
const acknowledge = (_url: string, { method }: RequestInit): Promise<Response> =>
  method === 'POST'
    ? Promise.resolve(new Response(null, { status: 204, headers: { 'Stream-Next-Offset': offsetAt(1) } }))
    : Promise.reject(new TypeError('fetch failed'));

const asked = (wire: FakeWire, action: string) => wire.said.filter((each) => each.action === action);

describe('a socket', () => {
  test.each([
    [0, 45_000],
    [0.999, 35_000],
  ])('gets a ping after silence, and ends without a pong (%d)', async (random, silence) => {
    host = stillHost(() => random);
    listen();
    const wire = await live();
    await host.pass(silence - 1_000);
    expect(asked(wire, 'ping')).toEqual([]);
    host.answersPings = false;
    await host.pass(3_000);
    expect([asked(wire, 'ping').length, wire.isClosed()]).toEqual([1, false]);
    await host.pass(10_000);
    expect(wire.isClosed()).toBe(true);
    await host.pass(2_000);
    expect([asked(await opened(), 'subscribe'), host.now() < MINUTE_MS]).toMatchObject([
      [{ offset: offsetAt(0) }],
      true,
    ]);
  });

  test('costs one ping for each silence, and none while frames come', async () => {
    host = stillHost(() => 0);
    listen();
    const wire = await live();
    for (let count = 0; count < 90; count++) {
      await host.pass(40_000);
      wire.say(frame(count, count + 1, count));
    }
    expect([asked(wire, 'ping'), seen.length]).toEqual([[], 90]);
    const before = host.now();
    await host.pass(30 * MINUTE_MS);
    const pings = asked(wire, 'ping').length;
    expect([host.wires.length, (host.now() - before) / pings >= 45_000, pings > 30]).toEqual([1, true, true]);
  });

  test.each(['publish', 'subscribe'] as const)(
    'that does not answer a %s is tested by a ping, and replaced',
    async (action) => {
      listen();
      const wire = await live();
      host.answersPings = false;
      host.respond = acknowledge;
      const done = action === 'publish' ? hub.publish(CHANNEL, [1]) : hub.subscribe('b', { onMessages() {} });
      await host.pass(9_900);
      expect([asked(wire, action).length > 0, asked(wire, 'ping')]).toEqual([true, []]);
      await host.pass(200);
      expect([asked(wire, 'ping').length, wire.isClosed()]).toEqual([1, false]);
      // While the socket may be dead, nothing is published on it.
      expect(await hub.publish('c', [2])).toEqual({ offset: offsetAt(1) });
      await host.pass(10_000);
      expect([wire.isClosed(), asked(wire, 'publish').length]).toEqual([true, action === 'publish' ? 1 : 0]);
      await done;
      await host.pass(2_000);
      expect(asked(await opened(), 'subscribe').length).toBeGreaterThan(0);
    },
  );

  test('that answers the ping stays, and is used for publishes again', async () => {
    listen();
    const wire = await live();
    host.respond = acknowledge;
    const published = hub.publish(CHANNEL, [1]);
    await host.pass(10_000);
    await published;
    await host.pass(MINUTE_MS);
    void hub.publish(CHANNEL, [2]).catch(() => {});
    await settled();
    expect([wire.isClosed(), asked(wire, 'publish').length, host.requests.length]).toEqual([false, 2, 1]);
  });

  test('on a slow line, with pongs half a minute late behind frames, stays', async () => {
    listen();
    const wire = await live();
    host.answersPings = false;
    host.respond = acknowledge;
    void hub.publish(CHANNEL, ['x']);
    const late: { readonly at: number; readonly id: unknown }[] = [];
    let pongs = 0;
    for (let count = 0; count < 100; count++) {
      await host.pass(4_000);
      wire.say(frame(count, count + 1, count));
      for (const { id } of asked(wire, 'ping').slice(late.length)) late.push({ at: host.now() + 30_000, id });
      for (const { id } of late.slice(pongs).filter(({ at }) => at <= host.now())) {
        wire.say({ type: 'pong', id, connection: 'c' });
        pongs += 1;
      }
    }
    expect([asked(wire, 'ping').length > 20, wire.isClosed(), seen.length]).toEqual([true, false, 100]);
    // Its pongs are fast again, from the next ping on.
    host.answersPings = true;
    await host.pass(8_000);
    wire.say(frame(100, 101, 100));
    await host.pass(8_000);
    void hub.publish(CHANNEL, ['y']).catch(() => {});
    await settled();
    expect([host.wires.length, asked(wire, 'publish').length]).toEqual([1, 2]);
  });

  test('with frames but without a pong for three minutes is replaced, because nothing reaches the hub', async () => {
    listen();
    const wire = await live();
    host.answersPings = false;
    host.respond = acknowledge;
    void hub.publish(CHANNEL, ['x']);
    let count = 0;
    while (!wire.isClosed() && count < 60) {
      await host.pass(4_000);
      wire.say(frame(count, count + 1, count));
      count += 1;
    }
    expect([count * 4_000 > 2 * MINUTE_MS, count * 4_000 < 3 * MINUTE_MS]).toEqual([true, true]);
  });

  test.each(['Too Many Requests', 'Internal server error'])(
    'with the answer "%s" of the gateway stays, and the request is made again',
    async (message) => {
      listen();
      const wire = await live();
      host.respond = acknowledge;
      const published = hub.publish(CHANNEL, [1]);
      await settled();
      wire.say({ message, connectionId: 'c', requestId: 'r' });
      await host.pass(2_600);
      expect(await published).toEqual({ offset: offsetAt(1) });
      host.answersPings = false;
      await host.pass(45_000);
      wire.say({ message, connectionId: 'c', requestId: 'r' });
      await host.pass(10_000);
      expect([asked(wire, 'ping').length, wire.isClosed()]).toEqual([1, false]);
    },
  );
});

describe('after a sleep of the machine', () => {
  /** A socket that is a minute old. */
  const living = async (): Promise<FakeWire> => {
    listen();
    const wire = await live();
    await host.pass(MINUTE_MS);
    return wire;
  };

  test.each([60_000, 85_000, 3_600_000])(
    'of %d ms a ping is sent at the first check, and a socket without a pong is replaced',
    async (ms) => {
      const wire = await living();
      host.answersPings = false;
      host.sleep(ms);
      const woke = host.now();
      await host.pass(2_000);
      expect(asked(wire, 'ping').length).toBe(2);
      await host.pass(10_000);
      expect(wire.isClosed()).toBe(true);
      while (host.wires.length === 1) await host.pass(100);
      expect(host.now() - woke).toBeLessThan(14_000);
    },
  );

  test('nothing is published on a socket that may be dead', async () => {
    const wire = await living();
    host.answersPings = false;
    host.sleep(60_000);
    host.respond = acknowledge;
    expect(await hub.publish(CHANNEL, [1])).toEqual({ offset: offsetAt(1) });
    expect(asked(wire, 'publish')).toEqual([]);
  });

  test('a socket that answers stays', async () => {
    const wire = await living();
    host.sleep(60 * MINUTE_MS);
    await host.pass(5 * MINUTE_MS);
    expect([asked(wire, 'ping').length > 3, wire.isClosed(), host.wires.length]).toEqual([true, false, 1]);
  });

  test('in a hidden page with slow timers, at most one ping per minute is sent', async () => {
    const wire = await living();
    const before = asked(wire, 'ping').length;
    for (let minute = 0; minute < 10; minute++) {
      host.sleep(MINUTE_MS);
      await host.pass(0);
    }
    expect([asked(wire, 'ping').length - before, wire.isClosed()]).toEqual([10, false]);
  });

  test.each(['sse', 'long-poll'] as const)(
    '%s asks again, though timers stood still during the sleep',
    async (transport) => {
      let published = 0;
      let slept = 0;
      host.respond = (url, { signal }) => {
        const body = new ReadableStream({
          start(stream) {
            const event = published > 0 ? { channel: CHANNEL, message: 'late' } : undefined;
            const data = event ? `data: ${JSON.stringify(event)}\n` : '';
            stream.enqueue(new TextEncoder().encode(`id: ${offsetAt(published)}\n${data}\n`));
            signal?.addEventListener('abort', () => stream.error(new DOMException('aborted', 'AbortError')));
          },
        });
        if (url.includes('/events'))
          return new Response(body, { headers: { 'Content-Type': 'text/event-stream' } });
        if (url.includes('live=long-poll') && published === 0) return new Promise<Response>(() => {});
        const headers = { 'Stream-Next-Offset': offsetAt(published), 'Stream-Up-To-Date': 'true' };
        return Response.json(url.includes(offsetAt(0)) && published > 0 ? ['late'] : [], { headers });
      };
      const sleeper = { ...host, now: () => host.now() + slept };
      hub = connectOver(sleeper, { url: 'https://hub.example', transports: [transport] });
      hub.subscribe(CHANNEL, { onMessages: ({ messages }) => void seen.push(...messages) });
      await host.pass(2_000);
      published = 1;
      slept = 60_000;
      await host.pass(5_000);
      expect(seen).toEqual(['late']);
    },
  );

  test('the clock has counted the sleep, and never goes back', () => {
    let [steady, wall] = [1_000, 1_700_000_000_000];
    const now = wakefulClock(
      () => steady,
      () => wall,
    );
    const passed = (steadyMs: number, wallMs: number): number => {
      const before = now();
      steady += steadyMs;
      wall += wallMs;
      return now() - before;
    };
    expect([passed(500, 500), passed(100, 3_600_100), passed(500, 500)]).toEqual([500, 3_600_100, 500]);
    // The wall clock is set back by an hour.
    expect([passed(200, -3_600_000), passed(500, 500), passed(100, 60_100)]).toEqual([200, 500, 60_100]);
    // The wall clock drifts.
    expect([passed(500, 501), passed(500, 499)]).toEqual([500, 500]);
  });
});
