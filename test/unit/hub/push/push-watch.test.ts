/**
 * What a push reports: how many messages have arrived, and how late they were.
 * @module
 */
import { expect, test } from 'vitest';
import { CHANNEL, publish } from '../../../support/domain/json-log.ts';
import { run, worldOf } from '../../../support/domain/push-trouble.ts';
import type { World } from '../../../support/domain/push-world.ts';

/** Records what is reported. */
function reportsOf(w: World): { delivered: number; readonly lags: number[] } {
  const notes = { delivered: 0, lags: [] as number[] };
  w.watch = {
    delivered: (count) => {
      notes.delivered += count;
    },
    lag: (ms) => void notes.lags.push(ms),
  };
  return notes;
}

test('messages are counted once for each client that gets them, however many are in a frame', async () => {
  const w = worldOf();
  await run(w, async () => {
    const notes = reportsOf(w);
    for (const client of [await w.client(), await w.client()]) await w.subscribe(client, CHANNEL, 'now');
    await publish(w.log, 1, 2, 3);
    await w.idle();
    await publish(w.log, 4);
    await w.idle();
    expect(notes.delivered).toBe(8);
  });
});

test('the lag lasts from the write to the last client that takes it, also for the first message after a subscription', async () => {
  const w = worldOf();
  await run(w, async () => {
    const notes = reportsOf(w);
    const [one, slow] = [await w.client(), await w.client()];
    for (const client of [one, slow]) await w.subscribe(client, CHANNEL, 'now');
    await publish(w.log, 'first');
    await w.idle();
    expect(notes.lags.length).toBeGreaterThan(0);
    expect(Math.max(...notes.lags)).toBeLessThan(500);
    notes.lags.length = 0;
    slow.slowMs = 1_500;
    await publish(w.log, 'second');
    await w.idle();
    expect(notes.lags).toHaveLength(1);
    expect(notes.lags[0]).toBeGreaterThanOrEqual(1_500);
    expect(notes.lags[0]).toBeLessThan(2_500);
  });
});

test('history is delivered and has no lag, and neither has a client that could take nothing', async () => {
  const w = worldOf();
  await run(w, async () => {
    await publish(w.log, 1, 2);
    await w.sleep(60_000);
    const notes = reportsOf(w);
    const client = await w.client();
    await w.subscribe(client, CHANNEL, 'beginning');
    await w.idle();
    expect([client.taken.get(CHANNEL), notes]).toEqual([[1, 2], { delivered: 2, lags: [] }]);
    client.posted = () => 'busy';
    await publish(w.log, 3);
    await w.idle(5_000);
    expect(notes).toEqual({ delivered: 2, lags: [] });
  });
});
