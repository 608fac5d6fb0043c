/**
 * Requests of callers, and what was removed meanwhile, in virtual time (PROTOCOL.md §13.4, §13.5).
 * @module
 */
import { describe, expect, test } from 'vitest';
import { remove } from '../../../lambda/hub/log/lifecycle.ts';
import {
  at,
  DAY,
  HOUR,
  inWorld,
  MINUTE,
  numbers,
  statuses,
  taskNow,
} from '../../support/webhooks/in-world.ts';

describe('a request of a caller', () => {
  test('a retry is one attempt: it neither moves the retry schedule nor counts against the endpoint', async () => {
    await inWorld(async (w) => {
      const { id, url } = await w.endpoint();
      await w.publish('orders/7', 1);
      await w.quiet();
      const [delivery] = w.listed(id);
      w.answers.set(url, () => ({ status: 500 }));
      await w.leaveTask(id, taskNow(w, { kind: 'once', delivery: delivery?.id ?? '' }));
      await w.sleep(DAY);
      expect(w.listed(id)).toMatchObject([
        { status: 'delivered', attempts: [{ status: 200 }, { status: 500 }] },
      ]);
      expect(await w.leases.get(id)).toMatchObject({ health: { failures: 0, failingSince: undefined } });
    });
  });

  test('a retry of a waiting delivery leaves it on its retry schedule, or ends it', async () => {
    await inWorld(async (w) => {
      const { id, url } = await w.endpoint();
      w.answers.set(url, (_request, nth) => ({ status: nth < 4 ? 500 : 200 }));
      await w.publish('orders/7', 1);
      await w.quiet(MINUTE);
      const [delivery] = w.listed(id);
      await w.leaveTask(id, taskNow(w, { kind: 'once', delivery: delivery?.id ?? '' }));
      await w.sleep(5_000);
      expect(w.listed(id)).toMatchObject([{ status: 'waiting', due: delivery?.due, begun: 3 }]);
      await w.leaveTask(id, taskNow(w, { kind: 'once', delivery: delivery?.id ?? '' }));
      await w.sleep(DAY);
      expect(w.listed(id)).toMatchObject([{ status: 'delivered', begun: 4 }]);
      expect(w.tasksOf(id).size).toBe(0);
    });
  });

  test('a replay sends everything from an offset on again, each message once and with its own id', async () => {
    await inWorld(async (w) => {
      const { id, url } = await w.endpoint();
      await w.publish('orders/7', ...numbers(5));
      await w.publish('orders/7', ...numbers(150));
      await w.quiet();
      const before = at(w, url);
      const channel = await w.log.channels.get('orders/7');
      const range = { channel: 'orders/7', streamId: channel?.streamId ?? '', since: 0 };
      const from = { entry: (channel?.next ?? 0) - 2, index: 3 };
      await w.leaveTask(
        id,
        taskNow(w, {
          kind: 'range',
          ...range,
          from,
          to: { entry: channel?.next ?? 0, index: 0 },
          run: 'again',
        }),
      );
      await w.quiet();
      const again = at(w, url).slice(before.length);
      expect(again).toHaveLength(152);
      expect(new Set(again.map((request) => request.id)).size).toBe(152);
      expect(before.map((request) => request.id)).toEqual(
        expect.arrayContaining(again.map((request) => request.id)),
      );
    });
  });

  test('a test event is also sent to a disabled endpoint', async () => {
    await inWorld(async (w) => {
      const { id, url } = await w.endpoint({ status: 'disabled', reason: 'asked' });
      await w.leaveTask(id, taskNow(w, { kind: 'test' }));
      await w.quiet(1_000);
      expect(at(w, url).map(({ body }) => JSON.parse(body))).toMatchObject([
        { type: 'tidings.test', channel: 'tidings/test', data: { endpoint: id } },
      ]);
      expect(w.listed(id)).toMatchObject([{ kind: 'test', status: 'delivered' }]);
    });
  });

  test('a dead letter that is redriven begins the retry schedule again', async () => {
    await inWorld(async (w) => {
      const { id, url } = await w.endpoint();
      w.answers.set(url, () => ({ kind: 'error', error: 'blocked' }));
      await w.publish('orders/7', 1);
      await w.quiet();
      w.answers.set(url, (_request, nth) => ({ status: nth < 4 ? 500 : 200 }));
      await w.leaveTask(id, taskNow(w, { kind: 'redrive', delivery: w.deadLetters[0]?.delivery ?? '' }));
      await w.sleep(HOUR);
      expect(w.listed(id)).toMatchObject([{ status: 'delivered', begun: 4 }]);
    });
  });
});

describe('after a removal', () => {
  test('messages that left the log while the endpoint failed are expired', async () => {
    await inWorld(async (w) => {
      const { id, url } = await w.endpoint();
      w.answers.set(url, () => ({ status: 500 }));
      await w.publish('orders/7', ...numbers(20));
      await w.sleep(4 * DAY);
      w.answers.delete(url);
      await w.sleep(HOUR);
      await w.publish('orders/7', 'new');
      await w.sleep(4 * DAY);
      expect(statuses(w, id).every((status) => status !== 'sending' && status !== 'waiting')).toBe(true);
      expect(w.tasksOf(id).size).toBe(0);
    });
  });

  test('messages of a deleted channel do not leave the hub', async () => {
    await inWorld(async (w) => {
      const { id, url } = await w.endpoint();
      w.answers.set(url, () => ({ status: 500 }));
      await w.publish('orders/7', ...numbers(30));
      await w.quiet(4_000);
      const tried = at(w, url).length;
      await remove(w.log, 'orders/7');
      w.answers.delete(url);
      await w.sleep(DAY);
      expect(at(w, url)).toHaveLength(tried);
      expect(new Set(statuses(w, id))).toEqual(new Set(['expired']));
      expect(w.tasksOf(id).size).toBe(0);
    });
  });

  test('the tasks of a removed endpoint are removed too', async () => {
    await inWorld(async (w) => {
      const { id, url } = await w.endpoint();
      w.answers.set(url, () => ({ status: 500 }));
      await w.publish('orders/7', ...numbers(30));
      await w.quiet(4_000);
      await w.endpoints.unlisten(id, 'orders/*', w.log.now);
      await w.endpoints.remove(id);
      const tried = at(w, url).length;
      await w.publish('orders/7', 'more');
      await w.sleep(DAY);
      expect([at(w, url).length, w.tasksOf(id).size, w.queued().deliver]).toEqual([tried, 0, 0]);
    });
  });
});
