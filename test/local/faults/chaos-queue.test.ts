import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CALM, type Chaos } from '../../../local/faults/chaos.ts';
import { createQueueChaos, scheduleBatches } from '../../../local/faults/chaos-queue.ts';
import { objectOr } from '../../../local/template/json.ts';
import { type QueueStack, startQueueStack, until } from '../queue-stack.ts';

describe('the decisions', () => {
  const many = (chaos: Chaos) => {
    const nextChaos = createQueueChaos(chaos);
    return Array.from({ length: 2_000 }, nextChaos);
  };
  const part = (flags: boolean[]) => flags.filter(Boolean).length / flags.length;

  it('concern the configured parts, and are the same for the same seed', () => {
    const chaos = { ...CALM, seed: 7, duplicates: 0.1, reorders: 0.2 };
    const decisions = many(chaos);
    expect(part(decisions.map(({ holdMs }) => holdMs > 0))).toBeCloseTo(0.2, 1);
    expect(part(decisions.map(({ againMs }) => againMs !== undefined))).toBeCloseTo(0.1, 1);
    expect(
      part(decisions.filter(({ againMs }) => againMs !== undefined).map(({ againMs }) => againMs === 0)),
    ).toBeCloseTo(0.5, 0);
    expect(
      Math.max(...decisions.map(({ holdMs, againMs = 0 }) => Math.max(holdMs, againMs))),
    ).toBeLessThanOrEqual(300);
    expect(many(chaos)).toEqual(decisions);
    expect(many({ ...chaos, seed: 8 })).not.toEqual(decisions);
  });

  it('do not depend on the other parts', () => {
    const held = (duplicates: number) =>
      many({ ...CALM, seed: 7, duplicates, reorders: 0.2 }).map(({ holdMs }) => holdMs);
    expect(held(0)).toEqual(held(0.5));
  });

  it('change nothing in a calm stack', () => {
    expect(many(CALM).every(({ holdMs, againMs }) => holdMs === 0 && againMs === undefined)).toBe(true);
  });

  it('divide a batch into deliveries', () => {
    const decisions = [
      { holdMs: 0, againMs: undefined },
      { holdMs: 50, againMs: undefined },
      { holdMs: 0, againMs: 0 },
      { holdMs: 20, againMs: 30 },
    ];
    const deliveries = scheduleBatches(
      ['a', 'b', 'c', 'd'],
      () => decisions.shift() ?? { holdMs: 0, againMs: undefined },
    );
    expect(deliveries.map(({ messages, afterMs }) => `${messages.join('')} ${afterMs}`)).toEqual([
      'ac 0',
      'b 50',
      'c 0',
      'd 20',
      'd 50',
    ]);
    expect(scheduleBatches([], () => ({ holdMs: 0, againMs: undefined }))).toEqual([]);
  });
});

describe('a stack in chaos mode', () => {
  let queueStack: QueueStack;
  beforeAll(async () => {
    queueStack = await startQueueStack({ chaos: { ...CALM, seed: 11, duplicates: 0.4, reorders: 0.4 } });
  });
  afterAll(() => queueStack.close());
  beforeEach(() => queueStack.consumer.reset());

  const names = Array.from({ length: 40 }, (_, index) => `m${String(index).padStart(2, '0')}`);

  it('delivers all messages, some twice and some late', async () => {
    await queueStack.sendAll('Plain', names);
    // The number of duplicates follows from the decisions, for any order of the messages.
    const nextChaos = createQueueChaos({ ...CALM, seed: 11, duplicates: 0.4, reorders: 0.4 });
    const doubled = names.map(() => nextChaos()).filter(({ againMs }) => againMs !== undefined).length;
    await until(() => expect(queueStack.consumer.texts()).toHaveLength(names.length + doubled));
    await queueStack.emptied('Plain');
    const came = queueStack.consumer.texts();
    expect(new Set(came)).toEqual(new Set(names));
    const first = [...new Set(came)];
    expect(first).not.toEqual(first.toSorted());
    // A duplicate is the same message from the same receive.
    const taken = queueStack.consumer.batches.flatMap(({ records }) => records);
    expect(new Set(taken.map(({ receiptHandle }) => receiptHandle)).size).toBe(names.length);
    expect(new Set(taken.map((record) => objectOr(record.attributes).ApproximateReceiveCount))).toEqual(
      new Set(['1']),
    );
  });

  it('deletes no message before the function has processed it', async () => {
    const refused = new Set<string>();
    queueStack.consumer.rule = ({ texts }) => {
      const fresh = texts.filter((text) => !refused.has(text));
      for (const text of fresh) refused.add(text);
      if (fresh.length > 0) throw new Error('each message fails at first');
      return null;
    };
    await queueStack.sendAll('Plain', names);
    await until(() => expect(refused.size).toBe(names.length));
    await queueStack.emptied('Plain');
    const counts = Map.groupBy(queueStack.consumer.texts(), (text) => text);
    expect([...counts.values()].every(({ length }) => length >= 2)).toBe(true);
  });

  it('does not change FIFO queues', async () => {
    await queueStack.sendAll('Line', names, (text) => ({
      MessageGroupId: 'group',
      MessageDeduplicationId: text,
    }));
    await queueStack.emptied('Line');
    // Duplicates from the other queue may still arrive.
    const ordered = queueStack.consumer.batches.filter(({ records }) => {
      return String(records[0]?.eventSourceARN).endsWith('.fifo');
    });
    expect(ordered.flatMap(({ texts }) => texts)).toEqual(names);
  });
});
