/**
 * The tasks of the store of deliveries (lambda/webhook/webhook-stores.ts).
 * @module
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { DeliveryTask } from '../../lambda/webhook/delivery/delivery-task.ts';
import { hardOfHearing, NOW, newId, storesUnderTest } from './stores.ts';

const TASKS: readonly DeliveryTask[] = [
  {
    id: 'stream#1#2',
    due: NOW,
    kind: 'range',
    channel: 'a/b',
    streamId: 'stream',
    from: { entry: 7, index: 12 },
    to: { entry: 123_456_789_012, index: 0 },
    since: NOW - 1,
    run: '',
  },
  { id: 'retry', due: NOW + 1, kind: 'retry', delivery: 'msg_1' },
  { id: 'redrive', due: NOW + 2, kind: 'redrive', delivery: 'msg_2' },
  { id: 'recover', due: NOW + 3, kind: 'recover', since: NOW - 9, until: NOW, after: '' },
  { id: 'once', due: NOW + 4, kind: 'once', delivery: 'msg_3' },
  { id: 'test', due: NOW + 5, kind: 'test' },
  { id: 'handshake', due: NOW + 6, kind: 'handshake' },
];

const retry = (id: string, due: number): DeliveryTask => ({ id, due, kind: 'retry', delivery: 'msg' });
const asked = (id: string, due: number): DeliveryTask => ({ id, due, kind: 'test' });
const idsOf = (all: readonly { readonly id: string }[]) => all.map(({ id }) => id).join(' ');

const [memory, dynamo] = storesUnderTest();

describe.each([memory, dynamo, hardOfHearing])('%s', (_name, open) => {
  /** The stores, and an endpoint that they do not know yet. */
  function newEndpoint() {
    const { deliveries } = open();
    const endpoint = newId();
    return {
      deliveries,
      endpoint,
      due: async (now: number, most = 10) => {
        const { tasks, next } = await deliveries.dueTasks(endpoint, now, most);
        return [idsOf(tasks), next];
      },
    };
  }

  describe('tasks', () => {
    test('are read as they were stored, those that a person waits for first', async () => {
      const { deliveries, endpoint } = newEndpoint();
      for (const task of TASKS) await deliveries.putTask(endpoint, task);
      const { tasks } = await deliveries.dueTasks(endpoint, NOW + 9, 10);
      expect(tasks).toStrictEqual([...TASKS.slice(4), ...TASKS.slice(0, 4)]);
    });

    test('are due from their moment on, and the moment of the next task is known', async () => {
      const { deliveries, endpoint, due } = newEndpoint();
      expect(await due(NOW)).toEqual(['', undefined]);
      await deliveries.putTask(endpoint, retry('late', NOW + 10));
      await deliveries.putTask(endpoint, retry('later', NOW + 11));
      expect(await due(NOW)).toEqual(['', NOW + 10]);
      expect(await due(NOW + 9)).toEqual(['', NOW + 10]);
      expect(await due(NOW + 10)).toEqual(['late', NOW + 11]);
      expect(await due(NOW + 11)).toEqual(['late later', undefined]);
      // A task that a person waits for is due in any case: clocks of processes differ.
      await deliveries.putTask(endpoint, asked('asked', NOW + 99));
      expect(await due(NOW)).toEqual(['asked', NOW + 10]);
    });

    test('are read in the order of their moments', async () => {
      const { deliveries, endpoint, due } = newEndpoint();
      for (const moment of [NOW, 999, 0, NOW - 1, 1_000])
        await deliveries.putTask(endpoint, retry(`at${moment}`, moment));
      expect(await due(NOW)).toEqual([`at0 at999 at1000 at${NOW - 1} at${NOW}`, undefined]);
    });

    test('are read up to a number, and then the moment of the next task is unknown', async () => {
      const { deliveries, endpoint, due } = newEndpoint();
      for (const at of [1, 2, 3]) await deliveries.putTask(endpoint, retry(`r${at}`, NOW + at));
      expect(await due(NOW + 3, 2)).toEqual(['r1 r2', undefined]);
      expect(await due(NOW + 3, 3)).toEqual(['r1 r2 r3', undefined]);
      // No further task is due.
      expect(await due(NOW + 2, 2)).toEqual(['r1 r2', NOW + 3]);
      expect(await due(NOW + 1, 2)).toEqual(['r1', NOW + 2]);
      await deliveries.putTask(endpoint, asked('a', NOW));
      expect(await due(NOW + 1, 1)).toEqual(['a', undefined]);
      expect(await due(NOW, 1)).toEqual(['a', NOW + 1]);
    });

    test('replace a task with the same id and moment, and are removed', async () => {
      const { deliveries, endpoint, due } = newEndpoint();
      const [range] = TASKS;
      if (range?.kind !== 'range') throw new Error('no range');
      await deliveries.putTask(endpoint, range);
      const left = { ...range, from: { entry: 8, index: 0 } };
      await deliveries.putTask(endpoint, left);
      await deliveries.putTask(endpoint, { ...left, id: 'another' });
      await deliveries.putTask(endpoint, { ...left, due: NOW + 1 });
      const { tasks } = await deliveries.dueTasks(endpoint, NOW, 10);
      expect(tasks).toStrictEqual([{ ...left, id: 'another' }, left]);
      await deliveries.removeTask(endpoint, range);
      await deliveries.removeTask(endpoint, range);
      expect(await due(NOW)).toEqual(['another', NOW + 1]);
      const person = asked('asked', NOW);
      await deliveries.putTask(endpoint, person);
      await deliveries.removeTask(endpoint, person);
      expect(await due(NOW)).toEqual(['another', NOW + 1]);
    });

    test('belong to one endpoint', async () => {
      const { deliveries, endpoint, due } = newEndpoint();
      await deliveries.putTask(`${endpoint}2`, retry('r', NOW));
      await deliveries.removeTask(endpoint, retry('r', NOW));
      expect(await due(NOW)).toEqual(['', undefined]);
      expect((await deliveries.dueTasks(`${endpoint}2`, NOW, 1)).tasks).toHaveLength(1);
    });
  });
});

test('after any writes and removals, both stores have the same due tasks', async () => {
  const [, openMemory] = memory;
  const [, openDynamo] = dynamo;
  const task = fc
    .record({
      id: fc.constantFrom('a', 'b', 'b#', '~'),
      due: fc.constantFrom(0, 999, 1_000, NOW - 1, NOW, NOW + 1, NOW + 10),
      isAsked: fc.boolean(),
    })
    .map(({ id, due, isAsked }) => (isAsked ? asked(id, due) : retry(id, due)));
  const steps = fc.array(fc.record({ act: fc.constantFrom('leave', 'leave', 'done'), task }), {
    maxLength: 15,
  });
  const now = fc.constantFrom(0, 999, NOW - 1, NOW, NOW + 1, NOW + 10);
  const asks = fc.array(fc.record({ now, most: fc.integer({ min: 1, max: 6 }) }), {
    minLength: 1,
    maxLength: 4,
  });
  await fc.assert(
    fc.asyncProperty(steps, asks, async (done, questions) => {
      const stores = [openMemory().deliveries, openDynamo().deliveries];
      const endpoint = newId();
      const answers = stores.map(async (store) => {
        for (const { act, task: one } of done)
          await (act === 'leave' ? store.putTask(endpoint, one) : store.removeTask(endpoint, one));
        const said: unknown[] = [];
        for (const { now: then, most } of questions) said.push(await store.dueTasks(endpoint, then, most));
        return said;
      });
      const [one, other] = await Promise.all(answers);
      expect(other).toStrictEqual(one);
    }),
    { numRuns: 40 },
  );
});
