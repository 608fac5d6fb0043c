/**
 * Lines of metrics that CloudWatch accepts, and lines that it drops.
 * @module
 */
import { describe, expect, test } from 'vitest';
import { createMetrics } from '../../../local/services/metric-lines.ts';

const line = (values: object, more: object = {}) =>
  JSON.stringify({
    _aws: {
      Timestamp: 1_700_000_000_000,
      CloudWatchMetrics: [
        { Namespace: 'N', Dimensions: [['Stage']], Metrics: [{ Name: 'A', Unit: 'Count' }], ...more },
      ],
    },
    Stage: 'dev',
    ...values,
  });

test('values are summed up for each name and its dimensions', () => {
  const metrics = createMetrics();
  for (const values of [{ A: 1 }, { A: [5, 2] }, { A: 7, Stage: 'prod' }])
    expect(metrics.take(line(values))).toBe(true);
  const common = { namespace: 'N', name: 'A', unit: 'Count' };
  expect(metrics.list()).toEqual([
    { ...common, dimensions: { Stage: 'dev' }, count: 3, sum: 8, most: 5 },
    { ...common, dimensions: { Stage: 'prod' }, count: 1, sum: 7, most: 7 },
  ]);
});

test('a line may have several metrics with several dimensions', () => {
  const metrics = createMetrics();
  metrics.take(line({ A: 1, Function: 'F' }, { Dimensions: [['Stage'], ['Stage', 'Function']] }));
  expect(metrics.list().map(({ dimensions }) => dimensions)).toEqual([
    { Stage: 'dev' },
    { Stage: 'dev', Function: 'F' },
  ]);
});

test.each([
  'hello',
  '',
  '{"message":"of _aws"}',
  '{"_aws"',
  '["_aws"]',
  '{"level":"INFO","said":"\\"_aws\\""}',
])('%j has no metrics', (text) => {
  const metrics = createMetrics();
  expect([metrics.take(text), metrics.list()]).toEqual([false, []]);
});

describe('CloudWatch would drop', () => {
  test.each([
    ['a value that is no number', line({ A: '1' }), 'A is "1", no number'],
    ['a metric without a value', line({}), 'A has 0 values'],
    ['more than a hundred values', line({ A: Array.from({ length: 101 }, () => 1) }), 'A has 101 values'],
    [
      'a dimension without a value',
      line({ A: 1 }, { Dimensions: [['Function']] }),
      'dimension Function must be',
    ],
    ['a line without metrics', line({ A: 1 }, { Metrics: [] }), '0 metrics'],
    ['a line without a time', line({ A: 1 }).replace('"Timestamp":1700000000000,', ''), 'no Timestamp'],
  ])('%s', (_name, text, reason) => {
    expect(() => createMetrics().take(text)).toThrow(reason);
  });
});
