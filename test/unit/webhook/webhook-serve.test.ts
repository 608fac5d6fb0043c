/**
 * Webhooks from publish to receiver, in virtual time (PROTOCOL.md §13.4).
 * @module
 */
import { expect, test } from 'vitest';
import { RETRY_DELAYS_MS } from '../../../lambda/webhook/delivery/retry-schedule.ts';
import { seededRandom } from '../../support/domain/random.ts';
import { type WebhookWorld, webhookWorld } from '../../support/webhooks/webhook-world.ts';

const HOUR = 3_600_000;
const worldOf = (more: object = {}): WebhookWorld => webhookWorld({ random: seededRandom(7), ...more });
const run = async (w: WebhookWorld, work: () => Promise<void>) => await w.time.until(work());
const bodies = (w: WebhookWorld) => w.received.map(({ body }) => JSON.parse(body));

test('a message reaches every endpoint that listens to its channel, and no other', async () => {
  const w = worldOf();
  await run(w, async () => {
    const one = await w.endpoint();
    const all = await w.endpoint({ channels: ['*', 'orders/*'] });
    await w.endpoint({ channels: ['chat/*', 'orders'] });
    await w.publish('orders/7', { type: 'order.paid', sum: 3 });
    await w.quiet();
    expect(w.received.map(({ url }) => url).sort()).toEqual([one.url, all.url].sort());
    expect(new Set(w.received.map(({ id }) => id)).size).toBe(1);
    expect(bodies(w)[0]).toEqual({
      type: 'order.paid',
      timestamp: expect.stringMatching(/^2020-01-01T00:00:00/),
      data: { type: 'order.paid', sum: 3 },
      channel: 'orders/7',
      offset: expect.stringMatching(/^\d{16}$/),
    });
    expect(w.listed(one.id)).toMatchObject([{ status: 'delivered', attempts: [{ number: 1, status: 200 }] }]);
    expect([w.failures, w.queued(), [...w.tasksOf(one.id)]]).toEqual([[], { dispatch: 0, deliver: 0 }, []]);
  });
});

test('each message of a batch is one delivery, filtered by type, and earlier messages are not sent', async () => {
  const w = worldOf();
  await run(w, async () => {
    await w.publish('orders/7', 'before');
    await w.sleep(5_000);
    const { id } = await w.endpoint({ types: ['order.*', 'bare'] });
    await w.publish(
      'orders/7',
      { type: 'order.paid' },
      { type: 'invoice.paid' },
      7,
      { type: 'order' },
      { type: 'bare' },
    );
    await w.quiet();
    expect(
      bodies(w)
        .map(({ type }) => type)
        .sort(),
    ).toEqual(['bare', 'order.paid']);
    expect(w.listed(id)).toHaveLength(2);
  });
});

test('more messages than fit into a delivery pass all arrive once', async () => {
  const w = worldOf();
  await run(w, async () => {
    const { id } = await w.endpoint();
    for (let batch = 0; batch < 5; batch++)
      await w.publish('orders/7', ...Array.from({ length: 150 }, (_, at) => batch * 150 + at));
    await w.quiet(120_000);
    const sent = bodies(w).map(({ data }) => data);
    expect([...sent].sort((a, b) => a - b)).toEqual(Array.from({ length: 750 }, (_, at) => at));
    expect([w.listed(id).length, w.tasksOf(id).size, w.failures]).toEqual([750, 0, []]);
  });
});

test('the retry schedule has eight attempts at its times, then a dead letter, and a recovery sends only failed messages', async () => {
  const w = worldOf();
  await run(w, async () => {
    const { id, url } = await w.endpoint();
    let isDown = true;
    w.answers.set(url, ({ body }) => ({ status: isDown && body.includes('"bad"') ? 500 : 200 }));
    await w.publish('orders/7', 'bad');
    // Other messages succeed meanwhile, so that the circuit stays closed.
    for (let hour = 0; hour < 34; hour++) {
      await w.publish('orders/8', hour);
      await w.sleep(HOUR);
    }
    const bad = w.received.filter(({ body }) => body.includes('"bad"'));
    const attempts = bad.map(({ time }) => time);
    expect(attempts).toHaveLength(8);
    for (const [at, pause] of RETRY_DELAYS_MS.entries()) {
      const passed = (attempts[at + 1] ?? 0) - (attempts[at] ?? 0);
      expect(passed).toBeGreaterThanOrEqual(pause * 0.8);
      // The margin covers the latencies of the world, and a second of the queue.
      expect(passed).toBeLessThanOrEqual(pause * 1.2 + 2_000);
    }
    expect(w.deadLetters).toEqual([{ endpoint: id, delivery: bad[0]?.id }]);
    expect(w.notices.map(({ type }) => type)).toEqual(
      expect.arrayContaining(['webhook.failing', 'webhook.exhausted']),
    );
    isDown = false;
    const before = w.received.length;
    await w.leaveTask(id, {
      kind: 'recover',
      id: 'recovery',
      due: w.log.now,
      since: 0,
      until: w.log.now,
      after: '',
    });
    await w.quiet();
    expect(w.received.slice(before).map(({ id: one }) => one)).toEqual([bad[0]?.id]);
    expect(w.listed(id).every(({ status }) => status === 'delivered')).toBe(true);
    expect([w.tasksOf(id).size, w.failures]).toEqual([0, []]);
  });
});
