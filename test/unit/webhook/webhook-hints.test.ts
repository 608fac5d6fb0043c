/**
 * What dispatch makes of hints, and the owner of the tasks that come in a wake. A hint in step costs no look at the log, and a lone
 * delivery no look at the table. A hint that is old, doubled or out of order never overtakes the log (docs/adr/0014).
 * @module
 */
import { describe, expect, test } from 'vitest';
import { remove } from '../../../lambda/hub/log/lifecycle.ts';
import { dispatch, type WrittenSlots } from '../../../lambda/webhook/delivery/dispatch-hint.ts';
import {
  at,
  DAY,
  dispatchingOf,
  ends,
  inWorld,
  MINUTE,
  messagesAt,
  numbers,
  statuses,
} from '../../support/webhooks/in-world.ts';
import type { WebhookWorld } from '../../support/webhooks/webhook-world.ts';

const CHANNEL = 'orders/7';

/** An endpoint that has one message, and a world in which nothing is left to do. */
async function warm(w: WebhookWorld) {
  const endpoint = await w.endpoint();
  await w.publish(CHANNEL, 'first');
  await w.quiet();
  w.made.length = 0;
  return endpoint;
}

/** What the hint of the last publish says. */
async function lastWritten(w: WebhookWorld): Promise<WrittenSlots & { readonly slots: readonly [number] }> {
  const channel = await w.log.channels.get(CHANNEL);
  if (!channel) throw new Error('no channel');
  return { streamId: channel.streamId, slots: [channel.next - 1] };
}

/** Publishes without a hint. */
async function publishSilently(w: WebhookWorld, message: unknown): Promise<void> {
  const { hint } = w.log;
  Object.defineProperty(w.log, 'hint', { value: async () => {}, configurable: true });
  await w.publish(CHANNEL, message);
  Object.defineProperty(w.log, 'hint', { value: hint, configurable: true });
}

const handle = (w: WebhookWorld, written: WrittenSlots | undefined) =>
  dispatch(dispatchingOf(w), { channel: CHANNEL, written }, w.log.now + MINUTE);

test('a lone message costs eight calls of a store, of which four are before it is sent', async () => {
  await inWorld(async (w) => {
    const { url } = await warm(w);
    await w.publish(CHANNEL, 'second');
    await w.quiet();
    expect(w.made.slice(0, 2)).toEqual(['cursors.find', 'queue.wake']);
    expect(w.made.toSorted()).toEqual(
      [
        'cursors.find',
        'queue.wake',
        'cursors.move',
        'leases.take',
        'tables.readAhead',
        'deliveries.put',
        'sender.post',
        'deliveries.put',
        'leases.release',
      ].toSorted(),
    );
    // The cursor moves while deliver begins, and deliver reads while it takes the lease.
    expect(messagesAt(w, url)).toEqual(['first', 'second']);
  });
});

describe('a hint', () => {
  test('that was handled before costs one look', async () => {
    await inWorld(async (w) => {
      await warm(w);
      const written = await lastWritten(w);
      w.log.hook = (moment) => {
        throw new Error(`nothing else is read: ${moment}`);
      };
      const wake = async (): Promise<never> => {
        throw new Error('no endpoint is woken');
      };
      await dispatch(dispatchingOf(w, { wake }), { channel: CHANNEL, written }, w.log.now + MINUTE);
      expect(w.made).toEqual([]);
    });
  });

  test('that overtakes an earlier one makes dispatch read the log, and the earlier one finds nothing to do', async () => {
    await inWorld(async (w) => {
      const { url } = await warm(w);
      const hints: WrittenSlots[] = [];
      for (const message of ['second', 'third']) {
        await publishSilently(w, message);
        hints.push(await lastWritten(w));
      }
      const [early, late] = hints;
      await handle(w, late);
      await handle(w, early);
      await w.quiet();
      expect(messagesAt(w, url).toSorted()).toEqual(['first', 'second', 'third']);
      expect(w.made.filter((call) => call === 'leases.take')).toHaveLength(1);
    });
  });

  test('of several slots in any order hands over all of them at once; with a slot missing between, the log decides', async () => {
    await inWorld(async (w) => {
      const { url } = await warm(w);
      for (const message of [1, 2, 3]) await publishSilently(w, message);
      const { streamId, slots } = await lastWritten(w);
      const [last] = slots;
      let pages = 0;
      w.log.hook = (moment) => {
        if (moment.includes('entries') || moment.includes('channels')) pages++;
      };
      await dispatch(
        dispatchingOf(w, { wake: async () => {} }),
        { channel: CHANNEL, written: { streamId, slots: [last, last - 2, last - 1] } },
        w.log.now + MINUTE,
      );
      expect(pages).toBe(0);
      // The wake was lost, as if the process had died. The cursor says that all three were handed over.
      expect((await w.cursors.find(CHANNEL, [])).cursor?.at).toEqual({ entry: last + 1, index: 0 });
      for (const message of [4, 5, 6]) await publishSilently(w, message);
      await handle(w, { streamId, slots: [last + 3, last + 1] });
      expect(pages).toBeGreaterThan(0);
      await w.quiet();
      expect(messagesAt(w, url).toSorted()).toEqual([4, 5, 6, 'first']);
    });
  });

  test('of a slot beyond a gap waits until the gap is sealed', async () => {
    await inWorld(async (w) => {
      const { url } = await warm(w);
      await publishSilently(w, 'late');
      const { streamId, slots } = await lastWritten(w);
      const entry = w.log.slots(streamId).get(slots[0]);
      w.log.slots(streamId).delete(slots[0]);
      await publishSilently(w, 'beyond');
      const looks: number[] = [];
      const dispatching = dispatchingOf(w, { lookAgain: async (_channel, ms) => void looks.push(ms) });
      const beyond = { channel: CHANNEL, written: await lastWritten(w) };
      await dispatch(dispatching, beyond, w.log.now + MINUTE);
      await w.quiet(1_000);
      expect([looks.length, messagesAt(w, url)]).toEqual([1, ['first']]);
      // Its publisher was slow, and comes before a reader seals the slot.
      if (entry) w.log.slots(streamId).set(slots[0], entry);
      await dispatch(dispatching, { channel: CHANNEL, written: { streamId, slots } }, w.log.now + MINUTE);
      await handle(w, undefined);
      await w.quiet();
      expect(messagesAt(w, url).toSorted()).toEqual(['beyond', 'first', 'late']);
    });
  });

  test('of a deleted life of the channel sends nothing of the next life twice, and nothing of its own', async () => {
    await inWorld(async (w) => {
      const { url } = await warm(w);
      await publishSilently(w, 'of the old life');
      const old = await lastWritten(w);
      await remove(w.log, CHANNEL);
      await publishSilently(w, 'of the new life');
      const next = await lastWritten(w);
      await handle(w, old);
      await handle(w, next);
      await handle(w, old);
      await w.quiet();
      await w.publish(CHANNEL, 'later');
      await w.quiet();
      expect(messagesAt(w, url)).toEqual(['first', 'of the new life', 'later']);
    });
  });
});

test('while an endpoint has an owner, dispatch stores the tasks, and the deliver function does not run for them', async () => {
  await inWorld(async (w) => {
    const { id, url } = await warm(w);
    w.answers.set(url, () => ({ afterMs: 900 }));
    const dispatching = dispatchingOf(w);
    const many = numbers(30);
    let wakes = 0;
    const wake: typeof dispatching.wake = async (...args) => {
      wakes++;
      await dispatching.wake(...args);
    };
    for (const message of many) {
      await publishSilently(w, message);
      const written = await lastWritten(w);
      await dispatch({ ...dispatching, wake }, { channel: CHANNEL, written }, w.log.now + MINUTE);
      await w.sleep(30);
    }
    // The first one, and those that came before the owner had begun.
    expect(wakes).toBeLessThan(5);
    await w.quiet();
    expect(messagesAt(w, url).toSorted()).toEqual([...many, 'first'].toSorted());
    expect([statuses(w, id).length, w.tasksOf(id).size, w.queued().deliver]).toEqual([31, 0, 0]);
  });
});

describe('a task that comes in a wake', () => {
  test('is left to the owner if there is one, which looks at the table', async () => {
    await inWorld(async (w) => {
      const { id, url } = await warm(w);
      w.answers.set(url, () => ({ afterMs: 2_000 }));
      await w.publish(CHANNEL, 'slow');
      await w.sleep(500);
      await w.publish(CHANNEL, 'meanwhile');
      await w.sleep(500);
      expect([messagesAt(w, url), w.tasksOf(id).size]).toEqual([['first', 'slow'], 1]);
      await w.quiet();
      expect(messagesAt(w, url)).toEqual(['first', 'slow', 'meanwhile']);
      expect([statuses(w, id).length, w.tasksOf(id).size, w.queued().deliver]).toEqual([3, 0, 0]);
    });
  });

  test('makes its owner look at the table if the owner before died: tasks may have been left with it', async () => {
    await inWorld(async (w) => {
      const { id, url } = await warm(w);
      await w.leases.take(id, { owner: 'dead', until: w.log.now + 5_000 }, w.log.now);
      await publishSilently(w, 'left with the dead');
      // Dispatch finds an owner, which is asked to look once more, and sends no wake.
      const owners = { isLikely: () => true, woken: () => {}, seen: () => {} };
      const dispatching = dispatchingOf(w, { owners });
      const written = await lastWritten(w);
      await dispatch(dispatching, { channel: CHANNEL, written }, w.log.now + MINUTE);
      await w.sleep(6_000);
      expect([w.tasksOf(id).size, w.queued().deliver]).toEqual([1, 0]);
      await w.publish(CHANNEL, 'next');
      await w.quiet();
      expect(messagesAt(w, url).toSorted()).toEqual(['first', 'left with the dead', 'next']);
      expect(w.tasksOf(id).size).toBe(0);
    });
  });

  test('is stored during a backoff, without a look at the table and without another wake', async () => {
    await inWorld(async (w) => {
      const { id, url } = await warm(w);
      w.answers.set(url, () => ({ status: 429, retryAfter: '600' }));
      await w.publish(CHANNEL, 'refused');
      await w.quiet();
      w.made.length = 0;
      const many = numbers(40);
      for (const message of many) {
        await w.publish(CHANNEL, message);
        await w.sleep(1_000);
      }
      expect(w.made.filter((call) => call === 'deliveries.dueTasks')).toEqual([]);
      const { dispatch: renewed, deliver: hidden } = w.queued();
      expect([w.tasksOf(id).size, renewed + hidden]).toEqual([many.length + 1, 1]);
      w.answers.delete(url);
      await w.sleep(DAY);
      expect(statuses(w, id)).toEqual(Array(many.length + 2).fill('delivered'));
      expect([w.tasksOf(id).size, w.queued().deliver]).toEqual([0, 0]);
    });
  });

  test('that fails is tried again at its time, by a wake that takes the place of the first one', async () => {
    await inWorld(
      async (w) => {
        const { id, url } = await warm(w);
        w.answers.set(url, (_request, nth) => ({ status: nth < 4 ? 500 : 200 }));
        await w.publish(CHANNEL, 'second');
        await w.sleep(DAY);
        expect(w.listed(id).map(ends)).toEqual([[200], [500, 500, 500, 200]]);
        const [, first = 0, next = 0] = at(w, url).map(({ time }) => time);
        expect(next - first).toBeGreaterThanOrEqual(4_000);
        expect(next - first).toBeLessThan(8_000);
        expect([w.tasksOf(id).size, w.queued()]).toEqual([0, { dispatch: 0, deliver: 0 }]);
      },
      { duplicates: 0.5 },
    );
  });
});
