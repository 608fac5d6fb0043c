import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { objectOr } from '../../../local/template/json.ts';
import { holding, type QueueStack, startQueueStack, until } from '../queue-stack.ts';
import { isAlive } from '../support.ts';

let queueStack: QueueStack;
beforeAll(async () => {
  queueStack = await startQueueStack();
});
afterAll(() => queueStack.close());
beforeEach(() => queueStack.consumer.reset());

const names = (count: number) => Array.from({ length: count }, (_, index) => `m${index}`);

describe('batches run in parallel', () => {
  it.each([
    ['Wide', 5],
    ['Few', 2],
  ])('from %s: %i at most', async (queue, limit) => {
    const { consumer } = queueStack;
    const held = holding();
    consumer.rule = held.rule;
    await queueStack.sendAll(queue, names(12));
    await until(() => expect(consumer.running).toBe(limit));
    expect((await queueStack.queues())[queue]).toMatchObject({ inFlight: limit, visible: 12 - limit });
    held.open();
    await queueStack.emptied(queue);
    expect(consumer.most).toBe(limit);
    expect(consumer.texts().toSorted()).toEqual(names(12).toSorted());
  });

  it('and a throttled batch is delivered later, not lost', async () => {
    const { consumer } = queueStack;
    const held = holding();
    consumer.rule = held.rule;
    await queueStack.sendAll('Narrow', names(2));
    await until(async () => {
      expect((await queueStack.queues()).Narrow).toMatchObject({ inFlight: 2 });
      expect(consumer.running).toBe(1);
    });
    held.open();
    await queueStack.emptied('Narrow');
    expect(consumer.most).toBe(1);
    expect(consumer.texts().toSorted()).toEqual(names(2));
    const counts = consumer.batches.map(
      ({ records }) => objectOr(records[0]?.attributes).ApproximateReceiveCount,
    );
    expect(counts).toEqual(['1', '1']);
  });
});

describe('a batching window', () => {
  it('collects the messages of several receives', async () => {
    // All requests at the same time: on a busy machine they might take longer than the window, one after the other.
    await Promise.all(
      [names(10), names(20).slice(10), names(25).slice(20)].map((some) =>
        queueStack.sendAll('Gathered', some),
      ),
    );
    await queueStack.emptied('Gathered');
    expect(queueStack.consumer.batches.map(({ texts }) => texts.length)).toEqual([25]);
  });

  it('ends with the messages that have arrived', async () => {
    const start = Date.now();
    await queueStack.sendAll('Gathered', ['early']);
    await until(async () => expect((await queueStack.queues()).Gathered).toMatchObject({ inFlight: 1 }));
    await queueStack.sendAll('Gathered', ['late']);
    await queueStack.emptied('Gathered');
    expect(queueStack.consumer.batches.map(({ texts }) => texts)).toEqual([['early', 'late']]);
    expect(Date.now() - start).toBeGreaterThanOrEqual(1_990);
  });
});

it('a waiting poller gives a message to the function at once', async () => {
  const times: number[] = [];
  for (const text of names(30)) {
    const start = performance.now();
    await queueStack.sendAll('Wide', [text]);
    await until(() => expect(queueStack.consumer.texts()).toContain(text));
    times.push(performance.now() - start);
  }
  // It takes some 10 ms, unless the machine is busy. With a receive at intervals, each would take almost a whole interval.
  expect(Math.min(...times)).toBeLessThan(100);
});

it('closing ends pollers and running batches', async () => {
  const other = await startQueueStack();
  other.consumer.rule = holding().rule;
  await other.send('Wide', 'unfinished');
  await vi.waitFor(() => expect(other.consumer.running).toBe(1), { timeout: 20_000 });
  const processes: unknown = await (await other.control('processes')).json();
  const pids = (Array.isArray(processes) ? processes : []).map((process) => Number(objectOr(process).pid));
  const start = performance.now();
  await other.close();
  // A function that does not end gets some seconds, and not the 30 s of its timeout.
  expect(performance.now() - start).toBeLessThan(20_000);
  expect(pids).toHaveLength(1);
  expect(pids.filter(isAlive)).toEqual([]);
});
