/**
 * What the pages of the console compute: the values of keyed channels, and costs.
 * @module
 */
import { describe, expect, test } from 'vitest';
import { exampleOf, type KeyedValues, withMessages } from '../../../console/channels/keyed-values.ts';
import { monthlyCost, runningCost, totalOf } from '../../../console/health/running-cost.ts';

const shown = (values: KeyedValues): unknown[] => [...values.values()].map(({ key, text }) => [key, text]);

describe('keyed values', () => {
  test('are the newest message of each key, and a removal ends one', () => {
    const first = withMessages(
      new Map(),
      [
        { a: 1, n: 1 },
        { a: '1', n: 2 },
        { a: 1, n: 3 },
      ],
      '/a',
    );
    expect(shown(first)).toEqual([
      ['1', '{"a":1,"n":3}'],
      ['1', '{"a":"1","n":2}'],
    ]);
    const second = withMessages(first, [{ a: 1, headers: { operation: 'delete' } }], '/a');
    expect(shown(second)).toEqual([['1', '{"a":"1","n":2}']]);
    expect(first.size).toBe(2);
  });

  test.each([
    ['/type,/key', { type: 'user', key: 7 }, 'user, 7'],
    ['/a~1b/m~0n', { 'a/b': { 'm~n': true } }, 'true'],
    ['/list/1', { list: ['no', 'yes'] }, 'yes'],
    ['/constructor', { constructor: 'own' }, 'own'],
  ])('%s finds its key', (streamKey, message, key) => {
    expect([...withMessages(new Map(), [message], streamKey).values()]).toMatchObject([{ key }]);
  });

  test('an example has a value at each pointer', () => {
    expect(exampleOf('/symbol')).toBe('{"symbol":"a","value":1}');
    expect(exampleOf('/type,/of/id,/of/part')).toBe('{"type":"a","of":{"id":"a","part":"a"},"value":1}');
  });
});

describe('the running cost', () => {
  const report = {
    calls: [
      { function: 'Publish', action: 'dynamodb:UpdateItem', count: 2_000_000 },
      { function: 'Publish', action: 'made:Up', count: 2_000_000 },
    ],
    runs: [
      { function: 'Publish', count: 1_000_000, ms: 9_000_000 },
      { function: 'Socket', count: 1_000_000, ms: 9_000_000 },
      { function: 'Push', count: 1_000_000, ms: 9_000_000 },
      { function: 'Hold', count: 0, ms: 3_600_000 },
    ],
  };

  test('counts calls, requests, runs, and the time of what waits', () => {
    const cost = runningCost(report, false);
    expect(cost.calls).toBeCloseTo(1.25);
    expect(cost.gateways).toBeCloseTo(2);
    expect(cost.runs).toBeCloseTo(0.9);
    expect(cost.waiting).toBeCloseTo(0.012);
    expect(totalOf(cost)).toBeCloseTo(4.162);
    // Sockets do not pay for the front door by the frame.
    expect(runningCost(report, true).gateways).toBeCloseTo(3.1);
  });

  test('a month goes on like the time until now, and is unknown in the first minute', () => {
    expect(monthlyCost(1, 59_999)).toBeNaN();
    expect(monthlyCost(0.5, 3_600_000)).toBeCloseTo(360);
  });
});
