/**
 * Endpoints in trouble, in virtual time: the circuit, the end of patience, what they ask for, and what people ask
 * (PROTOCOL.md §13.4, §13.5, §13.6).
 * @module
 */
import { describe, expect, test } from 'vitest';
import { remove } from '../../../lambda/hub/log/lifecycle.ts';
import type { DeliveryTask } from '../../../lambda/webhook/delivery/delivery-task.ts';
import type { Endpoint } from '../../../lambda/webhook/endpoint.ts';
import { Refusal } from '../../../protocol/errors.ts';
import { seededRandom } from '../../support/domain/random.ts';
import { SECRET, type WebhookWorld, webhookWorld } from '../../support/webhooks/webhook-world.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const worldOf = (): WebhookWorld => webhookWorld({ random: seededRandom(7) });
const run = async (w: WebhookWorld, work: () => Promise<void>) => await w.time.until(work());
const at = (w: WebhookWorld, url: string) => w.received.filter((request) => request.url === url);
const numbers = (count: number) => Array.from({ length: count }, (_, nth) => nth);
const statuses = (w: WebhookWorld, id: string) => w.listed(id).map(({ status }) => status);
const asked = (w: WebhookWorld, task: object): DeliveryTask =>
  ({ id: `asked-${w.time.now()}`, due: w.log.now, ...task }) as DeliveryTask;

async function change(w: WebhookWorld, endpoint: Endpoint, to: Partial<Endpoint>): Promise<Endpoint> {
  const now = (await w.endpoints.get(endpoint.id)) ?? endpoint;
  const next = { ...now, ...to, version: now.version + 1 };
  expect(await w.endpoints.replace(next)).toBe(true);
  return next;
}

describe('the circuit', () => {
  test('opens after five failures, and a black hole spends few attempts and one message of the queue', async () => {
    const w = worldOf();
    await run(w, async () => {
      const hole = await w.endpoint();
      const well = await w.endpoint();
      w.answers.set(hole.url, () => ({ kind: 'error', error: 'timeout', afterMs: 15_000 }));
      for (let nth = 0; nth < 10; nth++) await w.publish('orders/7', ...numbers(100));
      await w.sleep(10 * MINUTE);
      expect(at(w, well.url)).toHaveLength(1_000);
      expect(Math.max(...at(w, well.url).map(({ time }) => time - w.log.now + 10 * MINUTE))).toBeLessThan(
        60_000,
      );
      // Ten that were under way, and one trial after each rest: 5, 10, 20, 40, 80, 160, 300 s.
      expect(at(w, hole.url).length).toBeLessThan(20);
      expect(w.queued().deliver).toBeLessThanOrEqual(8);
      expect(w.listed(hole.id).length).toBeLessThan(20);
      w.answers.delete(hole.url);
      await w.sleep(HOUR);
      expect(new Set(at(w, hole.url).map(({ id }) => id)).size).toBe(1_000);
      await w.sleep(2 * DAY);
      expect(statuses(w, hole.id).filter((status) => status !== 'delivered')).toEqual([]);
      expect([w.tasksOf(hole.id).size, w.failures, w.queued().deliver]).toEqual([0, [], 0]);
    });
  });

  test('is tried once after each rest, not with ten at a time', async () => {
    const w = worldOf();
    await run(w, async () => {
      const { url } = await w.endpoint();
      w.answers.set(url, () => ({ status: 500 }));
      await w.publish('orders/7', ...numbers(100));
      await w.sleep(3_000);
      const first = at(w, url).length;
      // Ten under way, and one more for each of the four that fail before it opens.
      expect(first).toBeLessThanOrEqual(14);
      await w.sleep(7_000);
      expect(at(w, url).length - first).toBe(1);
    });
  });
});

test('an endpoint that has taken nothing for five days is disabled, and what comes then is skipped and recoverable', async () => {
  const w = worldOf();
  await run(w, async () => {
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
    await change(w, endpoint, { status: 'enabled', reason: undefined, enabledAt: w.log.now });
    const failed = w.listed(id).filter(({ status }) => status === 'failed' || status === 'skipped');
    await w.leave(id, asked(w, { kind: 'recover', since: 0, until: w.log.now, after: '' }));
    await w.quiet();
    const sent = at(w, url).slice(before);
    // The first has left the log by now, and says so.
    const [first, ...others] = failed.map((one) => one.id);
    expect(sent.map((request) => request.id).sort()).toEqual(others);
    expect(w.listed(id).map(({ id: one, status }) => [one, status])).toEqual([
      [first, 'expired'],
      ...others.map((one) => [one, 'delivered']),
    ]);
    expect(w.failures).toEqual([]);
  });
});

test('an owner whose renewal was carried out and not answered lets go of what it has', async () => {
  const w = worldOf();
  await run(w, async () => {
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

test('410 disables at once, and the rest is skipped', async () => {
  const w = worldOf();
  await run(w, async () => {
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

test('an address that the hub does not call is final: no retry schedule, and a dead letter', async () => {
  const w = worldOf();
  await run(w, async () => {
    const { id, url } = await w.endpoint();
    w.answers.set(url, () => ({ kind: 'error', error: 'blocked' }));
    await w.publish('orders/7', 1);
    await w.sleep(2 * DAY);
    expect([at(w, url).length, statuses(w, id), w.deadLetters.length]).toEqual([1, ['failed'], 1]);
  });
});

test('Retry-After is honoured within bounds, and leaves the whole endpoint alone', async () => {
  const w = worldOf();
  await run(w, async () => {
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
  const w = worldOf();
  await run(w, async () => {
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

test('rotation in the middle of a retry schedule: both secrets sign, then the new one alone', async () => {
  const w = worldOf();
  await run(w, async () => {
    const endpoint = await w.endpoint();
    w.answers.set(endpoint.url, ({ body }) => ({ status: body.includes('bad') ? 500 : 200 }));
    await w.publish('orders/7', 'bad');
    await w.quiet(4_000);
    const rotated = { current: 'whsec_new', previous: { secret: SECRET, until: w.log.now + DAY } };
    await change(w, endpoint, { sealed: JSON.stringify(rotated) });
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

describe('what people ask for', () => {
  test('a retry is one attempt: it neither climbs the retry schedule nor counts against the endpoint', async () => {
    const w = worldOf();
    await run(w, async () => {
      const { id, url } = await w.endpoint();
      await w.publish('orders/7', 1);
      await w.quiet();
      const [delivery] = w.listed(id);
      w.answers.set(url, () => ({ status: 500 }));
      await w.leave(id, asked(w, { kind: 'once', delivery: delivery?.id }));
      await w.sleep(DAY);
      expect(w.listed(id)).toMatchObject([
        { status: 'delivered', attempts: [{ status: 200 }, { status: 500 }] },
      ]);
      expect(await w.leases.health(id)).toMatchObject({ failures: 0, failingSince: undefined });
    });
  });

  test('a retry of one that waits leaves it on its retry schedule, or ends it', async () => {
    const w = worldOf();
    await run(w, async () => {
      const { id, url } = await w.endpoint();
      w.answers.set(url, (_request, nth) => ({ status: nth < 4 ? 500 : 200 }));
      await w.publish('orders/7', 1);
      await w.quiet(MINUTE);
      const [delivery] = w.listed(id);
      await w.leave(id, asked(w, { kind: 'once', delivery: delivery?.id }));
      await w.sleep(5_000);
      expect(w.listed(id)).toMatchObject([{ status: 'waiting', due: delivery?.due, begun: 3 }]);
      await w.leave(id, asked(w, { kind: 'once', delivery: delivery?.id }));
      await w.sleep(DAY);
      expect(w.listed(id)).toMatchObject([{ status: 'delivered', begun: 4 }]);
      expect(w.tasksOf(id).size).toBe(0);
    });
  });

  test('a replay sends everything from an offset on again, each with its own id, once', async () => {
    const w = worldOf();
    await run(w, async () => {
      const { id, url } = await w.endpoint();
      await w.publish('orders/7', ...numbers(5));
      await w.publish('orders/7', ...numbers(150));
      await w.quiet();
      const before = at(w, url);
      const channel = await w.log.channels.get('orders/7');
      const range = { channel: 'orders/7', streamId: channel?.streamId, since: 0 };
      const from = { entry: (channel?.next ?? 0) - 2, index: 3 };
      await w.leave(
        id,
        asked(w, { kind: 'range', ...range, from, to: { entry: channel?.next, index: 0 }, run: 'again' }),
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

  test('a test event is sent to a disabled endpoint, too, and while the circuit is open', async () => {
    const w = worldOf();
    await run(w, async () => {
      const { id, url } = await w.endpoint({ status: 'disabled', reason: 'asked' });
      await w.leave(id, asked(w, { kind: 'test' }));
      await w.quiet(1_000);
      expect(at(w, url).map(({ body }) => JSON.parse(body))).toMatchObject([
        { type: 'tidings.test', channel: 'tidings/test', data: { endpoint: id } },
      ]);
      expect(w.listed(id)).toMatchObject([{ kind: 'test', status: 'delivered' }]);
    });
  });

  test('a dead letter that is tried again begins the retry schedule anew', async () => {
    const w = worldOf();
    await run(w, async () => {
      const { id, url } = await w.endpoint();
      w.answers.set(url, () => ({ kind: 'error', error: 'blocked' }));
      await w.publish('orders/7', 1);
      await w.quiet();
      w.answers.set(url, (_request, nth) => ({ status: nth < 4 ? 500 : 200 }));
      await w.leave(id, asked(w, { kind: 'redrive', delivery: w.deadLetters[0]?.delivery }));
      await w.sleep(HOUR);
      expect(w.listed(id)).toMatchObject([{ status: 'delivered', begun: 4 }]);
    });
  });
});

describe('the handshake', () => {
  const pending = { status: 'pending', handshake: true } as const;

  test.each([
    ['nothing', {}],
    ['another host', { allowedOrigin: 'other.example.com' }],
    ['a failure', { status: 500, allowedOrigin: '*' }],
    ['no answer', { kind: 'error', error: 'timeout' }],
  ] as const)('of an endpoint that says %s: nothing is ever posted to it', async (_what, said) => {
    const w = worldOf();
    await run(w, async () => {
      const { id, url } = await w.endpoint(pending);
      w.answers.set(url, () => said);
      await w.leave(id, asked(w, { kind: 'handshake' }));
      await w.publish('orders/7', 1);
      await w.sleep(DAY);
      expect([w.asked, at(w, url), w.tasksOf(id).size]).toEqual([[url], [], 0]);
      expect(await w.endpoints.get(id)).toMatchObject({ status: 'pending' });
      expect(w.listed(id)).toMatchObject([{ kind: 'handshake', status: 'failed' }]);
    });
  });

  test('of one that agrees: it gets what comes from then on, at the rate that it allows', async () => {
    const w = worldOf();
    await run(w, async () => {
      const { id, url } = await w.endpoint(pending);
      w.answers.set(url, () => ({ allowedOrigin: 'HUB.example.com', allowedRate: '120' }));
      await w.publish('orders/7', 'before');
      await w.quiet();
      await w.leave(id, asked(w, { kind: 'handshake' }));
      await w.quiet(5_000);
      expect(await w.endpoints.get(id)).toMatchObject({ status: 'enabled', rate: 120 });
      await w.publish('orders/7', 'after');
      await w.quiet();
      expect(at(w, url).map(({ body }) => JSON.parse(body).data)).toEqual(['after']);
    });
  });
});

describe('what is no longer there', () => {
  test('is told as expired: messages that left the log while the endpoint was down', async () => {
    const w = worldOf();
    await run(w, async () => {
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

  test('a deleted channel: nothing of it leaves the hub any more', async () => {
    const w = worldOf();
    await run(w, async () => {
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

  test('an endpoint that was removed: its tasks go with it', async () => {
    const w = worldOf();
    await run(w, async () => {
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

test('wakes outlive what a queue keeps: an endpoint that fails now and then for a month is served to the end', async () => {
  const w = worldOf();
  await run(w, async () => {
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
