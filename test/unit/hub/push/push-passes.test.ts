/**
 * Passes of the push that follow one another closely: what one leaves to the next, and clients that come in between
 * (PROTOCOL.md §12.4).
 * @module
 */
import { expect, test } from 'vitest';
import { append } from '../../../../lambda/hub/log/append.ts';
import { create, remove } from '../../../../lambda/hub/log/lifecycle.ts';
import { Refusal } from '../../../../protocol/errors.ts';
import { CHANNEL, publish, requestOf } from '../../../support/domain/json-log.ts';
import {
  around,
  counted,
  longestOwnership,
  lose,
  numbers,
  run,
  storesOf,
  worldOf,
} from '../../../support/domain/push-trouble.ts';

const BIG = 'x'.repeat(25_000);

test('messages that are published while cached pages are posted are not forgotten', async () => {
  for (const pause of numbers(0, 40).map((step) => step * 5)) {
    const w = worldOf();
    await run(w, async () => {
      const client = await w.client();
      await w.subscribe(client, CHANNEL, 'now');
      await publish(w.log, 'first');
      await w.idle();
      const silent = { ...w.log, hint: async () => {} };
      for (const n of numbers(0, 7)) await append(silent, requestOf([n, BIG]));
      const { next = 0 } = (await w.log.channels.get(CHANNEL)) ?? {};
      await w.log.hint({
        channel: CHANNEL,
        offset: `${String(next).padStart(12, '0')}0000`,
        isClosing: false,
      });
      await w.sleep(pause);
      await publish(w.log, 'last');
      await w.idle();
      expect([client.taken.get(CHANNEL)?.at(-1), client.breaks], `pause ${pause}`).toEqual(['last', []]);
    });
  }
});

test('a slow client that takes everything does not delay the others', async () => {
  const w = worldOf();
  await run(w, async () => {
    const [fine, slow] = [await w.client(), await w.client()];
    for (const client of [fine, slow]) await w.subscribe(client, CHANNEL, 'now');
    await publish(w.log, 'first');
    await w.idle();
    slow.slowMs = 3_500;
    slow.posted = () => {
      slow.slowMs = 3_500;
      return 'sent';
    };
    for (const n of numbers(0, 20)) {
      await publish(w.log, n, BIG);
      await w.sleep(100);
    }
    await w.sleep(120_000);
    expect([fine.taken.get(CHANNEL)?.length, fine.breaks, fine.dropped]).toEqual([41, [], 0]);
    await w.idle(3_600_000);
    expect([slow.taken.get(CHANNEL)?.length, slow.breaks]).toEqual([41, []]);
    expect(w.posts).toBeLessThan(200);
  });
});

test('every client is told that a channel is closed, also behind sealed slots', async () => {
  const empty = {
    channel: CHANNEL,
    contentType: 'application/json',
    ttlSeconds: undefined,
    expiresAt: undefined,
  };
  for (const begins of ['with a lost publish', 'empty'] as const) {
    const w = worldOf();
    await run(w, async () => {
      const [early, late] = [await w.client(), await w.client()];
      if (begins === 'empty') {
        await w.subscribe(early, CHANNEL, 'now');
        await create(w.log, { ...empty, close: false, body: new Uint8Array() });
        await w.subscribe(late, CHANNEL, 'now');
      } else {
        await publish(w.log, 1);
        await lose(w);
        await w.subscribe(late, CHANNEL, 'now');
        await w.subscribe(early, CHANNEL, 'beginning');
        await w.idle();
      }
      await append(w.log, requestOf([], { close: true }));
      await w.idle();
      await w.sleep(60_000);
      for (const { frames } of [early, late])
        expect(frames.filter(({ closed }) => closed).length, begins).toBe(1);
    });
  }
});

test('a channel that is created again under its name can be closed again', async () => {
  const w = worldOf();
  await run(w, async () => {
    const client = await w.client();
    await w.subscribe(client, CHANNEL, 'now');
    await append(w.log, requestOf([1], { close: true }));
    await w.idle();
    await w.sleep(1_000);
    await remove(w.log, CHANNEL);
    await append(w.log, requestOf([2], { close: true }));
    await w.idle();
    expect(client.frames.map(({ messages, closed }) => [messages, closed])).toEqual([
      [[1], true],
      [[2], true],
    ]);
  });
});

test('an owner that new subscribers keep busy hands over in time', async () => {
  const w = worldOf();
  const longest = longestOwnership(w);
  await run(w, async () => {
    await publish(w.log, 0);
    const joining: Promise<unknown>[] = [];
    for (const _ of numbers(0, 700)) {
      joining.push(w.subscribe(await w.client(), CHANNEL, 'beginning'));
      await w.sleep(20);
    }
    await Promise.all(joining);
    await w.idle();
    expect(longest()).toBeLessThan(11_000);
    for (const { taken } of w.clients.values()) expect(taken.get(CHANNEL)).toEqual([0]);
  });
});

test('a client that subscribes again when it is told that its subscription has ended is subscribed', async () => {
  const w = worldOf();
  await run(w, async () => {
    const client = await w.client();
    await w.subscribe(client, 'many/*', 'now');
    client.posted = () => 'busy';
    for (const n of numbers(0, 120)) await append(w.log, requestOf([n], { channel: `many/${n}` }));
    await w.sleep(10_000);
    client.posted = undefined;
    let again: Promise<unknown> | undefined;
    // The client answers the error at once, and the removal of the old subscription is slow.
    around(storesOf(w).subscriptions, 'remove', (original) => async (...args) => {
      again ??= w.subscribe(client, 'many/*', 'now');
      await w.sleep(300);
      await original(...args);
    });
    await append(w.log, requestOf(['x'], { channel: 'many/0' }));
    await w.idle();
    await again;
    const before = client.frames.length;
    await append(w.log, requestOf(['after'], { channel: 'many/0' }));
    await w.idle();
    expect(client.frames.slice(before)).toMatchObject([{ channel: 'many/0' }]);
    expect(client.frames.filter(({ type }) => type === 'error')).toHaveLength(1);
  });
});

test('a table that is busy twice in a row delays a message by seconds, not by the visibility timeout', async () => {
  const w = worldOf();
  await run(w, async () => {
    const client = await w.client();
    await w.subscribe(client, CHANNEL, 'now');
    await publish(w.log, 0);
    await w.idle();
    let refusals = 2;
    const busy = () => {
      if (refusals-- > 0) throw new Refusal('unavailable', 'busy');
    };
    around(storesOf(w).cursors, 'release', (original) => async (...args) => {
      busy();
      return await original(...args);
    });
    around(storesOf(w).cursors, 'abandon', (original) => async (...args) => {
      busy();
      await original(...args);
    });
    await publish(w.log, 1);
    await w.sleep(500);
    await publish(w.log, 2);
    const began = w.time.now();
    await w.idle();
    expect([client.taken.get(CHANNEL), client.breaks, w.failures]).toEqual([[0, 1, 2], [], []]);
    expect(w.time.now() - began).toBeLessThan(30_000);
  });
});

test('sixty clients that take nothing share their looks', async () => {
  const w = worldOf();
  await run(w, async () => {
    const clients = await Promise.all(numbers(0, 60).map(() => w.client()));
    for (const client of clients) await w.subscribe(client, CHANNEL, 'now');
    await publish(w.log, 0);
    await w.idle();
    for (const client of clients) {
      client.posted = () => 'busy';
      await publish(w.log, 'x');
      await w.sleep(1_000);
    }
    await w.sleep(300_000);
    const count = counted(w);
    await w.sleep(600_000);
    expect(count.takes).toBeLessThan(25);
  });
});
