/**
 * PROTOCOL.md §5.4 and §5.5 on sockets, in virtual time: subscriptions that begin at the newest messages, and sockets that are stopped.
 * @module
 */
import { describe, expect, test } from 'vitest';
import { foldChannel } from '../../../../lambda/hub/keyed/fold-channel.ts';
import { append } from '../../../../lambda/hub/log/append.ts';
import { parseOffset } from '../../../../protocol/offset.ts';
import { CHANNEL, codeOf, publish, requestOf } from '../../../support/domain/json-log.ts';
import {
  createKeyed,
  foldTasks,
  keyValue,
  publishValues,
  type Value,
} from '../../../support/domain/keyed-world.ts';
import { pushWorld, type World, type WorldOptions } from '../../../support/domain/push-world.ts';
import { seededRandom } from '../../../support/domain/random.ts';

const SEED = Number(process.env.FUZZ_SEED ?? Date.now() % 1_000_000);
const v = keyValue;

const worldOf = (options: Partial<WorldOptions> = {}): World =>
  pushWorld({ random: seededRandom(SEED), ...options });
const run = async (world: World, work: () => Promise<void>) => await world.time.until(work());
const fold = (w: World) => foldChannel({ log: w.log, queue: foldTasks() }, CHANNEL, w.log.now + 60_000);

/** What a client has by key. */
function has(values: readonly unknown[] = []): Record<string, number> {
  const newest = new Map<string, number>();
  for (const value of values) {
    const { k, n, headers }: Value = JSON.parse(JSON.stringify(value));
    newest.delete(k);
    if (!headers) newest.set(k, n);
  }
  return Object.fromEntries(newest);
}

describe(`a subscription from latest (FUZZ_SEED=${SEED})`, () => {
  test('gets the newest message of each key, then what follows, contiguously', async () => {
    for (const isFolded of [false, true]) {
      const w = worldOf();
      await run(w, async () => {
        await createKeyed(w.log);
        await publishValues(w.log, v('a', 1), v('b', 2), v('c', 3));
        if (isFolded) await fold(w);
        await publishValues(w.log, v('a', 4), v('b', 5, true));
        const client = await w.client();
        const { offset } = await w.subscribe(client, CHANNEL, 'latest');
        expect(offset?.foldEnd).toBeDefined();
        await w.idle();
        expect(client.taken.get(CHANNEL)).toEqual([v('c', 3), v('a', 4)]);
        await publishValues(w.log, v('d', 6));
        await w.idle();
        expect(client.taken.get(CHANNEL)).toEqual([v('c', 3), v('a', 4), v('d', 6)]);
        expect([client.breaks, client.dropped, w.failures]).toEqual([[], 0, []]);
        // At the head it gets the entry of the hint, as every other member.
        const last = parseOffset(client.next.get(CHANNEL) ?? '');
        expect(last?.foldEnd).toBeUndefined();
      });
    }
  });

  test('of many frames goes on while keys change, and while the snapshot is folded', async () => {
    const w = worldOf();
    await run(w, async () => {
      await createKeyed(w.log);
      const text = 'x'.repeat(9_000);
      for (let n = 0; n < 60; n++) await publish(w.log, { k: `k${n}`, n, text });
      await fold(w);
      const client = await w.client();
      await w.subscribe(client, CHANNEL, 'latest');
      for (let n = 60; n < 90; n++) {
        await publish(w.log, { k: `k${n % 13}`, n });
        if (n % 7 === 0) await fold(w);
        await w.sleep(10);
      }
      await w.idle();
      const expected = Object.fromEntries(
        Array.from({ length: 90 }, (_, n) => [`k${n < 60 ? n : n % 13}`, n] as const),
      );
      expect(has(client.taken.get(CHANNEL))).toEqual(expected);
      expect([client.breaks, w.failures]).toEqual([[], []]);
    });
  });

  test('of an empty channel, and of one in which all was removed, gets what follows', async () => {
    for (const isEmpty of [true, false]) {
      const w = worldOf();
      await run(w, async () => {
        await createKeyed(w.log);
        if (!isEmpty) await publishValues(w.log, v('a', 1), v('a', 2, true));
        const client = await w.client();
        await w.subscribe(client, CHANNEL, 'latest');
        await w.idle();
        await publishValues(w.log, v('b', 3));
        await w.idle();
        expect([client.taken.get(CHANNEL), client.breaks, client.dropped]).toEqual([[v('b', 3)], [], 0]);
      });
    }
  });

  test('of a closed channel gets its end', async () => {
    const w = worldOf();
    await run(w, async () => {
      await createKeyed(w.log);
      await append(w.log, requestOf([v('a', 1)], { close: true }));
      const client = await w.client();
      await w.subscribe(client, CHANNEL, 'latest');
      await w.idle();
      expect(client.taken.get(CHANNEL)).toEqual([v('a', 1)]);
      expect(client.frames.at(-1)).toMatchObject({ closed: true });
    });
  });

  test('joins others, when the head is behind, ahead, or nowhere', async () => {
    for (let seed = 0; seed < 60; seed++) {
      const w = pushWorld({ random: seededRandom(SEED + seed), duplicates: 0.2 });
      await run(w, async () => {
        await createKeyed(w.log);
        const clients = [await w.client()];
        const [first] = clients;
        if (first && seed % 2 === 0) await w.subscribe(first, CHANNEL, 'now');
        for (let n = 0; n < 30; n++) {
          await publishValues(w.log, v(`k${n % 5}`, n, n % 11 === 0));
          await w.sleep(n % 4 === 0 ? 30 : 1);
          if (n % 10 !== 5) continue;
          const client = await w.client();
          clients.push(client);
          await w.subscribe(client, CHANNEL, 'latest');
          if (n === 15) await fold(w);
        }
        await w.idle();
        const expected = { k1: 26, k2: 27, k3: 28, k4: 29, k0: 25 };
        for (const client of clients.slice(1)) {
          expect([SEED + seed, has(client.taken.get(CHANNEL))]).toEqual([SEED + seed, expected]);
          expect([SEED + seed, client.breaks]).toEqual([SEED + seed, []]);
        }
        expect(w.failures).toEqual([]);
      });
    }
  });

  test('is refused on a channel without a key', async () => {
    const w = worldOf();
    await run(w, async () => {
      await publish(w.log, 1);
      expect(await codeOf(w.subscribe(await w.client(), CHANNEL, 'latest'))).toBe('bad_offset');
      expect(await codeOf(w.subscribe(await w.client(), 'chat/*', 'latest'))).toBe('bad_offset');
    });
  });

  test('loses nothing whichever call its process dies at', async () => {
    for (let at = 1; ; at++) {
      const w = worldOf();
      let calls = 0;
      await run(w, async () => {
        await createKeyed(w.log);
        await publishValues(w.log, v('a', 1), v('b', 2), v('c', 3), v('a', 4));
        await fold(w);
        const client = await w.client();
        w.crashAt = at;
        await w.subscribe(client, CHANNEL, 'latest');
        await publishValues(w.log, v('b', 5));
        await w.sleep(300_000);
        await w.idle();
        calls = w.calls;
        expect([at, has(client.taken.get(CHANNEL))]).toEqual([at, { c: 3, a: 4, b: 5 }]);
      });
      if (calls < at) break;
    }
  });
});

describe('a socket that was stopped', () => {
  const KEYS = 20;

  test('for 30 s while 20 keys change 10 times a second gets the newest of each in a few frames', async () => {
    const w = worldOf();
    await run(w, async () => {
      await createKeyed(w.log);
      const [conflating, other] = [await w.client(), await w.client()];
      await w.subscribe(conflating, CHANNEL, 'now', true);
      await w.subscribe(other, CHANNEL, 'now');
      await publishValues(w.log, ...Array.from({ length: KEYS }, (_, n) => v(`k${n}`, n)));
      await w.idle();
      for (const client of [conflating, other]) client.posted = () => 'busy';
      const before = { conflating: conflating.frames.length, other: other.frames.length };
      let n = KEYS;
      for (let tick = 0; tick < 300; tick++) {
        await publishValues(w.log, ...Array.from({ length: KEYS }, () => v(`k${n % KEYS}`, n++)));
        await w.sleep(100);
      }
      for (const client of [conflating, other]) client.posted = undefined;
      await w.sleep(120_000);
      await w.idle();
      const expected = Object.fromEntries(Array.from({ length: KEYS }, (_, at) => [`k${at}`, n - KEYS + at]));
      for (const client of [conflating, other]) {
        expect(has(client.taken.get(CHANNEL))).toEqual(expected);
        expect(client.breaks).toEqual([]);
      }
      const came = conflating.frames.slice(before.conflating);
      expect(came.length).toBeLessThanOrEqual(3);
      expect(came).toContainEqual(expect.objectContaining({ conflated: true }));
      expect(conflating.taken.get(CHANNEL)?.length).toBeLessThanOrEqual(4 * KEYS);
      // The other one gets every change.
      expect(other.taken.get(CHANNEL)).toHaveLength(301 * KEYS);
      expect(other.frames.slice(before.other)).not.toContainEqual(
        expect.objectContaining({ conflated: true }),
      );
      // At the head it gets every message again.
      await publishValues(w.log, v('k0', 1_000_000), v('k0', 1_000_001));
      await w.idle();
      expect(conflating.taken.get(CHANNEL)?.slice(-2)).toEqual([v('k0', 1_000_000), v('k0', 1_000_001)]);
      expect(w.failures).toEqual([]);
    });
  });
});
