/**
 * The push under failures: busy tables, slow sockets, lost answers, callers with invented offsets. None of it may cost another
 * client a message, or go on for ever (PROTOCOL.md §12.4).
 * @module
 */
import { expect, test } from 'vitest';
import { append } from '../../../../lambda/hub/log/append.ts';
import { unsubscribe } from '../../../../lambda/hub/push/subscribe.ts';
import { CHANNEL, codeOf, publish, requestOf } from '../../../support/domain/json-log.ts';
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

test('a pattern with more than a thousand subscribers is split once, not again with each message', async () => {
  const w = worldOf();
  await run(w, async () => {
    for (const _ of numbers(0, 1_001)) await w.subscribe(await w.client(), CHANNEL, 'now');
    for (const n of numbers(0, 6)) {
      await publish(w.log, n);
      await w.idle();
    }
    const { patterns } = await w.listeners.lookup.find([CHANNEL], [], w.log.now);
    expect(patterns.get(CHANNEL)?.shards).toBe(2);
    for (const { taken } of w.clients.values()) expect(taken.get(CHANNEL)).toEqual(numbers(0, 6));
  });
}, 60_000);

test('an offset that the hub never gave is refused, also in a slot that is still empty', async () => {
  const w = worldOf();
  await run(w, async () => {
    const honest = await w.client();
    await w.subscribe(honest, CHANNEL, 'now');
    await publish(w.log, 1);
    const other = await w.client();
    const hook = w.log.hook;
    let outcome: unknown;
    w.log.hook = async (moment) => {
      if (moment !== 'before entries.put') return;
      w.log.hook = hook;
      const channel = await w.log.channels.get(CHANNEL);
      outcome = await codeOf(w.subscribe(other, CHANNEL, { entry: (channel?.next ?? 0) - 1, index: 9_999 }));
    };
    await publish(w.log, 2);
    await publish(w.log, 3);
    await w.idle();
    expect([outcome, honest.taken.get(CHANNEL), w.failures]).toEqual(['bad_offset', [1, 2, 3], []]);
  });
});

test('an own cursor at an offset that never was stops no other member', async () => {
  const w = worldOf();
  await run(w, async () => {
    const [honest, odd] = [await w.client(), await w.client()];
    for (const client of [honest, odd]) await w.subscribe(client, CHANNEL, 'now');
    await publish(w.log, 1);
    await w.idle();
    const set = { pattern: CHANNEL, shard: 0 };
    const members = await w.listeners.subscriptions.members(set);
    const row = members.find(({ connection }) => connection === odd.id);
    const { next = 0 } = (await w.log.channels.get(CHANNEL)) ?? {};
    const own = {
      at: { entry: next - 1, index: 777 },
      isUnsure: false,
      backoffs: 0,
      backoffUntil: 0,
      term: 0,
    };
    if (!row) throw new Error('the subscription is not there');
    await w.listeners.subscriptions.move(set, row, CHANNEL, own);
    await publish(w.log, 2);
    await w.idle();
    expect([honest.taken.get(CHANNEL), w.failures]).toEqual([[1, 2], []]);
  });
});

test('the owner of a channel that is never quiet hands over in time, and no client waits for that', async () => {
  for (const [rate, memberMs] of [
    [100, 15],
    [30, 150],
  ] as const) {
    const w = worldOf();
    const longest = longestOwnership(w);
    // As long as posts to a large shard take.
    around(storesOf(w).subscriptions, 'members', (original) => async (set) => {
      await w.sleep(memberMs);
      return await original(set);
    });
    await run(w, async () => {
      const client = await w.client();
      await w.subscribe(client, CHANNEL, 'now');
      let heard = w.time.now();
      let silence = 0;
      client.posted = () => {
        silence = Math.max(silence, w.time.now() - heard);
        heard = w.time.now();
        return 'sent';
      };
      const publishing: Promise<unknown>[] = [];
      for (const n of numbers(0, 30 * rate)) {
        publishing.push(publish(w.log, n));
        await w.sleep(1_000 / rate);
      }
      await Promise.all(publishing);
      await w.idle();
      expect(longest()).toBeLessThan(12_000);
      expect(silence).toBeLessThan(1_000);
      expect([client.taken.get(CHANNEL)?.length, client.breaks]).toEqual([30 * rate, []]);
    });
  }
}, 60_000);

test('a gap that cannot be sealed yet costs a few looks, not a loop', async () => {
  const w = worldOf();
  await run(w, async () => {
    await publish(w.log, 1);
    await lose(w);
    await w.subscribe(await w.client(), CHANNEL, 'now');
    const behind = await w.client();
    await w.subscribe(behind, CHANNEL, 'beginning');
    const count = counted(w);
    await w.sleep(3_600_000);
    expect(count.commits).toBeLessThan(5);
    expect(count.takes).toBeLessThan(5);
    await publish(w.log, 2);
    await w.idle();
    expect([behind.taken.get(CHANNEL), behind.breaks]).toEqual([[1, 2], []]);
  });
});

test('an owner that fails has stopped posting before another process begins', async () => {
  for (const late of numbers(2, 80).map((step) => step * 5)) {
    const w = worldOf();
    await run(w, async () => {
      const [a, b] = [await w.client(), await w.client()];
      for (const client of [a, b]) await w.subscribe(client, CHANNEL, 'now');
      await publish(w.log, 0);
      await w.idle();
      // One client cannot take a frame, the table is busy when the backoff is written, and a post to the other client is slow.
      a.posted = () => {
        a.posted = undefined;
        return 'busy';
      };
      b.slowMs = late;
      let refusals = 1;
      around(storesOf(w).subscriptions, 'move', (original) => async (...args) => {
        if (refusals-- > 0) throw new Error('throttled');
        return await original(...args);
      });
      // Six at once for the owner that fails, and one more for the owner that follows.
      const withheld: Parameters<typeof w.log.hint>[0][] = [];
      const { hint } = w.log;
      const silent = { ...w.log, hint: async (one: (typeof withheld)[0]) => void withheld.push(one) };
      for (const n of numbers(1, 7)) await append(silent, requestOf([n]));
      for (const one of withheld.slice(-1)) await hint(one);
      await w.sleep(60);
      await append(w.log, requestOf([7]));
      await w.idle();
      expect([a.taken.get(CHANNEL), a.breaks]).toEqual([numbers(0, 8), []]);
      expect([b.taken.get(CHANNEL), b.breaks]).toEqual([numbers(0, 8), []]);
    });
  }
});

test('a client whose subscription has a clock that is ahead loses nothing behind a gap', async () => {
  const w = worldOf();
  await run(w, async () => {
    await publish(w.log, 1);
    await lose(w);
    await publish(w.log, 2);
    await w.sleep(2_300);
    around(
      storesOf(w).subscriptions,
      'add',
      (original) => async (set, subscriber, isNew) =>
        await original(set, { ...subscriber, since: subscriber.since + 50 }, isNew),
    );
    const client = await w.client();
    await w.subscribe(client, CHANNEL, 'beginning');
    await w.idle();
    expect([client.taken.get(CHANNEL), client.breaks]).toEqual([[1, 2], []]);
  });
});

test('an owner whose release was answered too late for the SDK has sent its job all the same', async () => {
  const w = worldOf();
  await run(w, async () => {
    for (const n of numbers(0, 200)) await append(w.log, requestOf([n, 'x'.repeat(30_000)]));
    await w.idle();
    let isLost = false;
    around(storesOf(w).cursors, 'release', (original) => async (...args) => {
      const released = await original(...args);
      if (isLost || !released) return released;
      isLost = true;
      return false;
    });
    around(storesOf(w).subscriptions, 'members', (original) => async (set) => {
      await w.sleep(700);
      return await original(set);
    });
    const client = await w.client();
    await w.subscribe(client, CHANNEL, 'beginning');
    await w.idle(7_200_000);
    const taken = client.taken.get(CHANNEL)?.filter((message) => typeof message === 'number');
    expect([isLost, taken, client.breaks]).toEqual([true, numbers(0, 200), []]);
  });
});

test('a client that takes nothing is tried less and less often, and does not delay the others', async () => {
  const w = worldOf();
  await run(w, async () => {
    const [stuck, fine] = [await w.client(), await w.client()];
    for (const client of [stuck, fine]) await w.subscribe(client, CHANNEL, 'now');
    await publish(w.log, 0);
    await w.idle();
    let tries = 0;
    stuck.posted = () => {
      tries++;
      return 'busy';
    };
    for (const n of numbers(1, 300)) {
      await publish(w.log, n);
      await w.sleep(1_000);
    }
    expect(fine.taken.get(CHANNEL)).toEqual(numbers(0, 300));
    expect(tries).toBeLessThan(15);
    const count = counted(w);
    await w.sleep(600_000);
    expect(count.takes).toBeLessThan(15);
    stuck.posted = undefined;
    await w.idle();
    expect([stuck.taken.get(CHANNEL), stuck.breaks]).toEqual([numbers(0, 300), []]);
  });
});

test('a client that is behind in too many channels of a pattern is told to read them itself', async () => {
  const w = worldOf();
  await run(w, async () => {
    const client = await w.client();
    await w.subscribe(client, 'many/*', 'now');
    client.posted = () => 'busy';
    for (const n of numbers(0, 120)) await append(w.log, requestOf([n], { channel: `many/${n}` }));
    await w.sleep(10_000);
    expect(w.listeners.subscriptionRows()).toHaveLength(1);
    client.posted = undefined;
    await append(w.log, requestOf(['last'], { channel: 'many/0' }));
    await w.idle();
    expect(client.frames).toMatchObject([{ type: 'error', code: 'unavailable', channel: 'many/*' }]);
    expect(w.listeners.subscriptionRows()).toEqual([]);
  });
});

test('an unsubscribe that failed can be repeated', async () => {
  const w = worldOf();
  await run(w, async () => {
    const client = await w.client();
    await w.subscribe(client, CHANNEL, 'now');
    let refusals = 1;
    around(storesOf(w).subscriptions, 'remove', (original) => async (...args) => {
      if (refusals-- > 0) throw new Error('throttled');
      await original(...args);
    });
    const again = async () => {
      const connection = await w.listeners.connections.get(client.id);
      if (connection) await unsubscribe({ ...w.listeners, log: w.log }, connection, CHANNEL);
    };
    await expect(again()).rejects.toThrow('throttled');
    await again();
    await publish(w.log, 1);
    await w.idle();
    expect([client.frames, w.listeners.subscriptionRows()]).toEqual([[], []]);
  });
});

test('a client whose offset is behind a lost slot is told once that the channel is closed', async () => {
  const w = worldOf();
  await run(w, async () => {
    const old = await w.client();
    await w.subscribe(old, CHANNEL, 'now');
    await publish(w.log, 1);
    await w.idle();
    await lose(w);
    const late = await w.client();
    await w.subscribe(late, CHANNEL, 'now');
    await append(w.log, requestOf([], { close: true }));
    await w.idle();
    await w.sleep(60_000);
    for (const { frames } of [old, late]) expect(frames.filter(({ closed }) => closed)).toHaveLength(1);
  });
});

test('a long history is read about once for one subscriber', async () => {
  const w = worldOf();
  await run(w, async () => {
    for (const n of numbers(0, 100)) await append(w.log, requestOf([n, 'x'.repeat(25_000)]));
    await w.idle();
    let pages = 0;
    const hook = w.log.hook;
    w.onPage = () => pages++;
    const client = await w.client();
    await w.subscribe(client, CHANNEL, 'beginning');
    await w.idle();
    w.log.hook = hook;
    expect(client.taken.get(CHANNEL)).toHaveLength(200);
    // The store in memory has fifty entries a page: two pages of history, and one look at the end for each owner.
    expect(pages).toBeLessThan(12);
  });
});
