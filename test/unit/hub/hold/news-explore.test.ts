/**
 * Random schedules of news that is lost, doubled, late, out of order and of former channels: a reader that waits gets what the log
 * has (PROTOCOL.md §5.1, §11). In virtual time. FUZZ_SEED repeats a run.
 * @module
 */
import { expect, test } from 'vitest';
import { follow } from '../../../../lambda/hub/hold/follow-channels.ts';
import type { HeldBatch } from '../../../../lambda/hub/hold/held-read.ts';
import { append } from '../../../../lambda/hub/log/append.ts';
import { remove } from '../../../../lambda/hub/log/lifecycle.ts';
import type { From } from '../../../../lambda/hub/log/read-log.ts';
import { never, options } from '../../../support/domain/hold-world.ts';
import { CHANNEL, publish, readFrom, requestOf, values } from '../../../support/domain/json-log.ts';
import { seededRandom } from '../../../support/domain/random.ts';
import { poll, type WakeWorld, wakeWorld } from '../../../support/domain/wake-world.ts';
import { share } from '../../../support/thorough.ts';

const SEED = Number(process.env.FUZZ_SEED ?? Date.now() % 1_000_000);

/** Checks that a batch has what the log has in its slots, and nothing else. */
function expectAsInLog(w: WakeWorld, { channel, result }: HeldBatch): void {
  const slots = w.log.slots(channel.streamId);
  for (let slot = result.from.entry; slot < result.next.entry; slot++) {
    const entry = result.entries.find((one) => one.slot === slot);
    expect(entry?.messages, `seed ${SEED}`).toEqual(slots.get(slot)?.messages);
  }
}

test('in random schedules of news that is lost, doubled, late, out of order and of former channels, nothing is lost, doubled or out of order', async () => {
  const random = seededRandom(SEED);
  let fromNews = 0;
  for (let at = 0; at < share(1_000); at++) {
    const w = wakeWorld();
    w.delay = () => (random() < 0.2 ? undefined : Math.floor(random() ** 3 * 4_000));
    w.isDoubled = () => random() < 0.3;
    w.altered = (news) => (random() < 0.1 ? { ...news, entry: undefined } : news);
    let reads = 0;
    w.log.hook = async (moment) => {
      if (moment === 'before entries.page') reads++;
      await w.time.sleep(Math.floor(random() * 20), never);
    };
    // News of a former channel of this name.
    await w.time.until(
      Promise.all([poll(w, 'now', 1_000), w.time.sleep(300, never).then(() => publish(w.log, 'old'))]),
    );
    await w.time.until(remove(w.log, CHANNEL));
    let isOver = false;
    const repeating = async () => {
      while (!isOver) {
        await w.time.sleep(random() * 1_000, never);
        const news = w.heard[Math.floor(random() * w.heard.length)];
        if (news) w.tell(news);
      }
    };
    const publishing = async () => {
      const all: Promise<unknown>[] = [];
      for (let n = 0; n < 10; n++) {
        await w.time.sleep(random() < 0.4 ? 0 : random() * 2_000, never);
        w.connection = random() < 0.1 ? undefined : `wake-${Math.floor(random() * 1.2)}=`;
        // Most wait for each other, as those of one publisher do. Two at once have either order.
        const one = publish(w.log, n);
        all.push(one);
        if (random() < 0.8) await one;
      }
      await Promise.all(all);
      await w.time.sleep(random() * 500, never);
      await append(w.log, requestOf([], { close: true }));
    };
    const polling = async () => {
      const got: unknown[] = [];
      let from: From = 'beginning';
      for (;;) {
        const before = reads;
        const batch = await poll(w, from, 2_000 + random() * 20_000);
        expectAsInLog(w, batch);
        if (batch.result.messages.length > 0 && reads === before) fromNews++;
        got.push(...values(batch.result));
        from = batch.result.next;
        if (batch.result.closed) return got;
      }
    };
    const following = async () => {
      const got: unknown[] = [];
      let from: From = 'beginning';
      for (;;) {
        for await (const batch of follow(w.hold, CHANNEL, from, { ...options, lifetimeMs: 10_000 })) {
          expectAsInLog(w, batch);
          got.push(...values(batch.result));
          from = batch.result.next;
          if (batch.result.closed) return got;
          if (random() < 0.1) await w.time.sleep(random() * 3_000, never);
        }
      }
    };
    const reading = Promise.all([polling(), following()]).finally(() => {
      isOver = true;
    });
    const [[polled, followed]] = await w.time.until(Promise.all([reading, publishing(), repeating()]));
    expect(polled.toSorted(), `seed ${SEED}`).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(polled, `seed ${SEED}`).toEqual(values(await w.time.until(readFrom(w.log, 'beginning'))));
    expect(followed, `seed ${SEED}`).toEqual(polled);
    expect(w.defects).toEqual([]);
  }
  expect(fromNews).toBeGreaterThan(10);
});
