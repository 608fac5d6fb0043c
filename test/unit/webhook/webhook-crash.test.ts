/**
 * Webhooks when processes die: at every call of dispatch and deliver, and on random days. Jepsen's rule of a queue: every
 * acknowledged message is delivered (lost 0), nothing else is delivered (unexpected 0), and doubles are allowed and counted.
 * FUZZ_SEED repeats a run, FUZZ_DAYS makes it longer.
 * @see https://github.com/jepsen-io/jepsen/blob/main/jepsen/src/jepsen/checker.clj
 * @module
 */
import { expect, test } from 'vitest';
import type { Delivery } from '../../../lambda/webhook/delivery/delivery.ts';
import { seededRandom } from '../../support/domain/random.ts';
import { share } from '../../support/thorough.ts';
import { AGAIN_MS } from '../../support/webhooks/webhook-queues.ts';
import { type WebhookWorld, webhookWorld } from '../../support/webhooks/webhook-world.ts';

const SEED = Number(process.env.FUZZ_SEED ?? Date.now() % 1_000_000);
const DAYS = Number(process.env.FUZZ_DAYS ?? share(500));
const HOUR = 3_600_000;
/** A wake whose process died is hidden for a minute. The rest is the attempt that the death interrupted, and its next attempt. */
const RECOVERED_MS = 90_000;

interface Comparison {
  readonly lost: readonly unknown[];
  readonly unexpected: readonly unknown[];
  readonly doubled: number;
}

/** @param expected the messages that the endpoint at this URL must have received */
function compare(w: WebhookWorld, url: string, expected: readonly unknown[]): Comparison {
  const taken = w.received.filter((request) => request.url === url).map(({ body }) => JSON.parse(body).data);
  const keys = new Set(taken.map((value) => JSON.stringify(value)));
  const wanted = new Set(expected.map((value) => JSON.stringify(value)));
  return {
    lost: [...wanted].filter((key) => !keys.has(key)),
    unexpected: [...keys].filter((key) => !wanted.has(key)),
    doubled: taken.length - keys.size,
  };
}

/** True if the attempts have the numbers 1, 2, 3 …, so that each was stored once. */
function hasEachOnce({ attempts, begun }: Delivery): boolean {
  return attempts.every(({ number }, at) => number === at + 1) && begun === attempts.length;
}

async function day(crashAt: number | undefined): Promise<{ w: WebhookWorld; doubled: number }> {
  const w = webhookWorld({ random: seededRandom(11) });
  let doubled = 0;
  await w.time.until(
    (async () => {
      const { id, url } = await w.endpoint();
      // The first answer to one message is a failure, so that all kinds of calls are made.
      w.answers.set(url, ({ body }, nth) => ({ status: body.includes('"twice"') && nth === 1 ? 500 : 200 }));
      w.calls = 0;
      w.crashAt = crashAt;
      await w.publish('orders/1', 'once');
      await w.publish('orders/2', 'twice', 'also');
      await w.sleep(HOUR);
      const result = compare(w, url, ['once', 'twice', 'also']);
      expect([result.lost, result.unexpected], `killed at ${w.crashes}`).toEqual([[], []]);
      doubled = result.doubled;
      const deliveries = w.listed(id);
      expect(
        deliveries.map(({ status }) => status),
        `killed at ${w.crashes}`,
      ).toEqual(['delivered', 'delivered', 'delivered']);
      expect(deliveries.filter((delivery) => !hasEachOnce(delivery))).toEqual([]);
      expect([w.tasksOf(id).size, w.failures, w.queued()]).toEqual([0, [], { dispatch: 0, deliver: 0 }]);
    })(),
  );
  return { w, doubled };
}

test('a kill at every await of dispatch and deliver loses nothing', async () => {
  const { w } = await day(1_000_000);
  const { calls } = w;
  expect(calls).toBeGreaterThan(60);
  const crashes = new Set<string>();
  let doubled = 0;
  for (let at = 1; at <= calls; at++) {
    const killed = await day(at);
    doubled += killed.doubled;
    for (const crash of killed.w.crashes) crashes.add(crash);
  }
  // The processes died at every call that dispatch and deliver make.
  for (const call of [
    'cursors.find',
    'queue.wake',
    'cursors.move',
    'leases.take',
    'tables.readAhead',
    'deliveries.putTask',
    'leases.ask',
    'sender.post',
    'deliveries.put',
    'deliveries.removeTask',
    'leases.release',
  ])
    expect([...crashes]).toEqual(expect.arrayContaining([`before ${call}`, `after ${call}`]));
  process.stdout.write(`${calls} kills: lost 0, unexpected 0, ${doubled - calls} messages twice\n`);
});

test('a lone message whose process died at any await arrives in time, without another message', async () => {
  const deaths = new Set<string>();
  for (let at = 1; ; at++) {
    const w = webhookWorld({ random: seededRandom(11) });
    await w.time.until(
      (async () => {
        const { id, url } = await w.endpoint();
        await w.publish('orders/1', 'first');
        await w.sleep(HOUR);
        w.calls = 0;
        w.crashAt = at;
        await w.publish('orders/1', 'lone');
        await w.sleep(RECOVERED_MS);
        // If dispatch died before it sent the wake, the hint comes again first.
        if (w.crashes.some((crash) => /cursors|queue/.test(crash))) await w.sleep(AGAIN_MS.dispatch);
        const statuses = w.listed(id).map(({ status }) => status);
        expect(
          [compare(w, url, ['first', 'lone']).lost, statuses],
          `killed at ${[...w.crashes].join()}`,
        ).toEqual([[], ['delivered', 'delivered']]);
      })(),
    );
    if (w.crashes.length === 0) break;
    for (const crash of w.crashes) deaths.add(crash);
  }
  for (const call of [
    'cursors.find',
    'queue.wake',
    'cursors.move',
    'leases.take',
    'tables.readAhead',
    'deliveries.put',
    'sender.post',
    'leases.release',
  ])
    expect([...deaths]).toEqual(expect.arrayContaining([`before ${call}`, `after ${call}`]));
});

test(
  `${DAYS} random days with doubled, reordered and crashed deliveries (FUZZ_SEED=${SEED})`,
  async () => {
    let doubled = 0;
    for (let nth = 0; nth < DAYS; nth++) {
      const seed = SEED + nth;
      doubled += await randomDay(seed).catch((error: unknown) => {
        throw new Error(`FUZZ_SEED=${seed}`, { cause: error });
      });
    }
    process.stdout.write(`${DAYS} random days: lost 0, unexpected 0, ${doubled} messages twice\n`);
  },
  DAYS * 1_600,
);

async function randomDay(seed: number): Promise<number> {
  const random = seededRandom(seed);
  const w = webhookWorld({ random, duplicates: 0.2, latencyMs: 40 });
  let doubled = 0;
  await w.time.until(
    (async () => {
      const endpoints = [await w.endpoint(), await w.endpoint({ channels: ['*'] }), await w.endpoint()];
      const published: string[] = [];
      for (const { url } of endpoints)
        w.answers.set(url, () => ({
          status: random() < 0.2 ? 500 : 200,
          afterMs: random() < 0.05 ? 15_000 : random() * 200,
        }));
      for (let step = 0; step < 30; step++) {
        w.throttle = random() < 0.1 ? 0.2 : 0;
        w.slow = random() < 0.2 ? 0.3 : 0;
        w.unanswered = random() < 0.1 ? 0.1 : 0;
        if (random() < 0.3) {
          w.calls = 0;
          w.crashAt = 1 + Math.floor(random() * 80);
        }
        const batch = Array.from({ length: 1 + Math.floor(random() * 4) }, (_, at) => `${step}-${at}`);
        await w.publish(random() < 0.5 ? 'orders/1' : 'orders/2', ...batch);
        published.push(...batch);
        await w.sleep(random() < 0.2 ? random() * HOUR : random() * 3_000);
      }
      w.throttle = 0;
      w.slow = 0;
      w.unanswered = 0;
      w.crashAt = undefined;
      for (const { url } of endpoints) w.answers.set(url, () => ({ status: 200 }));
      await w.sleep(48 * HOUR);
      // A task whose write came late, after it was done, waits for the next owner.
      for (const { id } of endpoints) w.wake(id);
      await w.sleep(HOUR);
      for (const { id, url } of endpoints) {
        const result = compare(w, url, published);
        expect([result.lost, result.unexpected]).toEqual([[], []]);
        doubled += result.doubled;
        expect(w.listed(id).filter(({ status }) => status !== 'delivered')).toEqual([]);
        expect(w.listed(id).filter((delivery) => !hasEachOnce(delivery))).toEqual([]);
        expect(w.tasksOf(id).size).toBe(0);
      }
      expect([w.failures, w.queued()]).toEqual([[], { dispatch: 0, deliver: 0 }]);
    })(),
  );
  return doubled;
}
