/**
 * Many clients, bursts, slow clients, failed posts and owners that die: every subscriber still gets every message once and in
 * order (PROTOCOL.md §12.3, §12.4). In virtual time. FUZZ_SEED repeats a run.
 * @module
 */
import { describe, expect, test } from 'vitest';
import { BEGINNING, formatOffset } from '../../../../protocol/offset.ts';
import { CHANNEL, publish } from '../../../support/domain/json-log.ts';
import { numbers, run } from '../../../support/domain/push-trouble.ts';
import { pushWorld, type World, type WorldOptions } from '../../../support/domain/push-world.ts';
import { seededRandom } from '../../../support/domain/random.ts';

const SEED = Number(process.env.FUZZ_SEED ?? Date.now() % 1_000_000);
const worldOf = (options: Partial<WorldOptions> = {}): World =>
  pushWorld({ random: seededRandom(SEED), ...options });

describe('under load', () => {
  test('a thousand clients that join at random moments get contiguous frames, without a repair', async () => {
    const random = seededRandom(SEED);
    for (let at = 0; at < 50; at++) {
      const w = pushWorld({ random, latencyMs: 1 + Math.floor(random() * 20), duplicates: 0.2 });
      await run(w, async () => {
        const publishing = (async () => {
          for (const n of numbers(0, 60)) {
            await publish(w.log, n);
            await w.sleep(random() * 30);
          }
        })();
        const joins = numbers(0, 20).map(async () => {
          await w.sleep(random() * 1_500);
          const client = await w.client();
          await w.subscribe(client, CHANNEL, random() < 0.5 ? 'beginning' : 'now');
          return client;
        });
        const clients = await Promise.all(joins);
        await publishing;
        await w.idle();
        for (const client of clients) {
          const taken = client.taken.get(CHANNEL) ?? [];
          expect(client.breaks, `seed ${SEED}`).toEqual([]);
          expect(taken, `seed ${SEED}`).toEqual(numbers(60 - taken.length, 60));
          expect(client.dropped, `seed ${SEED}`).toBe(0);
        }
        expect(w.failures).toEqual([]);
      });
    }
  });

  test('a burst becomes few frames when the owner is behind', async () => {
    const w = worldOf({ latencyMs: 40 });
    await run(w, async () => {
      const client = await w.client();
      await w.subscribe(client, CHANNEL, 'now');
      await Promise.all(numbers(0, 100).map((n) => publish(w.log, n)));
      await w.idle();
      expect([...(client.taken.get(CHANNEL) ?? [])].sort((a, b) => Number(a) - Number(b))).toEqual(
        numbers(0, 100),
      );
      expect(client.frames.length).toBeLessThan(10);
    });
  });

  test('a client that cannot take frames delays no other, and goes on from its own cursor', async () => {
    const w = worldOf();
    await run(w, async () => {
      const [slow, fast] = [await w.client(), await w.client()];
      for (const client of [slow, fast]) await w.subscribe(client, CHANNEL, 'now');
      await publish(w.log, 0);
      await w.idle();
      slow.posted = () => 'busy';
      for (const n of numbers(1, 20)) await publish(w.log, n);
      await w.sleep(5_000);
      expect([fast.taken.get(CHANNEL)?.length, slow.taken.get(CHANNEL)]).toEqual([20, [0]]);
      slow.posted = undefined;
      await w.idle();
      expect([slow.taken.get(CHANNEL), slow.breaks, slow.dropped]).toEqual([numbers(0, 20), [], 0]);
    });
  });

  test('with posts that fail at random, and hints that are doubled and late, everything arrives, and no frame breaks the rule', async () => {
    const random = seededRandom(SEED);
    for (let at = 0; at < 40; at++) {
      const posted = () => (random() < 0.1 ? (random() < 0.5 ? 'busy' : 'unsure') : 'sent');
      const w = pushWorld({ random, latencyMs: 15, duplicates: 0.3, posted });
      await run(w, async () => {
        const clients = await Promise.all(numbers(0, 5).map(() => w.client()));
        await Promise.all(clients.map((client) => w.subscribe(client, CHANNEL, 'beginning')));
        for (const n of numbers(0, 40)) {
          await publish(w.log, n);
          await w.sleep(random() * 40);
        }
        await w.idle();
        for (const client of clients) {
          expect(client.breaks, `seed ${SEED}`).toEqual([]);
          expect(client.taken.get(CHANNEL), `seed ${SEED}`).toEqual(numbers(0, 40));
        }
      });
    }
  });
});

describe('an owner that dies', () => {
  test('at any of its calls is followed by another; everything arrives, and no frame breaks the rule', async () => {
    let calls = 1;
    let dropped = 0;
    for (let crashAt = 1; crashAt <= calls; crashAt++) {
      const w = pushWorld({ random: seededRandom(SEED + crashAt), latencyMs: 8 });
      await run(w, async () => {
        const clients = await Promise.all(numbers(0, 3).map(() => w.client()));
        for (const [at, client] of clients.entries())
          await w.subscribe(client, CHANNEL, at === 0 ? 'now' : 'beginning');
        const big = 'x'.repeat(9_000);
        w.crashAt = crashAt;
        for (const n of numbers(0, 12)) await publish(w.log, n, big);
        const replaying = await w.client();
        await w.subscribe(replaying, CHANNEL, 'beginning');
        clients.push(replaying);
        for (const n of numbers(12, 16)) await publish(w.log, n, big);
        await w.idle();
        calls = Math.max(calls, Math.min(w.calls, 400));
        for (const client of clients) {
          expect(client.breaks, `seed ${SEED}, crash at ${crashAt}`).toEqual([]);
          const taken = client.taken.get(CHANNEL)?.filter((message) => message !== big);
          expect(taken, `seed ${SEED}, crash at ${crashAt}`).toEqual(numbers(0, 16));
          dropped += client.dropped;
        }
        expect(w.failures, `seed ${SEED}, crash at ${crashAt}`).toEqual([]);
      });
    }
    expect(calls).toBeGreaterThan(100);
    expect(dropped).toBeGreaterThan(0);
  });

  test('or only sleeps past the end of its lease commits nothing', async () => {
    const w = worldOf();
    await run(w, async () => {
      const shard = { channel: CHANNEL, pattern: CHANNEL, shard: 0 };
      const { cursors } = w.listeners;
      const progress = {
        delivered: { entry: 5, index: 0 },
        at: 1,
        isClosed: false,
        lookAt: 0,
        isUnclean: false,
        fence: 0,
        streamId: 'stream',
        roster: 0,
      };
      const [one, two] = [
        { owner: 'one', until: 1_000 },
        { owner: 'two', until: 2_000 },
      ];
      expect(await cursors.take(shard, one, 0)).toMatchObject({ isUnclean: false });
      expect(await cursors.take(shard, two, 999)).toBeUndefined();
      expect(await cursors.take(shard, two, 1_000)).toMatchObject({ isUnclean: true });
      expect(await cursors.commit(shard, one, progress, 9_000)).toBeUndefined();
      expect(await cursors.release(shard, one, progress, 0, 1_000)).toBe(false);
      expect(await cursors.commit(shard, two, progress, 3_000)).toBe(0);
      expect(formatOffset((await cursors.get(shard))?.delivered ?? BEGINNING)).toBe('0000000000050000');
    });
  });
});
