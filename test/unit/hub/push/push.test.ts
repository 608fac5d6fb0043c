/**
 * PROTOCOL.md §12.3 and §12.4: every subscriber on a socket gets every message once and in order. In virtual time.
 * @module
 */
import { describe, expect, test } from 'vitest';
import { append } from '../../../../lambda/hub/log/append.ts';
import { create, remove } from '../../../../lambda/hub/log/lifecycle.ts';
import { forget, unsubscribe } from '../../../../lambda/hub/push/subscribe.ts';
import { BEGINNING } from '../../../../protocol/offset.ts';
import { CHANNEL, publish, requestOf } from '../../../support/domain/json-log.ts';
import { numbers, run } from '../../../support/domain/push-trouble.ts';
import { pushWorld, type World } from '../../../support/domain/push-world.ts';
import { seededRandom } from '../../../support/domain/random.ts';

const SEED = Number(process.env.FUZZ_SEED ?? Date.now() % 1_000_000);
const worldOf = (): World => pushWorld({ random: seededRandom(SEED) });

describe('a subscriber', () => {
  test('with an offset gets the history, then live messages, contiguously', async () => {
    const w = worldOf();
    await run(w, async () => {
      for (const n of numbers(0, 10)) await publish(w.log, n);
      const client = await w.client();
      await w.subscribe(client, CHANNEL, 'beginning');
      for (const n of numbers(10, 20)) await publish(w.log, n);
      await w.idle();
      expect(client.taken.get(CHANNEL)).toEqual(numbers(0, 20));
      expect([client.breaks, client.dropped, w.failures]).toEqual([[], 0, []]);
    });
  });

  test('from now on gets live messages and no history', async () => {
    const w = worldOf();
    await run(w, async () => {
      await publish(w.log, 'before');
      const client = await w.client();
      await w.subscribe(client, CHANNEL, 'now');
      await w.idle();
      expect(client.frames).toEqual([]);
      await publish(w.log, 'after');
      await w.idle();
      expect(client.taken.get(CHANNEL)).toEqual(['after']);
    });
  });

  test('may come before the channel exists', async () => {
    for (const from of ['now', 'beginning', BEGINNING] as const) {
      const w = worldOf();
      await run(w, async () => {
        const client = await w.client();
        expect((await w.subscribe(client, CHANNEL, from)).offset).toEqual(BEGINNING);
        await publish(w.log, 1);
        await publish(w.log, 2);
        await w.idle();
        expect([client.taken.get(CHANNEL), client.breaks]).toEqual([[1, 2], []]);
      });
    }
  });

  test('gets what is published while it subscribes', async () => {
    for (let pause = 0; pause < 40; pause++) {
      const w = worldOf();
      await run(w, async () => {
        await publish(w.log, 0);
        await w.idle();
        const client = await w.client();
        const subscribing = w.subscribe(client, CHANNEL, 'now');
        await w.sleep(pause);
        const published = publish(w.log, 1);
        const { offset } = await subscribing;
        const next = await published;
        await w.idle();
        const begins = offset && offset.entry < next.entry;
        expect(client.taken.get(CHANNEL) ?? []).toEqual(begins ? [1] : []);
        expect(client.breaks).toEqual([]);
      });
    }
  });

  test('gets nothing after it unsubscribed, and a second subscription changes nothing', async () => {
    const w = worldOf();
    await run(w, async () => {
      const client = await w.client();
      await w.subscribe(client, CHANNEL, 'now');
      await publish(w.log, 1);
      await w.idle();
      await w.subscribe(client, CHANNEL, 'beginning');
      await w.idle();
      expect(client.frames).toHaveLength(1);
      const connection = await w.listeners.connections.get(client.id);
      if (connection) await unsubscribe({ ...w.listeners, log: w.log }, connection, CHANNEL);
      await publish(w.log, 2);
      await w.idle();
      expect([client.frames.length, w.listeners.subscriptionRows()]).toEqual([1, []]);
    });
  });

  test('by a pattern gets every message of every channel that is published after it subscribed', async () => {
    const w = worldOf();
    await run(w, async () => {
      await append(w.log, requestOf(['old'], { channel: 'chat/old' }));
      await w.idle();
      await w.sleep(60_000);
      const client = await w.client();
      const other = await w.client();
      await w.subscribe(client, 'chat/*', 'now');
      await w.subscribe(other, 'shop/*', 'now');
      await append(w.log, requestOf(['one'], { channel: 'chat/old' }));
      await append(w.log, requestOf(['two'], { channel: 'chat/a/new' }));
      await append(w.log, requestOf(['three'], { channel: 'chat' }));
      await append(w.log, requestOf(['four'], { channel: 'chat/old' }));
      await w.idle();
      expect(Object.fromEntries(client.taken)).toEqual({
        'chat/old': ['one', 'four'],
        'chat/a/new': ['two'],
      });
      expect([client.breaks, other.frames]).toEqual([[], []]);
      expect(client.frames.every(({ pattern }) => pattern === 'chat/*')).toBe(true);
    });
  });

  test('whose connection is gone is removed with all its subscriptions at the next message', async () => {
    const w = worldOf();
    await run(w, async () => {
      const stays = await w.client();
      const leaves = await w.client();
      for (const client of [stays, leaves]) {
        for (const channel of [CHANNEL, 'chat/*', 'other']) await w.subscribe(client, channel, 'now');
      }
      leaves.isGone = true;
      await publish(w.log, 1);
      await w.idle();
      expect(new Set(w.listeners.subscriptionRows().map(({ connection }) => connection))).toEqual(
        new Set([stays.id]),
      );
      expect([...w.listeners.connectionRows.keys()]).toEqual([stays.id]);
      expect(stays.taken.get(CHANNEL)).toEqual([1, 1]);
      await forget({ ...w.listeners }, stays.id);
      expect([w.listeners.subscriptionRows(), [...w.listeners.connectionRows]]).toEqual([[], []]);
    });
  });

  test('whose token has ended is told once, and gets nothing more', async () => {
    const w = worldOf();
    await run(w, async () => {
      const client = await w.client({ allowedUntil: w.log.now + 60_000 });
      await w.subscribe(client, CHANNEL, 'now');
      await publish(w.log, 1);
      await w.sleep(61_000);
      await publish(w.log, 2);
      await publish(w.log, 3);
      await w.idle();
      expect(client.frames.map(({ type, code, messages }) => [type, code ?? messages])).toEqual([
        ['messages', [1]],
        ['error', 'unauthorized'],
      ]);
      expect(w.listeners.subscriptionRows()).toEqual([]);
    });
  });

  test('is told once that the channel is closed, with the last message or without it', async () => {
    for (const last of [[], ['bye']]) {
      const w = worldOf();
      await run(w, async () => {
        const client = await w.client();
        const late = await w.client();
        await w.subscribe(client, CHANNEL, 'now');
        await publish(w.log, 1);
        await w.idle();
        await append(w.log, requestOf(last, { close: true }));
        await w.idle();
        await w.subscribe(late, CHANNEL, 'beginning');
        await w.idle();
        for (const { frames, breaks } of [client, late]) {
          expect(frames.filter(({ closed }) => closed)).toHaveLength(1);
          expect([frames.at(-1)?.closed, breaks]).toEqual([true, []]);
        }
        const end = await w.subscribe(await w.client(), CHANNEL, 'now');
        expect(end.isClosed).toBe(true);
      });
    }
  });

  test('before a gap gets what is beyond it when the gap is sealed, without another publish', async () => {
    const w = worldOf();
    await run(w, async () => {
      const client = await w.client();
      await w.subscribe(client, CHANNEL, 'now');
      await publish(w.log, 1);
      const hook = w.log.hook;
      w.log.hook = async (moment) => {
        if (moment === 'before entries.put') throw new Error('crash');
      };
      await expect(publish(w.log, 'lost')).rejects.toThrow('crash');
      w.log.hook = hook;
      await publish(w.log, 2);
      await w.idle();
      expect([client.taken.get(CHANNEL), client.breaks, w.failures]).toEqual([[1, 2], [], []]);
    });
  });

  test('of a channel that was deleted and created again sees it by a `from` that is not the last `next`', async () => {
    const w = worldOf();
    await run(w, async () => {
      const client = await w.client();
      await w.subscribe(client, CHANNEL, 'now');
      await publish(w.log, 1);
      await w.idle();
      await w.sleep(1_000);
      await remove(w.log, CHANNEL);
      await publish(w.log, 'again');
      await w.idle();
      expect(client.breaks).toHaveLength(1);
      expect(client.frames.at(-1)).toMatchObject({ messages: ['again'] });
    });
  });
});

describe('a frame has', () => {
  test('text and bytes of channels that are not JSON, and an announcement of a message that is too large', async () => {
    const w = worldOf();
    const make = async (channel: string, contentType: string, body: Buffer) =>
      await create(w.log, {
        channel,
        contentType,
        ttlSeconds: undefined,
        expiresAt: undefined,
        close: false,
        body,
      });
    await run(w, async () => {
      const client = await w.client();
      await make('t/text', 'text/plain', Buffer.from('"ä"\n'));
      await make('t/bytes', 'application/octet-stream', Buffer.from([0, 255, 7]));
      await make('t/large', 'application/octet-stream', Buffer.alloc(128 * 1024));
      for (const channel of ['t/text', 't/bytes', 't/large']) await w.subscribe(client, channel, 'beginning');
      await w.idle();
      expect(Object.fromEntries(client.taken)).toEqual({
        't/text': ['"ä"\n'],
        't/bytes': ['AP8H'],
        't/large': ['omitted'],
      });
      expect(client.frames.find(({ omitted }) => omitted)).not.toHaveProperty('base64');
    });
  });

  test('the text of a message as it was published', async () => {
    const w = worldOf();
    await run(w, async () => {
      const texts: string[] = [];
      const client = await w.client();
      await w.subscribe(client, CHANNEL, 'now');
      const raw = '{"b":1,"a":12345678901234567890.10,"\\u0061":"\\ud83d\\ude00"}';
      await append(w.log, { ...requestOf(['x']), body: Buffer.from(raw) });
      await w.idle();
      texts.push(JSON.stringify(client.frames[0]));
      expect(texts[0]).toContain('"from":"');
      expect(client.frames).toHaveLength(1);
    });
  });

  test('many small messages, up to 32 KB', async () => {
    const w = worldOf();
    await run(w, async () => {
      for (const n of numbers(0, 300)) await publish(w.log, { n, pad: 'x'.repeat(500) });
      await w.idle();
      const client = await w.client();
      await w.subscribe(client, CHANNEL, 'beginning');
      await w.idle();
      expect(client.taken.get(CHANNEL)).toHaveLength(300);
      const sizes = client.frames.map((frame) => Buffer.byteLength(JSON.stringify(frame)));
      expect(Math.max(...sizes)).toBeLessThanOrEqual(32 * 1024);
      expect(client.frames.length).toBeLessThanOrEqual(Math.ceil((300 * 520) / (31 * 1024)) + 1);
    });
  });
});
