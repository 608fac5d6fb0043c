/**
 * Delivery passes in virtual time: no task holds up another, overlapping ranges are sent once, and a pass reads no more than
 * it can send (PROTOCOL.md §13.4).
 * @module
 */
import { describe, expect, test } from 'vitest';
import { replay } from '../../../lambda/webhook/delivery-requests.ts';
import {
  at,
  DAY,
  inWorld,
  MINUTE,
  managingOf,
  messagesAt,
  numbers,
  present,
  statuses,
} from '../../support/webhooks/in-world.ts';

describe('an endpoint with a rate', () => {
  test('receives the overlapping ranges of a burst of hints at that rate, and each message once', async () => {
    await inWorld(async (w) => {
      const { url } = await w.endpoint({ rate: 600 });
      for (let batch = 0; batch < 20; batch++) await w.publish('orders/7', ...numbers(50));
      await w.sleep(10 * MINUTE);
      const times = at(w, url).map(({ time }) => time);
      expect(new Set(at(w, url).map(({ id }) => id)).size).toBe(1_000);
      expect(times).toHaveLength(1_000);
      // The rate makes it a hundred seconds.
      expect(Math.max(...times) - Math.min(...times)).toBeLessThan(2 * MINUTE);
    });
  });

  test('causes few more reads of the log than messages are sent', async () => {
    await inWorld(async (w) => {
      const { url } = await w.endpoint({ rate: 6 });
      for (let channel = 0; channel < 60; channel++) await w.publish(`orders/${channel}`, ...numbers(5));
      await w.sleep(MINUTE);
      let pages = 0;
      w.log.hook = (moment) => {
        if (moment === 'before entries.page') pages++;
      };
      const before = at(w, url).length;
      await w.sleep(20 * MINUTE);
      const sent = at(w, url).length - before;
      expect(sent).toBeGreaterThanOrEqual(110);
      expect(pages).toBeLessThan(2 * sent);
    });
  });

  test('receives new messages during a long replay', async () => {
    await inWorld(async (w) => {
      const endpoint = await w.endpoint();
      const { id, url } = endpoint;
      for (let batch = 0; batch < 4; batch++) {
        await w.publish('orders/7', ...numbers(500));
        await w.sleep(15_000);
      }
      await w.sleep(MINUTE);
      expect(at(w, url)).toHaveLength(2_000);
      const slow = { ...(await present(w, endpoint)), rate: 600, version: 2 };
      expect(await w.endpoints.replace(slow)).toBe(true);
      await replay(managingOf(w), slow, 'orders/7', 'beginning');
      await w.sleep(2_000);
      const published = w.log.now;
      await w.publish('orders/8', 'live');
      await w.sleep(10 * MINUTE);
      const live = at(w, url).find(({ body }) => body.includes('live'));
      expect((live?.time ?? Number.POSITIVE_INFINITY) - published).toBeLessThan(20_000);
      expect(at(w, url)).toHaveLength(4_001);
      expect([w.tasksOf(id).size, w.failures]).toEqual([0, []]);
    });
  });
});

test('a pass sends even if the log is slow to read', async () => {
  await inWorld(async (w) => {
    const { id, url } = await w.endpoint();
    w.answers.set(url, () => ({ status: 429, retryAfter: '600' }));
    for (let channel = 0; channel < 60; channel++) await w.publish(`orders/${channel}`, channel);
    await w.sleep(2 * MINUTE);
    w.answers.delete(url);
    // The time for a page of a megabyte. Fifty of them take longer than a pass.
    w.log.hook = async (moment) => {
      if (moment === 'before entries.page') await w.sleep(120);
    };
    await w.sleep(20 * MINUTE);
    expect(statuses(w, id)).toEqual(Array(60).fill('delivered'));
    expect([w.tasksOf(id).size, w.queued().deliver]).toEqual([0, 0]);
  });
});

test('a backoff that the endpoint asks for is kept, whatever it answers to requests under way', async () => {
  await inWorld(async (w) => {
    const { id, url } = await w.endpoint();
    let underWay = 0;
    const refused: number[] = [];
    // Accepts five at a time, and refuses the others for ten minutes before it has answered the five.
    w.answers.set(url, () => {
      if (underWay === 5) {
        refused.push(w.log.now);
        return { status: 429, retryAfter: '600', afterMs: 5 };
      }
      underWay++;
      void w.sleep(300).then(() => underWay--);
      return { status: 200, afterMs: 300 };
    });
    await w.publish('orders/7', ...numbers(100));
    await w.sleep(9 * MINUTE);
    const [first = 0] = refused;
    expect(at(w, url).filter(({ time }) => time > first + 400)).toEqual([]);
    w.answers.delete(url);
    await w.sleep(DAY);
    expect(statuses(w, id)).toEqual(Array(100).fill('delivered'));
  });
});

test('a pass sends even if the table is slow: many channels with a message each', async () => {
  await inWorld(
    async (w) => {
      const { url } = await w.endpoint();
      const begin = w.log.now;
      for (let channel = 0; channel < 300; channel++) void w.publish(`orders/${channel}`, channel);
      while (at(w, url).length < 300 && w.log.now < begin + 90_000) await w.sleep(100);
      expect(new Set(messagesAt(w, url)).size).toBe(300);
    },
    { latencyMs: 40 },
  );
});
