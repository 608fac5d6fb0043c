/**
 * Endpoints that fail, in virtual time: the circuit, `Retry-After`, the rate, and when an endpoint is disabled
 * (PROTOCOL.md §13.4).
 * @module
 */
import { describe, expect, test } from 'vitest';
import {
  at,
  changeRow,
  DAY,
  HOUR,
  inWorld,
  MINUTE,
  numbers,
  statuses,
  taskNow,
} from '../../support/webhooks/in-world.ts';
import { SECRET } from '../../support/webhooks/webhook-request.ts';

describe('the circuit', () => {
  test('opens after five failures: an endpoint that never answers uses few attempts and few messages of the queue', async () => {
    await inWorld(async (w) => {
      const silent = await w.endpoint();
      const healthy = await w.endpoint();
      w.answers.set(silent.url, () => ({ kind: 'error', error: 'timeout', afterMs: 15_000 }));
      for (let nth = 0; nth < 10; nth++) await w.publish('orders/7', ...numbers(100));
      await w.sleep(10 * MINUTE);
      expect(at(w, healthy.url)).toHaveLength(1_000);
      expect(Math.max(...at(w, healthy.url).map(({ time }) => time - w.log.now + 10 * MINUTE))).toBeLessThan(
        60_000,
      );
      // Ten that were under way, and one trial after each backoff: 5, 10, 20, 40, 80, 160, 300 s.
      expect(at(w, silent.url).length).toBeLessThan(20);
      expect(w.queued().deliver).toBeLessThanOrEqual(8);
      expect(w.listed(silent.id).length).toBeLessThan(20);
      w.answers.delete(silent.url);
      await w.sleep(HOUR);
      expect(new Set(at(w, silent.url).map(({ id }) => id)).size).toBe(1_000);
      await w.sleep(2 * DAY);
      expect(statuses(w, silent.id).filter((status) => status !== 'delivered')).toEqual([]);
      expect([w.tasksOf(silent.id).size, w.failures, w.queued().deliver]).toEqual([0, [], 0]);
    });
  });

  test('sends one attempt after each backoff, not ten at a time', async () => {
    await inWorld(async (w) => {
      const { url } = await w.endpoint();
      w.answers.set(url, () => ({ status: 500 }));
      await w.publish('orders/7', ...numbers(100));
      await w.sleep(3_000);
      const first = at(w, url).length;
      // Ten under way, and one more for each of the four failures before the circuit opens.
      expect(first).toBeLessThanOrEqual(14);
      await w.sleep(7_000);
      expect(at(w, url).length - first).toBe(1);
    });
  });
});

test('an endpoint that fails for five days is disabled. Later messages are skipped, and a recovery sends them', async () => {
  await inWorld(async (w) => {
    const endpoint = await w.endpoint();
    const { id, url } = endpoint;
    w.answers.set(url, () => ({ status: 500 }));
    for (let day = 0; day < 6; day++) {
      await w.publish('orders/7', day);
      await w.sleep(DAY);
    }
    expect(await w.endpoints.get(id)).toMatchObject({ status: 'disabled', reason: 'failing' });
    expect(w.notices.filter(({ type }) => type === 'webhook.disabled')).toMatchObject([
      { endpoint: id, reason: 'failing' },
    ]);
    expect(w.notices.filter(({ type }) => type === 'webhook.failing')).toHaveLength(1);
    await w.publish('orders/7', 'while disabled');
    await w.sleep(DAY);
    const before = at(w, url).length;
    expect(statuses(w, id).at(-1)).toBe('skipped');

    w.answers.delete(url);
    await changeRow(w, endpoint, { status: 'enabled', reason: undefined, enabledAt: w.log.now });
    const failed = w.listed(id).filter(({ status }) => status === 'failed' || status === 'skipped');
    await w.leaveTask(id, taskNow(w, { kind: 'recover', since: 0, until: w.log.now, after: '' }));
    await w.quiet();
    const sent = at(w, url).slice(before);
    // The first message has left the log by now.
    const [first, ...others] = failed.map((one) => one.id);
    expect(sent.map((request) => request.id).sort()).toEqual(others);
    expect(w.listed(id).map(({ id: one, status }) => [one, status])).toEqual([
      [first, 'expired'],
      ...others.map((one) => [one, 'delivered']),
    ]);
    expect(w.failures).toEqual([]);
  });
});

test('410 disables the endpoint at once, and the other messages are skipped', async () => {
  await inWorld(async (w) => {
    const { id, url } = await w.endpoint();
    w.answers.set(url, () => ({ status: 410 }));
    await w.publish('orders/7', 1);
    await w.quiet();
    await w.publish('orders/7', 2, 3);
    await w.sleep(DAY);
    expect(at(w, url)).toHaveLength(1);
    expect(statuses(w, id)).toEqual(['failed', 'skipped', 'skipped']);
    expect(await w.endpoints.get(id)).toMatchObject({ status: 'disabled', reason: 'gone' });
    expect([w.notices.map(({ type, reason }) => [type, reason]), w.deadLetters]).toEqual([
      [['webhook.disabled', 'gone']],
      [],
    ]);
  });
});

test('a blocked address is final: one attempt, then a dead letter', async () => {
  await inWorld(async (w) => {
    const { id, url } = await w.endpoint();
    w.answers.set(url, () => ({ kind: 'error', error: 'blocked' }));
    await w.publish('orders/7', 1);
    await w.sleep(2 * DAY);
    expect([at(w, url).length, statuses(w, id), w.deadLetters.length]).toEqual([1, ['failed'], 1]);
  });
});

test('Retry-After is obeyed within bounds, and stops all deliveries to the endpoint', async () => {
  await inWorld(async (w) => {
    const { url } = await w.endpoint();
    w.answers.set(url, (_request, nth) => (nth === 1 ? { status: 429, retryAfter: '600' } : { status: 200 }));
    await w.publish('orders/7', 1);
    await w.quiet();
    await w.publish('orders/7', 2);
    await w.sleep(9 * MINUTE - 10_000);
    expect(at(w, url)).toHaveLength(1);
    await w.sleep(3 * MINUTE);
    const [first, ...others] = at(w, url).map(({ time }) => time);
    expect(others.every((time) => time - (first ?? 0) >= 600_000)).toBe(true);
    expect(new Set(at(w, url).map(({ id }) => id)).size).toBe(2);
  });
});

test('a rate is kept without spending attempts', async () => {
  await inWorld(async (w) => {
    const { id, url } = await w.endpoint({ rate: 6 });
    await w.publish('orders/7', ...numbers(30));
    await w.sleep(10 * MINUTE);
    const times = at(w, url).map(({ time }) => time);
    expect(times).toHaveLength(30);
    for (const [nth, time] of times.entries())
      if (nth > 0) expect(time - (times[nth - 1] ?? 0)).toBeGreaterThan(9_900);
    expect(w.listed(id).every(({ begun }) => begun === 1)).toBe(true);
  });
});

test('rotation during the retry schedule: both secrets sign, later only the new one', async () => {
  await inWorld(async (w) => {
    const endpoint = await w.endpoint();
    w.answers.set(endpoint.url, ({ body }) => ({ status: body.includes('bad') ? 500 : 200 }));
    await w.publish('orders/7', 'bad');
    await w.quiet(4_000);
    const rotated = { current: 'whsec_new', previous: { secret: SECRET, until: w.log.now + DAY } };
    await changeRow(w, endpoint, { sealed: JSON.stringify(rotated) });
    for (let hour = 0; hour < 34; hour++) {
      await w.publish('orders/7', 'good');
      await w.sleep(HOUR);
    }
    const secrets = at(w, endpoint.url)
      .filter(({ body }) => body.includes('bad'))
      .map(({ secrets }) => secrets.join());
    expect(secrets[0]).toBe(SECRET);
    expect(secrets.slice(1, 7)).toEqual(Array(6).fill(`whsec_new,${SECRET}`));
    expect(secrets.at(-1)).toBe('whsec_new');
  });
});
