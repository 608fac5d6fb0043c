/**
 * Ephemeral messages in the client: published once, and received at most once, by sockets and streams (PROTOCOL.md §4.7).
 * @module
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { connectOver, type Hub } from '../../../client/connect.ts';
import { MAX_EPHEMERAL_BYTES } from '../../../protocol/limits.ts';
import { openWire } from '../../support/client/live-socket.ts';
import { type FakeWire, type StillHost, settled, stillHost } from '../../support/client/still-host.ts';
import { offsetAt } from '../../support/domain/fake-log.ts';

const CHANNEL = 'game/7';
const ROOM = 'chat/room1';
const MINUTE_MS = 60_000;

let host: StillHost;
let hub: Hub;
beforeEach(() => {
  host = stillHost();
  hub = connectOver(host, { url: 'https://hub.example' });
});
afterEach(async () => {
  hub.close();
  await settled();
  expect(host.timers()).toBe(0);
});

const accepted = () => new Response(null, { status: 202 });
const frame = (more: object) => ({ type: 'ephemeral', channel: CHANNEL, ...more });

/** The result of a promise: `done`, its error code, or `open`. */
async function outcome(promise: Promise<unknown>): Promise<unknown> {
  const ended = promise.then(
    () => 'done',
    (error) => (error instanceof TypeError ? 'TypeError' : error.code),
  );
  await settled();
  return await Promise.race([ended, Promise.resolve('open')]);
}

describe('a publish', () => {
  const publish = (messages: readonly unknown[]) => hub.publish(CHANNEL, messages, { ephemeral: true });
  const said = (wire: FakeWire) => wire.said.filter(({ action }) => action === 'publish');

  /** What the hub received over HTTP. */
  function requests(answer: () => Response = accepted): unknown[] {
    const got: unknown[] = [];
    host.respond = (url, { method, headers, body }) => {
      if (method !== 'POST') throw new TypeError('fetch failed');
      const all = new Headers(headers);
      got.push([url, all.get('Tidings-Ephemeral'), all.get('Idempotency-Key'), String(body)]);
      return answer();
    };
    return got;
  }

  test('goes over HTTP while there is no socket', async () => {
    const got = requests();
    expect(await publish([{ x: 1 }])).toBeUndefined();
    expect(got).toEqual([[`https://hub.example/channels/${CHANNEL}`, 'true', null, '[{"x":1}]']]);
  });

  test('goes over the socket, without a key, and is done when the hub has accepted it', async () => {
    const got = requests();
    const wire = await openWire(host, hub);
    const published = publish([{ x: 1 }]);
    expect(await outcome(published)).toBe('open');
    const frames = said(wire);
    expect(frames).toEqual([
      { action: 'publish', channel: CHANNEL, ephemeral: true, id: expect.any(String), messages: [{ x: 1 }] },
    ]);
    wire.answer('publish', { type: 'published' });
    expect([await outcome(published), got]).toEqual(['done', []]);
  });

  test('waits for no other publish', async () => {
    const got = requests();
    const wire = await openWire(host, hub);
    const others = [hub.publish(CHANNEL, [1]), publish([2]), publish([3])].map(outcome);
    expect(said(wire).map(({ messages }) => messages)).toEqual([[1], [2], [3]]);
    expect([await Promise.all(others), got]).toEqual([['open', 'open', 'open'], []]);
  });

  test.each<[string, () => Response | Promise<Response>]>([
    ['a proxy', () => new Response('no', { status: 502 })],
    ['a login page', () => new Response('<html>')],
    [
      'the hub that is busy',
      () => Response.json({ error: { code: 'unavailable', message: 'busy' } }, { status: 503 }),
    ],
    ['nobody', () => Promise.reject(new Error('lost'))],
    // A hub without ephemeral messages has stored it.
    [
      'an older hub',
      () => new Response(null, { status: 204, headers: { 'Stream-Next-Offset': offsetAt(1) } }),
    ],
  ])('that is answered by %s is not sent again', async (_name, answer) => {
    let count = 0;
    host.respond = () => {
      count++;
      return answer();
    };
    expect(await outcome(publish([1]))).toBe('unavailable');
    await host.pass(2 * MINUTE_MS);
    expect(count).toBe(1);
  });

  test('that a socket does not answer is not sent again, and one that it refuses neither', async () => {
    const got = requests();
    const wire = await openWire(host, hub);
    const lost = publish([1]);
    lost.catch(() => {});
    const refused = publish([2]);
    await settled();
    const [, second] = said(wire);
    wire.say({ type: 'error', id: second?.id, code: 'too_many_requests', message: 'wait' });
    expect(await outcome(refused)).toBe('too_many_requests');
    await host.pass(10_000);
    expect([await outcome(lost), said(wire).length, got]).toEqual(['unavailable', 2, []]);
  });

  test('whose token the hub refuses goes over HTTP, because nothing was sent', async () => {
    const got = requests();
    const wire = await openWire(host, hub);
    const published = publish([1]);
    await settled();
    wire.answer('publish', { type: 'error', code: 'unauthorized', message: 'ended' });
    expect([await outcome(published), got.length]).toEqual(['done', 1]);
  });

  test('that the hub would refuse is refused at once', async () => {
    const got = requests();
    const most = 'x'.repeat(MAX_EPHEMERAL_BYTES - 2);
    expect(await outcome(publish([most]))).toBe('done');
    expect(await outcome(publish([`${most}x`]))).toBe('too_large');
    expect(await outcome(hub.publish('no channel', [1], { ephemeral: true }))).toBe('bad_channel');
    expect(await outcome(publish([undefined]))).toBe('TypeError');
    expect(got).toHaveLength(1);
  });

  test('after the client is closed is not sent', async () => {
    const got = requests();
    hub.close();
    expect([await outcome(publish([1])), got]).toEqual(['unavailable', []]);
  });
});

describe('a subscription', () => {
  function see(topic = CHANNEL) {
    const seen: unknown[] = [];
    const messages: unknown[] = [];
    const subscription = hub.subscribe(topic, {
      onMessages: (batch) => messages.push(...batch.messages),
      onEphemeral: (ephemeral) => seen.push(ephemeral),
    });
    return { seen, messages, subscription };
  }

  async function live(topic = CHANNEL): Promise<FakeWire> {
    await settled();
    const wire = host.wires.at(-1);
    if (!wire) throw new Error('no socket was opened');
    wire.open();
    await settled();
    wire.answer('subscribe', { type: 'subscribed', ...(topic.endsWith('*') ? {} : { offset: offsetAt(3) }) });
    await settled();
    return wire;
  }

  test('gets them by a socket, and stays where it is', async () => {
    const { seen, messages, subscription } = see();
    const wire = await live();
    wire.say(frame({ messages: [{ x: 1 }, 2] }));
    wire.say({ ...frame({ messages: [3] }), channel: ROOM });
    wire.say(frame({ messages: 'none' }));
    wire.say(frame({ messages: [4], pattern: 'game/*' }));
    expect(seen).toEqual([{ channel: CHANNEL, messages: [{ x: 1 }, 2] }]);
    expect([messages, subscription.offset]).toEqual([[], offsetAt(3)]);
    subscription.close();
    wire.say(frame({ messages: [5] }));
    expect(seen).toHaveLength(1);
  });

  test('to a pattern gets those of its channels', async () => {
    const { seen } = see('game/*');
    const wire = await live('game/*');
    wire.say(frame({ messages: [1] }));
    wire.say(frame({ messages: [2], pattern: 'game/*' }));
    expect(seen).toEqual([{ channel: CHANNEL, messages: [2] }]);
  });

  test('gets them once while one socket replaces another', async () => {
    const { seen } = see();
    const old = await live();
    while (host.wires.length === 1 && host.now() < 120 * MINUTE_MS) {
      old.say(frame({ messages: ['kept alive'] }));
      await host.pass(2_000);
    }
    seen.length = 0;
    const next = host.wires.at(-1);
    next?.open();
    await settled();
    const both = (message: string) => {
      for (const wire of [old, next]) wire?.say(frame({ messages: [message] }));
    };
    both('before the answer');
    next?.answer('subscribe', { type: 'subscribed', offset: offsetAt(3) });
    await settled();
    both('after the answer');
    expect(seen).toEqual(
      ['before the answer', 'after the answer'].map((message) => ({ channel: CHANNEL, messages: [message] })),
    );
  });

  test('gets them by a stream, and stays where it is', async () => {
    hub = connectOver(host, { url: 'https://hub.example', transports: ['sse'] });
    let write: (text: string) => void = () => {};
    host.respond = (url, { signal }) => {
      const page = { headers: { 'Stream-Next-Offset': offsetAt(3), 'Stream-Up-To-Date': 'true' } };
      if (!url.includes('/events')) return Response.json([], page);
      const body = new ReadableStream<Uint8Array>({
        start(controller) {
          write = (text) => controller.enqueue(new TextEncoder().encode(text));
          signal?.addEventListener('abort', () => controller.error(new Error('aborted')));
        },
      });
      return new Response(body, { headers: { 'Content-Type': 'text/event-stream' } });
    };
    const { seen, messages, subscription } = see();
    await host.pass(1_000);
    write(`retry: 1000\nid: ${offsetAt(3)}\n\n`);
    write('event: ephemeral\ndata:{"channel":"game/7","message":{"x":1}}\n\n');
    write('event: ephemeral\ndata:{"channel":"game/8","message":2}\n\n');
    write('event: ephemeral\ndata:{"of":"a newer hub"}\n\n');
    await settled();
    expect(seen).toEqual([{ channel: CHANNEL, messages: [{ x: 1 }] }]);
    expect([messages, subscription.offset]).toEqual([[], offsetAt(3)]);
    write(`id: ${offsetAt(4)}\ndata: {"channel":"game/7","message":"stored"}\n\n`);
    await settled();
    expect([messages, subscription.offset, seen.length]).toEqual([['stored'], offsetAt(4), 1]);
  });

  test('gets none before the hub has answered, and none by an iterator', async () => {
    const { seen } = see();
    const iterated: unknown[] = [];
    void (async () => {
      for await (const { messages } of hub.messages(CHANNEL)) iterated.push(...messages);
    })();
    await settled();
    host.wires.at(-1)?.open();
    await settled();
    host.wires.at(-1)?.say(frame({ messages: ['early'] }));
    expect(seen).toEqual([]);
    const wire = host.wires.at(-1);
    wire?.answer('subscribe', { type: 'subscribed', offset: offsetAt(3) });
    await settled();
    wire?.say(frame({ messages: ['then'] }));
    expect([seen.length, iterated]).toEqual([1, []]);
  });
});
