/**
 * Wakes and owners, in virtual time. A wake that an owner counts on is never deleted, and no owner serves an endpoint for
 * longer than its process lives (PROTOCOL.md §13.4).
 * @module
 */
import { describe, expect, test } from 'vitest';
import type { RetryTask } from '../../../lambda/webhook/delivery/delivery-task.ts';
import { serveEndpoint } from '../../../lambda/webhook/delivery/serve-endpoint.ts';
import { retryDelivery } from '../../../lambda/webhook/delivery-requests.ts';
import { Refusal } from '../../../protocol/errors.ts';
import {
  at,
  DAY,
  deliveringOf,
  ends,
  HOUR,
  inWorld,
  MINUTE,
  managingOf,
  messagesAt,
  numbers,
  present,
  statuses,
} from '../../support/webhooks/in-world.ts';
import type { WebhookWorld } from '../../support/webhooks/webhook-world.ts';

const PROCESS_MS = 30_000;

/** A task that is due in ten hours. Its owner postpones the wake and counts on it. */
const later = (w: WebhookWorld): RetryTask => ({
  kind: 'retry',
  id: 'later',
  due: w.log.now + 10 * HOUR,
  delivery: 'msg_1',
});

describe('a postponed wake', () => {
  test('outlives its copy that comes while the wake is handled', async () => {
    await inWorld(async (w) => {
      const { id } = await w.endpoint();
      const task = later(w);
      await w.deliveries.putTask(id, task);
      const due = w.deliveries.dueTasks;
      // Slow enough that the copy finds another owner.
      w.deliveries.dueTasks = async (...args) => {
        await w.sleep(50);
        return await due(...args);
      };
      const serve = async (wake: string) =>
        await serveEndpoint(
          deliveringOf(w),
          id,
          { id: wake, isOld: false, tasks: [] },
          w.log.now + PROCESS_MS,
        );
      const first = serve('one');
      await w.sleep(10);
      // A copy that said "done" would delete the message for all copies.
      expect(await serve('one')).toMatchObject({ kind: 'later' });
      expect(await first).toEqual({ kind: 'later', at: task.due });
      expect(await serve('other')).toEqual({ kind: 'done' });
    });
  });

  test('outlives a release whose first answer was lost, for one read; a release that is answered needs none', async () => {
    await inWorld(async (w) => {
      const { id } = await w.endpoint();
      const task = later(w);
      await w.deliveries.putTask(id, task);
      const calls: string[] = [];
      const { release, get } = w.leases;
      let isLost = false;
      Object.assign(w.leases, {
        async release(...args: Parameters<typeof release>) {
          calls.push('release');
          const first = await release(...args);
          // The SDK repeats the call, and returns the second answer.
          return isLost ? await release(...args) : first;
        },
        async get(...args: Parameters<typeof get>) {
          calls.push('get');
          return await get(...args);
        },
      });
      const serve = async (wake: string) =>
        await serveEndpoint(
          deliveringOf(w),
          id,
          { id: wake, isOld: false, tasks: [] },
          w.log.now + PROCESS_MS,
        );
      expect(await serve('one')).toEqual({ kind: 'later', at: task.due });
      expect(calls).toEqual(['release']);
      isLost = true;
      // It is the wake that the stored state names, so it must be postponed again.
      expect(await serve('one')).toEqual({ kind: 'later', at: task.due });
      expect(calls).toEqual(['release', 'release', 'get']);
      expect(await serve('other')).toEqual({ kind: 'done' });
    });
  });

  test('outlives its copies, so that failed deliveries are tried again', async () => {
    await inWorld(
      async (w) => {
        const endpoints = await Promise.all(numbers(20).map(async () => await w.endpoint()));
        for (const { url } of endpoints)
          w.answers.set(url, (_request, nth) => ({ status: nth < 4 ? 500 : 200 }));
        await w.publish('orders/7', 'x');
        await w.sleep(DAY);
        for (const { id } of endpoints) {
          expect(w.listed(id).map(ends)).toEqual([[500, 500, 500, 200]]);
          expect(w.tasksOf(id).size).toBe(0);
        }
        expect([w.queued(), w.failures]).toEqual([{ dispatch: 0, deliver: 0 }, []]);
      },
      { latencyMs: 40, duplicates: 1 },
    );
  });

  test('is postponed again if it comes early while another owner serves the endpoint', async () => {
    await inWorld(async (w) => {
      const { url } = await w.endpoint();
      w.answers.set(url, ({ body }, nth) => {
        if (body.includes('slow')) return { status: 200, afterMs: 10_000 };
        return nth === 1 ? { status: 503, retryAfter: '86400' } : { status: 200 };
      });
      await w.publish('orders/1', 'asks for a day');
      // The queue hides a message for at most twelve hours, less two minutes.
      await w.sleep(12 * HOUR - 2 * MINUTE - 5_000);
      await w.publish('orders/2', 'slow');
      await w.sleep(DAY / 2 + 5 * MINUTE);
      const [first, , again, ...others] = at(w, url).map(({ time }) => time);
      expect(others).toEqual([]);
      expect((again ?? 0) - (first ?? 0)).toBeGreaterThanOrEqual(DAY);
      expect((again ?? 0) - (first ?? 0)).toBeLessThan(DAY + MINUTE);
    });
  });

  test('is replaced by a new wake if it is old, even while the table is busy', async () => {
    await inWorld(async (w) => {
      const { id } = await w.endpoint();
      const task = later(w);
      await w.deliveries.putTask(id, task);
      const due = w.deliveries.dueTasks;
      const until = w.log.now + PROCESS_MS;
      w.deliveries.dueTasks = async () => {
        throw new Refusal('unavailable', 'busy');
      };
      const busy = await serveEndpoint(deliveringOf(w), id, { id: 'old', isOld: true, tasks: [] }, until);
      expect(busy).toEqual({ kind: 'renew', at: w.log.now + 5_000, id: undefined });
      w.deliveries.dueTasks = due;
      // The old wake is gone, so the next owner does not count on it.
      const next = await serveEndpoint(deliveringOf(w), id, { id: 'new', isOld: false, tasks: [] }, until);
      expect(next).toEqual({ kind: 'later', at: task.due });
    });
  });
});

describe('an endpoint in a backoff', () => {
  test('gets every attempt that callers ask for, even if one look does not find all of them', async () => {
    await inWorld(async (w) => {
      const endpoint = await w.endpoint();
      const { id, url } = endpoint;
      await w.publish('orders/7', ...numbers(60));
      await w.quiet();
      const delivered = w.listed(id);
      w.answers.set(url, ({ body }, nth) =>
        body.includes('late') && nth === 1 ? { status: 429, retryAfter: '600', afterMs: 8_000 } : {},
      );
      await w.publish('orders/7', 'late');
      // Asked while the attempt is under way, so that the owner finds all of them when the backoff has begun.
      await w.sleep(3_000);
      for (const one of delivered) await retryDelivery(managingOf(w), await present(w, endpoint), one.id);
      await w.sleep(DAY);
      expect(w.listed(id).map(ends)).toEqual([...Array(60).fill([200, 200]), [429, 200]]);
      expect(statuses(w, id)).toEqual(Array(61).fill('delivered'));
      expect([w.tasksOf(id).size, w.queued().deliver, w.failures]).toEqual([0, 0, []]);
    });
  });

  test('under traffic is looked at a few times a second, and by no owner for longer than its process lives', async () => {
    await inWorld(async (w) => {
      const { id, url } = await w.endpoint();
      w.answers.set(url, () => ({ status: 429, retryAfter: '3600' }));
      await w.publish('orders/7', 'x');
      await w.sleep(MINUTE);
      const begun: number[] = [];
      const { take } = w.leases;
      w.leases.take = async (...args) => {
        const taken = await take(...args);
        if (taken) begun.push(w.log.now);
        return taken;
      };
      let looks = 0;
      const end = w.log.now + 2 * MINUTE;
      const { dueTasks: due } = w.deliveries;
      // A request comes during each look.
      w.deliveries.dueTasks = async (...args) => {
        looks++;
        if (w.log.now < end) await w.leases.ask(id, w.log.now);
        return await due(...args);
      };
      await w.publish('orders/7', 'y');
      // A wake without tasks makes an owner look at the table.
      w.wake(id);
      await w.sleep(3 * MINUTE);
      expect(looks).toBeLessThanOrEqual(120 * 4 + 10);
      const ownerships = begun.map((time, nth) => (begun[nth + 1] ?? end) - time);
      expect(ownerships.length).toBeGreaterThan(1);
      expect(Math.max(...ownerships)).toBeLessThan(PROCESS_MS + 1_000);
      expect(at(w, url)).toHaveLength(1);
      expect(w.queued().deliver).toBeLessThanOrEqual(8);
      w.answers.delete(url);
      await w.sleep(2 * HOUR);
      expect(messagesAt(w, url).sort()).toEqual(['x', 'x', 'y']);
      expect([w.tasksOf(id).size, w.queued().deliver, w.failures]).toEqual([0, 0, []]);
    });
  });
});

test('an owner whose renewal was carried out but not answered still releases its lease', async () => {
  await inWorld(async (w) => {
    const { url } = await w.endpoint();
    const { commit } = w.leases;
    let isLost = false;
    Object.assign(w.leases, {
      async commit(...args: Parameters<typeof commit>) {
        const asks = await commit(...args);
        if (isLost) return asks;
        isLost = true;
        throw new Refusal('unavailable', 'not answered');
      },
    });
    await w.publish('orders/7', ...numbers(200));
    await w.sleep(12_000);
    expect([isLost, at(w, url).length]).toEqual([true, 200]);
    await w.quiet();
    expect(w.failures).toEqual([]);
  });
});

test('a wake outlives the retention of the queue: an endpoint that fails now and then for a month receives everything', async () => {
  await inWorld(async (w) => {
    const { id, url } = await w.endpoint();
    w.answers.set(url, ({ body }, nth) => ({ status: body.includes('bad') && nth < 5 ? 500 : 200 }));
    for (let day = 0; day < 30; day++) {
      await w.publish('orders/7', 'bad');
      await w.publish('orders/8', 'good');
      await w.sleep(DAY);
    }
    await w.sleep(2 * DAY);
    expect(statuses(w, id)).toEqual(Array(60).fill('delivered'));
    expect([w.queued().deliver, w.failures]).toEqual([0, []]);
  });
});
