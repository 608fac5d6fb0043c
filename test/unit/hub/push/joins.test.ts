/**
 * Subscribers that join and leave while processes remember the members of a shard (PROTOCOL.md §12.4, docs/adr/0014-hints-with-entries.md).
 * FUZZ_SEED repeats a run.
 * @module
 */
import { expect, test } from 'vitest';
import { CHANNEL, publish } from '../../../support/domain/json-log.ts';
import type { Client } from '../../../support/domain/push-client.ts';
import { around, leave, run, storesOf } from '../../../support/domain/push-trouble.ts';
import { pushWorld } from '../../../support/domain/push-world.ts';
import { seededRandom } from '../../../support/domain/random.ts';

const SEED = Number(process.env.FUZZ_SEED ?? Date.now() % 1_000_000);
const PATTERN = 'chat/*';

/** A subscriber of a random day, from the answer to its subscribe to the answer to its unsubscribe. */
interface Stay {
  readonly client: Client;
  /** Number of the first message that was published after it had joined. */
  readonly from: number;
  /** Time at which it began to leave, by the clock of the world. */
  leaves?: number;
  /** Number of the first message that was published after it had left. */
  left?: number;
}

/** A message that was published so long ago has been pushed, in milliseconds: some tens of calls. */
const PUSHED_WITHIN_MS = 1_000;

test('subscribers that join and leave all day get all messages between, and none after', async () => {
  console.info(`joins: FUZZ_SEED=${SEED}`);
  let inStepPushes = 0;
  for (let seed = SEED; seed < SEED + 60; seed++) {
    const random = seededRandom(seed);
    const w = pushWorld({ random, latencyMs: 20, duplicates: 0.3, processes: 3 });
    // The moment between the change of the members and its note is where processes see different members.
    around(storesOf(w).subscriptions, 'noteChange', (original) => async (pattern) => {
      await w.sleep(random() * 200);
      await original(pattern);
    });
    w.onCall = (name) => {
      if (name === 'lookup.find') inStepPushes++;
      if (name === 'channels.get') inStepPushes--;
    };
    await run(w, async () => {
      const published: number[] = [];
      const stays: Stay[] = [];
      const work: Promise<unknown>[] = [];
      const pattern = random() < 0.5 ? CHANNEL : PATTERN;
      const join = async (): Promise<void> => {
        const client = await w.client();
        await w.subscribe(client, pattern, 'now');
        stays.push({ client, from: published.length });
      };
      const part = async (stay: Stay): Promise<void> => {
        stay.leaves = w.log.now;
        await leave(w, stay.client, pattern);
        stay.left = published.length;
      };
      await join();
      for (let step = 0; step < 60; step++) {
        const what = random();
        const staying = stays.find((stay) => stay.leaves === undefined);
        if (what < 0.15) work.push(join());
        else if (what < 0.25 && staying) work.push(part(staying));
        else work.push(publish(w.log, published.push(w.log.now) - 1));
        await w.sleep(random() < 0.8 ? random() * 400 : 0);
      }
      await Promise.all(work);
      await w.idle();
      for (const { client, from, leaves = w.log.now, left = published.length } of stays) {
        const taken = (client.taken.get(CHANNEL) ?? []).map(Number);
        const about = `FUZZ_SEED=${seed} ${client.id}`;
        const owed = [...published.keys()].filter(
          (n) => n >= from && (published[n] ?? 0) < leaves - PUSHED_WITHIN_MS,
        );
        expect(
          owed.filter((n) => !taken.includes(n)),
          about,
        ).toEqual([]);
        expect(
          taken.filter((n) => n >= left),
          about,
        ).toEqual([]);
        expect(client.breaks, about).toEqual([]);
      }
    });
  }
  expect(inStepPushes).toBeGreaterThan(100);
}, 60_000);
