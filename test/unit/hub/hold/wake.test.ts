/**
 * The wake by push (PROTOCOL.md §5.1): a hint that may come late, twice or never, in virtual time.
 * @module
 */
import { describe, expect, test } from 'vitest';
import { append } from '../../../../lambda/hub/log/append.ts';
import { remove } from '../../../../lambda/hub/log/lifecycle.ts';
import type { From } from '../../../../lambda/hub/log/read-log.ts';
import { Refusal } from '../../../../protocol/errors.ts';
import { never } from '../../../support/domain/hold-world.ts';
import { CHANNEL, publish, requestOf, values } from '../../../support/domain/json-log.ts';
import { seededRandom } from '../../../support/domain/random.ts';
import { poll, type WakeWorld, wakeWorld } from '../../../support/domain/wake-world.ts';
import { share } from '../../../support/thorough.ts';

const SEED = Number(process.env.FUZZ_SEED ?? Date.now() % 1_000_000);
const SCHEDULES = share(3_000);

/** Returns how long after its publish a message is answered, in milliseconds. */
async function latency(w: WakeWorld, publishAt: number): Promise<number> {
  const publishing = w.time.sleep(publishAt, never).then(() => publish(w.log, 'news'));
  const [held] = await w.time.until(Promise.all([poll(w, 'now'), publishing]));
  expect(values(held.result)).toEqual(['news']);
  return w.time.now() - publishAt;
}

describe('a held read', () => {
  test('is woken by the announcement, whenever it comes', async () => {
    for (const at of [1, 400, 1_000, 10_000, 24_000])
      expect(await latency(wakeWorld(), at)).toBeLessThanOrEqual(25);
  });

  test('reads for itself within five seconds if the announcement never comes', async () => {
    const w = wakeWorld();
    w.delay = () => undefined;
    expect(await latency(w, 7_000)).toBeLessThanOrEqual(5_000);
  });

  test('is woken by re-reading while there is no socket, or the table cannot show that it waits', async () => {
    const unconnected = wakeWorld();
    unconnected.connection = undefined;
    expect(await latency(unconnected, 10_000)).toBeLessThanOrEqual(1_100);
    expect(unconnected.shown).toEqual([]);
    const busy = wakeWorld();
    busy.trouble = () => new Refusal('unavailable', 'the store is busy; retry');
    expect(await latency(busy, 10_000)).toBeLessThanOrEqual(1_100);
    expect([unconnected.defects, busy.defects]).toEqual([[], []]);
  });

  test.each([
    ['a grant that is missing', () => new Error('AccessDeniedException: not authorized')],
    ['a defect of the hub', () => new TypeError('x is not a function')],
  ])('%s is logged once for all that wait, and each is still woken by re-reading', async (_name, trouble) => {
    const w = wakeWorld();
    w.trouble = trouble;
    const publishing = w.time.sleep(1_000, never).then(() => publish(w.log, 'news'));
    const reading = Array.from({ length: 9 }, () => poll(w, 'now'));
    const [, ...held] = await w.time.until(Promise.all([publishing, ...reading]));
    expect(held.map(({ result }) => values(result))).toEqual(reading.map(() => ['news']));
    expect(w.time.now()).toBeLessThanOrEqual(2_100);
    expect(w.defects).toEqual([trouble()]);
  });

  test('is shown once for all that wait, again before the row ends, and again for a new socket', async () => {
    const w = wakeWorld();
    await w.time.until(Promise.all([poll(w, 'now'), poll(w, 'now'), poll(w, 'now')]));
    expect(w.shown).toEqual([`${CHANNEL} wake=`]);
    await w.time.until(poll(w, 'now', 100_000));
    expect(w.shown.length).toBe(5);
    w.connection = 'other=';
    await w.time.until(poll(w, 'now'));
    expect(w.shown.at(-1)).toBe(`${CHANNEL} other=`);
  });

  test('is shown as soon as the socket opens, and misses nothing of that moment', async () => {
    for (const at of [290, 300, 301, 320, 2_000]) {
      const w = wakeWorld();
      w.connection = undefined;
      void w.time.sleep(300, never).then(w.open);
      expect(await latency(w, at), `published at ${at}`).toBeLessThanOrEqual(25);
      expect(w.shown).toEqual([`${CHANNEL} wake=`]);
    }
  });

  test('costs little while nothing happens', async () => {
    const w = wakeWorld();
    await publish(w.log, 1);
    let gets = 0;
    w.log.hook = (moment) => {
      if (moment === 'before channels.get') gets++;
    };
    await w.time.until(Promise.all(Array.from({ length: 200 }, () => poll(w, 'now'))));
    // For all readers together: a safety read every five seconds, and one when the row was written.
    expect(gets).toBeLessThanOrEqual(14);
  });

  test('of a closing channel is woken, too', async () => {
    const w = wakeWorld();
    await publish(w.log, 1);
    const closing = w.time.sleep(3_000, never).then(() => append(w.log, requestOf([], { close: true })));
    const [held] = await w.time.until(Promise.all([poll(w, 'now'), closing]));
    expect([held.result.closed, w.time.now() <= 3_050]).toEqual([true, true]);
  });

  test('is not kept busy by an announcement of a channel that was deleted', async () => {
    const w = wakeWorld();
    await w.time.until(Promise.all([publish(w.log, 1), poll(w, 'now')]));
    await remove(w.log, CHANNEL);
    let gets = 0;
    w.log.hook = (moment) => {
      if (moment === 'before channels.get') gets++;
    };
    await w.time.until(poll(w, 'now'));
    expect(gets).toBeLessThan(15);
  });
});

test(`in ${SCHEDULES} schedules of publishes, lost announcements and sockets that come and go, nothing is lost or doubled`, async () => {
  const random = seededRandom(SEED);
  for (let at = 0; at < SCHEDULES; at++) {
    const w = wakeWorld();
    w.delay = () => (random() < 0.3 ? undefined : Math.floor(random() * 200));
    w.log.hook = () => w.time.sleep(Math.floor(random() * 20), never);
    const publishing = async () => {
      for (let n = 0; n < 8; n++) {
        await w.time.sleep(random() * 3_000, never);
        w.connection = random() < 0.2 ? undefined : `wake-${Math.floor(random() * 2)}=`;
        if (random() < 0.5) void w.time.sleep(random() * 500, never).then(w.open);
        await publish(w.log, n);
      }
    };
    const reading = async () => {
      const got: unknown[] = [];
      let from: From = 'beginning';
      while (got.length < 8) {
        const { result } = await poll(w, from, 2_000 + random() * 20_000);
        got.push(...values(result));
        from = result.next;
      }
      return got;
    };
    const [got] = await w.time.until(Promise.all([reading(), publishing()]));
    expect(got, `seed ${SEED}`).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  }
});
