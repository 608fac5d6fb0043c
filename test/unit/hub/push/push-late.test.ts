/**
 * Owners of a shard that are late: they go on after their lease, or do not learn that they have let go (PROTOCOL.md §12.4,
 * docs/adr/0011).
 * @module
 */
import { expect, test } from 'vitest';
import { append } from '../../../../lambda/hub/log/append.ts';
import { CHANNEL, publish, requestOf } from '../../../support/domain/json-log.ts';
import { around, leave, numbers, run, storesOf, worldOf } from '../../../support/domain/push-trouble.ts';

const BIG = 'x'.repeat(25_000);

test('an owner whose lease has ended does not write over an own cursor of the next owner', async () => {
  const w = worldOf();
  await run(w, async () => {
    const fine = await w.client();
    await w.subscribe(fine, CHANNEL, 'now');
    for (const n of numbers(0, 12)) await append(w.log, requestOf([n, BIG]));
    await w.idle();
    const slow = await w.client();
    let isHeldUp = false;
    around(storesOf(w).subscriptions, 'move', (original) => async (set, member, channel, cursor) => {
      if (!isHeldUp && cursor && member.connection === slow.id) {
        isHeldUp = true;
        // The next owner finds a client that takes nothing, and puts it into backoff.
        slow.posted = () => 'busy';
        await w.sleep(14_000);
      }
      return await original(set, member, channel, cursor);
    });
    await w.subscribe(slow, CHANNEL, 'beginning');
    await w.sleep(12_000);
    await append(w.log, requestOf(['more']));
    await w.sleep(10_000);
    slow.posted = undefined;
    await w.idle(3_600_000);
    await append(w.log, requestOf(['last']));
    await w.idle(3_600_000);
    expect(isHeldUp).toBe(true);
    const taken = slow.taken.get(CHANNEL)?.filter((message) => message !== BIG);
    expect([taken, slow.breaks]).toEqual([[...numbers(0, 12), 'more', 'last'], []]);
  });
});

test('an owner that is out of time runs no other pass, whatever answer its release gets', async () => {
  const w = worldOf();
  await run(w, async () => {
    for (const n of numbers(0, 4)) await append(w.log, requestOf([n]));
    await w.idle();
    // `lost` from the release whose answer was lost until another process takes the lease.
    let state: 'held' | 'lost' | 'taken' = 'held';
    let looksWithout = 0;
    around(storesOf(w).cursors, 'take', (original) => async (...args) => {
      const taken = await original(...args);
      if (taken && state === 'lost') state = 'taken';
      return taken;
    });
    around(storesOf(w).subscriptions, 'members', (original) => async (set) => {
      if (state === 'lost') looksWithout++;
      const members = await original(set);
      // In its third pass the owner is out of time, and the third client reaches the head.
      if (state === 'held') await w.sleep(3_400);
      return members;
    });
    around(storesOf(w).cursors, 'release', (original) => async (...args) => {
      const released = await original(...args);
      if (!released || state !== 'held') return released;
      state = 'lost';
      return false;
    });
    for (const _ of numbers(0, 3)) {
      await w.subscribe(await w.client(), CHANNEL, 'beginning');
      await w.sleep(3_000);
    }
    await w.idle(3_600_000);
    expect([state, looksWithout]).toEqual(['taken', 0]);
    for (const { taken } of w.clients.values()) expect(taken.get(CHANNEL)).toEqual(numbers(0, 4));
  });
});

test('an ask of an owner that is out of time is served, also if it dies when it has let go', async () => {
  const w = worldOf();
  await run(w, async () => {
    const client = await w.client();
    await w.subscribe(client, CHANNEL, 'now');
    await publish(w.log, 0);
    await w.idle();
    // Without an entry in its hints the owner reads in each pass.
    around(w.log, 'hint', (original) => (hint) => original({ ...hint, entry: undefined }));
    let passes = 0;
    around(storesOf(w).subscriptions, 'members', (original) => async (set) => {
      const members = await original(set);
      // In its third pass the owner is out of time.
      if (passes++ < 3) await w.sleep(3_400);
      return members;
    });
    let isDead = false;
    around(storesOf(w).cursors, 'release', (original) => async (shard, lease, progress, asks, now) => {
      const released = await original(shard, lease, progress, asks, now);
      if (!released || asks !== undefined || isDead) return released;
      isDead = true;
      w.crashAt = w.calls + 1;
      return released;
    });
    w.calls = 0;
    w.crashAt = Number.POSITIVE_INFINITY;
    for (const n of numbers(1, 5)) {
      await publish(w.log, n);
      await w.sleep(3_000);
    }
    expect(isDead).toBe(true);
    await w.sleep(5_000);
    expect([client.taken.get(CHANNEL), client.breaks]).toEqual([numbers(0, 5), []]);
  });
});

test('an entry that fills a gap while cached pages are posted is sent without a wait', async () => {
  for (const pause of numbers(0, 40).map((step) => step * 5)) {
    const w = worldOf();
    await run(w, async () => {
      const client = await w.client();
      await w.subscribe(client, CHANNEL, 'now');
      await publish(w.log, 'first');
      await w.idle();
      const silent = { ...w.log, hint: async () => {} };
      for (const n of numbers(0, 7)) await append(silent, requestOf([n, BIG]));
      // A publish that is slow between its two writes, and one behind it.
      let isClaimed = false;
      const slow = append(
        {
          ...w.log,
          clock: () => w.log.now,
          entries: {
            ...w.log.entries,
            put: async (streamId, entry) => {
              isClaimed = true;
              await w.sleep(pause);
              return await w.log.entries.put(streamId, { ...entry, time: w.log.now });
            },
          },
        },
        requestOf(['slow']),
      );
      while (!isClaimed) await w.sleep(1);
      await publish(w.log, 'last');
      await slow;
      const written = w.log.now;
      while (client.taken.get(CHANNEL)?.at(-1) !== 'last' && w.log.now < written + 20_000) await w.sleep(10);
      expect(w.log.now - written, `pause ${pause}`).toBeLessThan(1_000);
      await w.idle();
    });
  }
});

test('a client that has unsubscribed gets nothing more, also if an earlier unsubscribe came late and removed the note', async () => {
  const w = worldOf();
  await run(w, async () => {
    const client = await w.client();
    await w.subscribe(client, CHANNEL, 'now');
    await publish(w.log, 1);
    await w.idle();
    let isFirst = true;
    around(storesOf(w).connections, 'unnote', (original) => async (...args) => {
      if (isFirst) {
        isFirst = false;
        void w.sleep(2_000).then(async () => await original(...args));
        await w.sleep(800);
      }
      return await original(...args);
    });
    await leave(w, client, CHANNEL);
    await w.subscribe(client, CHANNEL, 'now');
    await w.sleep(3_000);
    await publish(w.log, 2);
    await w.idle();
    await leave(w, client, CHANNEL);
    await publish(w.log, 3);
    await w.idle();
    expect([client.taken.get(CHANNEL), w.listeners.subscriptionRows()]).toEqual([[1, 2], []]);
  });
});

test('an unsubscribe ends a subscription that began just before it by a clock that is a little ahead', async () => {
  const w = worldOf();
  await run(w, async () => {
    const client = await w.client();
    await w.subscribe(client, CHANNEL, 'now');
    await leave(w, client, CHANNEL, () => w.log.now - 50);
    await publish(w.log, 1);
    await w.idle();
    expect([client.taken.get(CHANNEL), w.listeners.subscriptionRows()]).toEqual([undefined, []]);
  });
});
